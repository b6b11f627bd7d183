"""Classic enhancement: variations of a real history that change or leave out some of its events."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray


class Variation(NamedTuple):
    """A history made of another one.

    places: (events,), from which event of the source each comes. drawn: (events,), whether it is a neighbour of that
    event in its stead (substitute) or after it (insert), still to be drawn.
    """

    places: NDArray[np.int64]
    drawn: NDArray[np.bool_]


def vary(n: int, shares: Mapping[str, float], random: torch.Generator) -> Variation:
    """Vary a history of n events in one of the ways, each as likely. shares: way -> of the events, above 0.

    crop, mask, reorder: Xie et al. 2022 (CL4SRec); substitute, insert: Liu et al. 2021 (CoSeRec). At least one event
    is kept.
    """
    ways = [way for way in WAYS if way in shares]
    way = ways[_below(len(ways), random)]
    size = max(int(shares[way] * n), 1)
    return WAYS[way](n, size, random)


def crop(n: int, size: int, random: torch.Generator) -> Variation:
    """`size` events on end."""
    start = _below(n - size + 1, random)
    return _kept(np.arange(start, start + size))


def mask(n: int, size: int, random: torch.Generator) -> Variation:
    """All but `size` events."""
    return _kept(np.sort(_some(n, max(n - size, 1), random)))


def reorder(n: int, size: int, random: torch.Generator) -> Variation:
    """`size` events on end change places among themselves."""
    start, places = _below(n - size + 1, random), np.arange(n)
    places[start : start + size] = start + _some(size, size, random)
    return _kept(places)


def substitute(n: int, size: int, random: torch.Generator) -> Variation:
    """A neighbour in the stead of each of `size` events."""
    drawn = np.zeros(n, dtype=bool)
    drawn[_some(n, size, random)] = True
    return Variation(np.arange(n), drawn)


def insert(n: int, size: int, random: torch.Generator) -> Variation:
    """A neighbour after each of `size` events, but not after the last one, which has no time to come."""
    followed = np.zeros(n, dtype=np.int64)
    followed[_some(n - 1, size, random)] = 1
    places = np.repeat(np.arange(n), 1 + followed)
    return Variation(places, np.concatenate([[False], places[1:] == places[:-1]]))


WAYS = {"crop": crop, "mask": mask, "reorder": reorder, "substitute": substitute, "insert": insert}


def _kept(places: NDArray[np.int64]) -> Variation:
    return Variation(places, np.zeros(len(places), dtype=bool))


def _below(n: int, random: torch.Generator) -> int:
    return int(torch.randint(n, (1,), generator=random))


def _some(n: int, size: int, random: torch.Generator) -> NDArray[np.int64]:
    """`size` of n numbers in a random order."""
    return torch.randperm(n, generator=random)[:size].numpy()
