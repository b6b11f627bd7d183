"""The search stage alone: search.py --config FILE --date D [--until D2] [--resume] [--dry-run]."""

import sys

from recaug.cli import main

if __name__ == "__main__":
    sys.exit(main(stage="search"))
