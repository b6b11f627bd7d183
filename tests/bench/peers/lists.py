"""Lists of 20 items for Beauty's users and three targets each, by chance with hits in them: numpy alone."""

from typing import NamedTuple

import beauty
import numpy as np

K, TARGETS = 20, 3


class Lists(NamedTuple):
    """items: (users, K) int, best first. targets: (users, TARGETS) int. Items count from 1."""

    items: np.ndarray
    targets: np.ndarray


def lists(number: int) -> Lists:
    """The last three events are the targets; each is in the list by chance, at a place by chance."""
    users = [[*user.items, user.validation] for user in beauty.users(number)]
    index = {item: place for place, item in enumerate(sorted({item for user in users for item in user}), 1)}
    random = np.random.default_rng(1)
    targets = np.array([[index[item] for item in user[-TARGETS:]] for user in users])
    items = np.stack([random.choice(len(index), K, replace=False) + 1 for _ in users])
    for row, own in zip(items, targets, strict=True):
        for target in np.unique(own)[random.random(len(np.unique(own))) < 0.3]:
            if target not in row:
                row[random.integers(K)] = target
    return Lists(items, targets)
