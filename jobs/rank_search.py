"""Lists for every query that was asked: rank_search.py --config conf/bench/search_homedepot.yaml --date 2015-07-01."""

import sys

from recaug.cli import rank_search

if __name__ == "__main__":
    sys.exit(rank_search())
