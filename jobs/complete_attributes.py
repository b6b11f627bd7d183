"""Fills the catalogue's gaps: complete_attributes.py --config conf/catalogue/beauty.yaml --date 2014-07-01."""

import sys

from recaug.cli import complete

if __name__ == "__main__":
    sys.exit(complete())
