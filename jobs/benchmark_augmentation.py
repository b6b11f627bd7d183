"""What generated rows are worth: benchmark_augmentation.py --config conf/bench/augmentation_beauty.yaml."""

import sys

from recaug.cli import augmentation

if __name__ == "__main__":
    sys.exit(augmentation())
