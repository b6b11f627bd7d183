"""Removes what only nights long past needed, such as once a week: clean.py --config FILE; see lake.retention."""

import sys

from recaug.cli import tidy

if __name__ == "__main__":
    sys.exit(tidy())
