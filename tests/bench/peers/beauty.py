"""Beauty's users as every script of the bench reads them, in any environment: the standard library alone.

A user's last event is the test, which nobody looks at here, and the one before it validation.
"""

import gzip
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[3] / ".." / "shared" / "data" / "amazon_reviews" / "Beauty.txt.gz"
LENGTH = 50  # events that a recommender sees


class User(NamedTuple):
    """A user: train events in their order, the last LENGTH + 1 of them, and the one that comes next."""

    name: str
    items: list[str]
    validation: str


def users(number: int) -> list[User]:
    """So many users, evenly spread over the file; all where there are fewer."""
    with gzip.open(FILE, "rt") as lines:
        read = [line.split() for line in lines]
    step = max(len(read) // number, 1)
    return [User(name, items[:-2][-LENGTH - 1 :], items[-2]) for name, *items in read[::step][:number]]
