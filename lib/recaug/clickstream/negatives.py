"""Negative samples in proportion to popularity^alpha, never one of the user's own items."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame

from recaug.config import Negatives

NEGATIVES = "user_index int, item_index int, probability double"
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# Draws that are made at once, in a task's memory.
_DRAWS = 1_000_000
# After so many rejections in a row a user's own items hold nearly all the mass: draw among the others alone.
_ATTEMPTS = 32


class Alias(NamedTuple):
    """Walker's alias table: an index i drawn evenly stays i with chance keep[i], else it is other[i]."""

    probability: Floats
    keep: Floats
    other: Ints


def alias_table(weights: Floats) -> Alias:
    """Build the table in linear time (Vose 1991, "A linear algorithm for generating random numbers").

    weights: (n,) at least 0, not all 0.
    """
    probability = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    n = len(probability)
    scaled = (probability * n).tolist()
    keep, other = [1.0] * n, list(range(n))
    small = [i for i in range(n) if scaled[i] < 1]
    large = [i for i in range(n) if scaled[i] >= 1]
    while small and large:
        low, high = small.pop(), large.pop()
        keep[low], other[low] = scaled[low], high
        scaled[high] += scaled[low] - 1
        (small if scaled[high] < 1 else large).append(high)
    return Alias(probability, np.array(keep), np.array(other, dtype=np.int64))


def powers(counts: Ints, alpha: float) -> Floats:
    """Give counts^alpha by the C library's power: numpy's own differs in its last bit between numpy 1 and 2."""
    return np.array([float(count) ** alpha for count in counts.tolist()])


def negatives_of(users: DataFrame, vocabulary: DataFrame, negatives: Negatives, seed: int) -> DataFrame:
    """Do as sample_negatives by the settings, in proportion to the events of the vocabulary (item_index, events)."""
    rows = vocabulary.orderBy("item_index").select("events").collect()
    return sample_negatives(users, np.array([row[0] for row in rows]), negatives.alpha, negatives.per_user, seed)


def sample_negatives(users: DataFrame, popularity: Ints, alpha: float, per_user: int, seed: int) -> DataFrame:
    """Draw `per_user` items for each user, with replacement, in proportion to popularity^alpha.

    users: user_index, seen (array<int>: the user's own items, sorted). popularity: (n_items,) events of the items with
    item_index 1, 2, ... Gives user_index, item_index, probability: that of the draw, q(i) / (1 - q(own items)).
    The table travels to the executors once, with the function; a row depends on the seed and its user alone: random
    numbers are hashes of (seed, user, draw, attempt), so neither partitions nor batches matter. A user who has every
    item gets none.
    """
    table = alias_table(powers(popularity, alpha))
    shared = users.sparkSession.sparkContext.broadcast(table)

    def sample(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _draw(shared.value, per_user, seed)(batches)

    return users.select("user_index", "seen").mapInArrow(sample, NEGATIVES)


def _draw(table: Alias, per_user: int, seed: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that draws for Arrow batches of users."""
    step = max(_DRAWS // per_user, 1)

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            users = batch.column("user_index").to_numpy(zero_copy_only=False).astype(np.int64)
            offsets = batch.column("seen").offsets.to_numpy().astype(np.int64)
            seen = batch.column("seen").values.to_numpy(zero_copy_only=False).astype(np.int64)
            for first in range(0, len(users), step):
                last = min(first + step, len(users))
                own = seen[offsets[first] : offsets[last]] - 1
                drawn = draw_for(table, users[first:last], own, np.diff(offsets[first : last + 1]), per_user, seed)
                user, item, probability = drawn
                columns = [
                    pa.array(user.astype(np.int32)),
                    pa.array((item + 1).astype(np.int32)),
                    pa.array(probability),
                ]
                yield pa.RecordBatch.from_arrays(columns, names=["user_index", "item_index", "probability"])

    return draw


def draw_for(table: Alias, users: Ints, own: Ints, sizes: Ints, per_user: int, seed: int) -> tuple[Ints, Ints, Floats]:
    """Draw for some users; items count from 0 here.

    users: (n,) their indices. own: their items one after the other, sorted within a user; sizes: (n,) how many.
    Returns user, item, probability, each (n * per_user,) less the users who have every item.
    """
    n_items = len(table.probability)
    rank = np.repeat(np.arange(len(users)), sizes)
    taken = rank * n_items + own  # sorted, since own is within each user
    mass = np.bincount(rank, table.probability[own], len(users))
    row = np.repeat(np.arange(len(users)), per_user)
    draws = np.tile(np.arange(per_user), len(users))
    states = random_states(seed, users)
    item = np.zeros(len(row), dtype=np.int64)
    open_ = np.flatnonzero(sizes[row] < n_items)
    drawable = open_
    for attempt in range(_ATTEMPTS):
        number = random_bits(states[row[open_]], draws[open_], attempt)
        column = ((number >> np.uint64(32)) * np.uint64(n_items) >> np.uint64(32)).astype(np.int64)
        coin = (_mix(number) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        item[open_] = np.where(coin < table.keep[column], column, table.other[column])
        open_ = open_[_contains(taken, row[open_] * n_items + item[open_])]
        if not len(open_):
            break
    for place in open_:
        mine = own[rank == row[place]]
        left = table.probability.copy()
        left[mine] = 0.0
        uniform = float(random_bits(states[row[place]], draws[place : place + 1], _ATTEMPTS)[0]) * 2.0**-64
        cumulated = np.cumsum(left)
        item[place] = min(int(np.searchsorted(cumulated, uniform * cumulated[-1], side="right")), n_items - 1)
    user = row[drawable]
    return users[user], item[drawable], table.probability[item[drawable]] / (1.0 - mass[user])


def random_states(seed: int, users: Ints) -> Bits:
    """Give each user a generator's state of its own, whatever the seeds and users beside it."""
    mixed = _mix(np.array([seed % 2**64], dtype=np.uint64) + _GOLDEN)
    return _mix(users.astype(np.uint64) * _GOLDEN + mixed)


def random_bits(state: Bits, draw: Ints, attempt: int) -> Bits:
    """Give 64 random bits of a counter: SplitMix64 (Steele, Lea and Flood 2014) jumps to any step of its sequence."""
    step = draw.astype(np.uint64) + np.uint64(attempt << 32)
    return _mix(state + step * _GOLDEN)


def _mix(z: Bits) -> Bits:
    """SplitMix64's finaliser."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _contains(sorted_: Ints, values: Ints) -> npt.NDArray[Any]:
    """Say which values are among the sorted ones."""
    if not len(sorted_):
        return np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(sorted_, values), len(sorted_) - 1)
    return sorted_[place] == values
