"""A whole night: nightly.py --config FILE --date D [--until D2] [--stages a,b] [--resume] [--dry-run]."""

import sys

from recaug.cli import main

if __name__ == "__main__":
    sys.exit(main())
