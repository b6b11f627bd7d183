"""Poisson bootstrap: how often a draw counts a unit, by a hash of both, wherever the unit's rows lie.

A bootstrap that draws n of n units counts each of them Binomial(n, 1 / n) times; for many units that is Poisson(1), for
each unit by itself (Chamandy et al. 2012, Estimating uncertainty for massive data streams). So no machine needs all
units, and every scorer of a unit has the same counts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ROWS = 128  # units at once, whose hashes fit a core's cache


class Draws(NamedTuple):
    """number: of draws, 0 for means without bounds. seed: of their hash."""

    number: int = 0
    seed: int = 0


MEANS = Draws()


def _thresholds() -> NDArray[np.uint32]:
    """Poisson(1)'s distribution function at 0, 1, ... times 2**32: a number counts once for each that it reaches."""
    thresholds = np.rint(poisson.cdf(np.arange(20), 1) * 2**32)
    return thresholds[thresholds < 2**32].astype(np.uint32)


THRESHOLDS = _thresholds()
MOST = len(THRESHOLDS)  # counts of a unit; more are rarer than 2**-32


def poisson_weights(units: NDArray[np.int64], draws: Draws) -> NDArray[np.uint8]:
    """How often each draw counts each unit: (units, draws.number), by (draws.seed, unit, draw) alone.

    >>> weights = poisson_weights(np.arange(1000), Draws(100, 7))
    >>> bool((weights[[5, 3]] == poisson_weights(np.array([5, 3]), Draws(100, 7))).all())
    True
    >>> round(float(weights.mean()), 2), round(float(weights.var()), 2)
    (1.0, 1.0)
    """
    keys = _mixed(units.astype(np.uint64) * GOLDEN + _mixed(np.array([draws.seed], np.uint64)))
    steps = np.arange(1, (draws.number + 1) // 2 + 1, dtype=np.uint64) * GOLDEN  # a hash has the bits of two draws
    weights = np.zeros((len(units), draws.number), np.uint8)
    for start in range(0, len(units), ROWS):
        drawn = _mixed(keys[start : start + ROWS, None] + steps).view(np.uint32)[:, : draws.number]
        for threshold in THRESHOLDS:
            weights[start : start + ROWS] += drawn >= threshold
    return weights


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): each bit hangs on all bits."""
    mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
