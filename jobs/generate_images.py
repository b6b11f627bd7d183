"""Generates pictures and proves what they are worth: generate_images.py --config conf/images/clothing.yaml --date D."""

import sys

from recaug.cli import pictures

if __name__ == "__main__":
    sys.exit(pictures())
