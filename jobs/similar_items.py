"""Finds similar items for each item: similar_items.py --config conf/catalogue/beauty.yaml --date 2014-07-01."""

import sys

from recaug.cli import similar

if __name__ == "__main__":
    sys.exit(similar())
