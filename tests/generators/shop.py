"""A small shop's histories, and what a generator draws from them."""

import datetime as dt

import numpy as np

from recaug.generators.base import Request
from recaug.generators.sampling import generate

L, ITEMS = 6, 40
SCHEMA = (
    "user_index int, user_id string, fold int, window int, length int, items binary, times binary, "
    "event_ids array<string>"
)
DATE = dt.date(2017, 2, 4)


def windows(user, items):
    """Rows of sequences' train split: windows of L that overlap by one event."""
    rows = []
    for window, start in enumerate(range(0, max(len(items) - 1, 1), L - 1)):
        part = items[start : start + L]
        times = [1_483_228_800 + 60 * (start + k) for k in range(len(part))]
        rows.append(
            {
                "user_index": user,
                "user_id": f"u{user:03}",
                "fold": user % 2,
                "window": window,
                "length": len(part),
                "items": np.array(part + [0] * (L - len(part)), "<i4").tobytes(),
                "times": np.array(times + [0] * (L - len(part)), "<i8").tobytes(),
                "event_ids": [f"u{user:03}e{start + k}" for k in range(len(part))],
            }
        )
    return rows


def histories(users=30, seed=0):
    rng = np.random.default_rng(seed)
    return {user: [int(i) for i in rng.permutation(ITEMS)[: rng.integers(1, 15)] + 1] for user in range(users)}


def sample(train, models, generator, seed=1, discovery=True, date=DATE):
    request = Request(generator.name, seed, date, L, discovery, batch_rows=16)
    return generate(train, generator, models, request, buckets=4)
