"""What trainings need from the tables beside rows: popularity, co-visitation neighbours, a validation sample."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, diags
from torch import Tensor

from recaug.clickstream.covisitation import of_enough
from recaug.clickstream.terms import Neighbours, item_vectors

VALIDATION_USERS = 2048
BLOCK = 256  # items whose neighbours' neighbours are counted at once


def log_popularity(vocabulary: DataFrame, without: DataFrame | None = None) -> np.ndarray:
    """Log of each item's share of the train events, smoothed. Returns (n_items + 1,) float32, padding lowest.

    Columns: `vocabulary` needs item_index and events; `without` item_index, a row for each event not to be counted.
    """
    rows = vocabulary.select("item_index", "events").toPandas()
    events = np.zeros(int(rows["item_index"].max()) + 1)
    events[rows["item_index"]] = rows["events"]
    if without is not None:
        less = without.groupBy("item_index").count().toPandas()
        events[less["item_index"]] -= less["count"]
    return log_shares(events)


def log_shares(events: np.ndarray) -> np.ndarray:
    """Log of each item's share, smoothed. events: (n_items + 1,), 0 for padding. Returns the same, float32."""
    shares = (events + 0.1) / (events + 0.1).sum()
    return np.log(shares).astype(np.float32)


def popularity_and_head(vocabulary: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Train events of each item, float32, and whether it is of the head. Both (n_items + 1,), 0 and False for padding.

    Columns: `vocabulary` needs item_index, events and head.
    """
    rows = vocabulary.select("item_index", "events", "head").toPandas()
    events, head = np.zeros(len(rows) + 1, dtype=np.float32), np.zeros(len(rows) + 1, dtype=bool)
    events[rows["item_index"]], head[rows["item_index"]] = rows["events"], rows["head"]
    return events, head


def neighbours(covisitation: DataFrame, n_items: int, limit: int, min_users: int = 1) -> Neighbours:
    """Sum the folds that are given and keep each item's `limit` strongest neighbours that min_users had beside it.

    Columns: `covisitation` needs item_index, other_index, weight and, for min_users above 1, users. Weights are rounded
    to 6 decimals, so that the order of summation does not show.
    """
    strongest = Window.partitionBy("item_index").orderBy(F.desc("weight"), "other_index")
    rows = (
        of_enough(covisitation, min_users)
        .groupBy("item_index", "other_index")
        .agg(F.round(F.sum("weight"), 6).alias("weight"))
        .withColumn("place", F.row_number().over(strongest) - 1)
        .where(F.col("place") < limit)
        .select("item_index", "other_index", "weight", "place")
        .toPandas()
    )
    width = int(rows["place"].max()) + 1 if len(rows) else 1
    table = Neighbours(np.zeros((n_items + 1, width), np.int32), np.zeros((n_items + 1, width), np.float32))
    table.items[rows["item_index"], rows["place"]] = rows["other_index"]
    table.weights[rows["item_index"], rows["place"]] = rows["weight"]
    return table


class Near(NamedTuple):
    """How items lie to each other in the train events.

    items: (n_items + 1, 2, M) int64 neighbours, by co-visitation and over one item between; 0 for none. weights:
    float32. vectors: (n_items + 1, d) float32, singular vectors of the co-visitation.
    """

    items: np.ndarray
    weights: np.ndarray
    vectors: np.ndarray


def near(covisitation: DataFrame, n_items: int, limit: int, dim: int, min_users: int = 1) -> Near:
    """Keep each item's neighbours by co-visitation, whatever the order, and theirs.

    Columns: as of neighbours.
    """
    covisitation = of_enough(covisitation, min_users)
    either = covisitation.select("item_index", "other_index", "weight").unionByName(
        covisitation.selectExpr("other_index AS item_index", "item_index AS other_index", "weight")
    )
    direct = neighbours(either, n_items, limit)
    places = np.repeat(np.arange(n_items + 1), direct.items.shape[1])
    counts = csr_matrix((direct.weights.ravel(), (places, direct.items.ravel())), shape=(n_items + 1, n_items + 1))
    counts.eliminate_zeros()
    onward = diags(1 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1e-9)) @ counts
    over = _over_one(csr_matrix(onward), limit)
    root = diags(1 / np.sqrt(np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1e-9)))
    width = max(direct.items.shape[1], over.items.shape[1])
    both = [_widened(table, width) for table in (direct, over)]
    return Near(
        np.stack([table.items for table in both], axis=1).astype(np.int64),
        np.stack([table.weights for table in both], axis=1),
        item_vectors(csr_matrix(root @ counts @ root), dim),
    )


def _over_one(onward: csr_matrix, limit: int) -> Neighbours:
    """Each item's strongest neighbours over one item between, itself left out; ties to the lower index."""
    n = onward.shape[0]
    width = max(min(limit, n - 2), 1)
    strongest = Neighbours(np.zeros((n, width), np.int32), np.zeros((n, width), np.float32))
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        reached = (onward[rows] @ onward).toarray().astype(np.float64)
        reached[np.arange(len(rows)), rows] = 0
        ordered = np.round(reached, 9) - 1e-12 * np.arange(n)
        best = np.argpartition(-ordered, width - 1, axis=1)[:, :width]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(ordered, best, 1), axis=1, kind="stable"), 1)
        weights = np.take_along_axis(reached, best, 1)
        strongest.items[rows], strongest.weights[rows] = np.where(weights > 0, best, 0), weights
    return strongest


def _widened(table: Neighbours, width: int) -> Neighbours:
    more = ((0, 0), (0, width - table.items.shape[1]))
    return Neighbours(np.pad(table.items, more), np.pad(table.weights, more))


class Validation(NamedTuple):
    """A sample of the validation users.

    histories: (users, max_length) left-aligned and targets: (users, longest), padded with 0; n_targets: (users,), with
    those outside the vocabulary. seen: (2, pairs), a user's place, ascending, and an item: one user may know thousands.
    """

    histories: Tensor
    seen: Tensor
    targets: Tensor
    n_targets: Tensor


def content_of(sample: Validation) -> str:
    """Hash of a sample."""
    return hashlib.sha256(b"".join(values.numpy().tobytes() for values in sample)).hexdigest()


def validation_sample(sequences: DataFrame, max_length: int, users: int = VALIDATION_USERS) -> Validation:
    """Take the validation rows of the lowest user indices: these are by hash, so it is a random sample.

    Columns: `sequences` needs user_index, items, seen and targets; only the validation split. A fold may have none.
    """
    rows = sequences.orderBy("user_index").limit(users).select("items", "seen", "targets").toPandas()
    histories = np.frombuffer(b"".join(map(bytes, rows["items"])), np.int32)
    width = len(histories) // len(rows) if len(rows) else max_length
    n_seen = [len(items) for items in rows["seen"]]
    return Validation(
        torch.from_numpy(histories.astype(np.int64)).reshape(len(rows), width)[:, :max_length],
        torch.from_numpy(np.stack([np.repeat(np.arange(len(rows)), n_seen), _flat(rows["seen"])])),
        _padded(rows["targets"]),
        torch.tensor([len(targets) for targets in rows["targets"]], dtype=torch.int64),
    )


def _flat(lists: Sequence[Sequence[int]] | pd.Series) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int64)


def _padded(lists: Sequence[Sequence[int]] | pd.Series) -> Tensor:
    """Ragged lists to (rows, longest) int64 with 0 for padding."""
    padded = np.zeros((len(lists), max([1, *(len(values) for values in lists)])), np.int64)
    for row, values in zip(padded, lists, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(padded)
