"""The leak checks of a night alone: leakage.py --config FILE --date D; exit code 3 where something leaks."""

import sys

from recaug.cli import leaks

if __name__ == "__main__":
    sys.exit(leaks())
