"""Counts of which a user adds a bounded part, with Gaussian noise: the same but for chance whether anybody is there.

A user is known by one row, the first window of the train events. What it adds is bounded twice: it adds to `most` pairs
at most, and its pairs, as its items, have a length (L2) of 1 at most. So pairs and items each change by 1 at most if a
user comes or goes. Pairs that nobody had are not looked at; those that a user had alone stay below a threshold, but for
a chance that delta counts (Korolova et al. 2009; Wilkins et al. 2024, arXiv 2306.01684).
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.special import ndtri

UNIT = 1_000_000  # parts of them are whole numbers, whose sum does not depend on the order of the rows
ITEM = 0  # the other item of what is added to an item itself
SUMMED = "item_index int, other_index int, units long"


@dataclass(frozen=True)
class Noise:
    """Noise that a secret decides: who lacks it cannot take the noise off, and the same release has the same noise.

    release: names the data and all that decides what is released of them: one with other data has other noise, for the
    difference of two with the same would be exact. pairs, items: standard deviations; delta: the chance that a pair of
    one user alone is released, for somebody of `most` such pairs.
    """

    secret: bytes = field(repr=False)
    release: str
    pairs: float
    items: float
    delta: float
    most: int

    @property
    def threshold(self) -> float:
        """What a pair needs, noise included. A user adds 1 to it at most."""
        return 1.0 + self.pairs * float(-ndtri(self.delta / self.most))

    def of(self, first: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
        """Standard normal numbers of pairs of items: 64 bits of an HMAC-SHA-256 each, through the inverse normal."""
        names = (f"{self.release}\x1f{i}\x1f{j}".encode() for i, j in zip(first, other, strict=True))
        drawn = b"".join(hmac.digest(self.secret, name, hashlib.sha256)[:8] for name in names)
        uniform = (np.frombuffer(drawn, "<u8").astype(np.float64) + 0.5) / 2.0**64
        return np.asarray(ndtri(np.clip(uniform, 2.0**-64, 1 - 2.0**-53)), np.float64)


class NoisyCounts(NamedTuple):
    """events: (n_items + 1,) float64, of each item, none below 0. pairs: item_index, other_index, weight."""

    events: NDArray[np.float64]
    pairs: DataFrame


def one_row_a_user(sequences: DataFrame) -> DataFrame:
    """Keep the rows that users are known by: of the train split their first window, which is the fullest."""
    return sequences.where("split = 'train' AND window = 0")


def noisy_counts(users: DataFrame, n_items: int, window: int, backward: float, noise: Noise) -> NoisyCounts:
    """Count items, and pairs as covisitation.counts does, with noise; each user adds a bounded part.

    Columns: `users` needs items (binary, int32, 0 for padding), a row a user. Of a pair against the order of time
    `backward` of the weight is that of the pair in the order, so it costs no noise of its own.
    """
    added = users.select("items").mapInArrow(_adder(window, noise.most), SUMMED)
    summed = added.groupBy("item_index", "other_index").agg(F.sum("units").alias("units"))
    items = summed.where(F.col("other_index") == ITEM).toPandas()
    events = np.zeros(n_items + 1)
    events[items["item_index"]] = items["units"] / UNIT
    numbers = np.arange(n_items + 1)
    events += noise.items * noise.of(numbers, np.full_like(numbers, ITEM))
    events[0] = 0.0
    ahead = summed.where(F.col("other_index") != ITEM).mapInArrow(
        _noiser(noise), "item_index int, other_index int, weight double"
    )
    back = ahead.selectExpr("other_index AS item_index", "item_index AS other_index", f"weight * {backward} AS weight")
    both = ahead.unionByName(back) if backward else ahead
    return NoisyCounts(np.maximum(events, 0.0), both)


def user_part(items: NDArray[np.int64], window: int, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a user adds: (n, 2) pairs of items in the order of time, or of an item and ITEM, and (n,) units.

    A pair weighs the sum of 1/gap over its events; the `most` strongest count, and their length is 1 at most, as is
    that of the items' numbers of events. Units are rounded down.
    """
    pairs: dict[tuple[int, int], float] = {}
    for gap in range(1, 1 + min(window, len(items) - 1)):
        for pair in zip(items[:-gap].tolist(), items[gap:].tolist(), strict=True):
            if pair[0] != pair[1]:
                pairs[pair] = pairs.get(pair, 0.0) + 1.0 / gap
    strongest = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:most]
    own, times = np.unique(items, return_counts=True)
    keys = [*strongest, *((int(item), ITEM) for item in own)]
    units = np.concatenate([_bounded(np.array([pairs[pair] for pair in strongest])), _bounded(times)])
    return np.array(keys, np.int64).reshape(-1, 2), units


def _bounded(weights: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale to a length of 1 at most, in whole units."""
    length = max(float(np.sqrt(np.square(weights.astype(np.float64)).sum())), 1.0)
    return np.floor(UNIT * weights / length).astype(np.int64)


Batches = Iterable[pa.RecordBatch]


def _adder(window: int, most: int) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Make the function that gives what the users of Arrow batches add."""

    def add(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys, units = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
            for row in batch.column("items").to_pylist():
                items = np.frombuffer(row, "<i4").astype(np.int64)
                own, parts = user_part(items[items > 0], window, most)
                keys.append(own)
                units.append(parts)
            both = np.concatenate(keys).astype(np.int32)
            columns = [pa.array(both[:, 0]), pa.array(both[:, 1]), pa.array(np.concatenate(units))]
            yield pa.RecordBatch.from_arrays(columns, names=["item_index", "other_index", "units"])

    return add


def _noiser(noise: Noise) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Make the function that adds noise to sums and keeps what is above the threshold."""

    def add(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            first, other, units = (batch.column(name).to_numpy() for name in ("item_index", "other_index", "units"))
            weight = units / UNIT + noise.pairs * noise.of(first, other)
            kept = weight > noise.threshold
            columns = [pa.array(first[kept]), pa.array(other[kept]), pa.array(weight[kept])]
            yield pa.RecordBatch.from_arrays(columns, names=["item_index", "other_index", "weight"])

    return add
