"""Takes events as they arrive: stream.py --config FILE [--once]."""

import sys

from recaug.cli import stream

if __name__ == "__main__":
    sys.exit(stream())
