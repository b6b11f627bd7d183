"""Erases users: erase.py --config FILE --users FILE (an id a line); what was generated from them goes, too."""

import sys

from recaug.cli import forget

if __name__ == "__main__":
    sys.exit(forget())
