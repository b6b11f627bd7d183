"""What users had together: directed counts, by fold, that add up to the whole."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# Weights are summed as whole millionths: a sum of doubles would depend on the order of the rows.
UNIT = 1_000_000
# Pairs that are counted at once, in a task's memory (24 bytes each).
_PAIRS = 2_000_000


def counts(histories: DataFrame, window: int, backward: float) -> DataFrame:
    """Count pairs of items in the users' histories: i at t and j at t + g, for g from 1 to `window`.

    Such a pair adds 1/g to (i, j) and backward/g to (j, i); an item with itself does not count.
    histories: a row a user: fold, codes (array<bigint>: item_index in the order of time; others than above 0 are
    skipped as if they were not there). Gives fold, item_index, other_index, weight (to six decimals), users (who had
    the pair, each once).
    """
    return (
        pair_units(histories, window, backward)
        .groupBy("fold", "item_index", "other_index")
        .agg((F.sum("units") / UNIT).alias("weight"), F.sum("users").cast("int").alias("users"))
        .where("weight > 0")
    )


def of_enough(counts: DataFrame, min_users: int) -> DataFrame:
    """Keep the pairs that so many different users of the folds that are given had.

    Columns: `counts` needs item_index, other_index and users. A user is in one fold, so those of folds add up.
    """
    if min_users == 1:
        return counts
    pair = ["item_index", "other_index"]
    enough = counts.groupBy(pair).agg(F.sum("users").alias("n")).where(F.col("n") >= min_users)
    return counts.join(enough.select(pair), pair, how="left_semi")


def train_codes(histories: DataFrame) -> DataFrame:
    """Cut histories after their train events. histories: of sequences.histories. Gives fold, codes, as counts wants."""
    return histories.select("fold", F.slice("codes", F.lit(1), F.col("train_events")).alias("codes"))


def pair_units(histories: DataFrame, window: int, backward: float) -> DataFrame:
    """Give the terms of `counts`, not yet added up: fold, item_index, other_index, units (millionths), users."""
    pairs = histories.select("fold", F.filter("codes", lambda code: code > 0).alias("codes"))
    return pairs.where("size(codes) > 1").mapInArrow(
        _pairs(window, backward), "fold int, item_index int, other_index int, units long, users long"
    )


def _pairs(window: int, backward: float) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that counts the pairs of Arrow batches, adding up those of one batch."""
    gaps = np.arange(1, window + 1)
    forward, back = (np.rint(UNIT * weight / gaps).astype(np.int64) for weight in (1.0, backward))

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            offsets = batch.column("codes").offsets.to_numpy().astype(np.int64)
            values = batch.column("codes").values.to_numpy(zero_copy_only=False)
            folds = batch.column("fold").to_numpy(zero_copy_only=False)
            first = 0
            while first < len(folds):
                room = offsets[first] + max(_PAIRS // (2 * window), 1)
                last = max(int(np.searchsorted(offsets, room, side="right")) - 1, first + 1)
                yield _add_up(values[offsets[first] : offsets[last]], offsets[first : last + 1], folds[first:last])
                first = last

    def _add_up(items: np.ndarray, offsets: np.ndarray, folds: np.ndarray) -> pa.RecordBatch:
        """Count the pairs of some users: items of all of them, and where each one's begin."""
        user = np.repeat(np.arange(len(folds)), np.diff(offsets))
        size = int(items.max()) + 1
        keys, units, owners = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for gap in range(1, min(window, len(items) - 1) + 1):
            near = np.flatnonzero((user[:-gap] == user[gap:]) & (items[:-gap] != items[gap:]))
            if not len(near) and gap >= np.diff(offsets).max():
                break
            base = folds[user[near]].astype(np.int64) * size
            for left, right, weight in ((0, gap, forward[gap - 1]), (gap, 0, back[gap - 1])):
                if weight:
                    keys.append((base + items[near + left]) * size + items[near + right])
                    units.append(np.full(len(near), weight))
                    owners.append(user[near])
        key, owner = np.concatenate(keys), np.concatenate(owners)
        order = np.lexsort((owner, key))
        key, owner = key[order], owner[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        another = (np.diff(key, prepend=-1) != 0) | (np.diff(owner, prepend=-1) != 0)
        distinct = key[starts]
        total, users = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
        if len(starts):
            total = np.add.reduceat(np.concatenate(units)[order], starts)
            users = np.add.reduceat(another.astype(np.int64), starts)
        return pa.RecordBatch.from_arrays(
            [
                pa.array(distinct // (size * size), pa.int32()),
                pa.array(distinct // size % size, pa.int32()),
                pa.array(distinct % size, pa.int32()),
                pa.array(total, pa.int64()),
                pa.array(users, pa.int64()),
            ],
            names=["fold", "item_index", "other_index", "units", "users"],
        )

    return count
