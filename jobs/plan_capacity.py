"""Plans a larger shop's night: plan_capacity.py --users 5e7 --items 2e6 --events-per-day 1e9 --cluster emr-m5-20."""

import sys

from recaug.cli import plan_capacity

if __name__ == "__main__":
    sys.exit(plan_capacity())
