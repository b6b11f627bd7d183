"""Every search ranker on the same queries: benchmark_search.py --config conf/bench/search_homedepot.yaml."""

import sys

from recaug.cli import benchmark_search

if __name__ == "__main__":
    sys.exit(benchmark_search())
