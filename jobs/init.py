"""Proposes the YAML of a shop's log: init.py --events PATH [--items PATH] --out FILE [--force]."""

import sys

from recaug.cli import init

if __name__ == "__main__":
    sys.exit(init())
