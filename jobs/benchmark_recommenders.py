"""Every recommender on the same splits: benchmark_recommenders.py --config conf/bench/beauty.yaml."""

import sys

from recaug.cli import benchmark

if __name__ == "__main__":
    sys.exit(benchmark())
