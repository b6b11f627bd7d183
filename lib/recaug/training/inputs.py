"""What trainings need from the tables beside rows: popularity, co-visitation neighbours, a validation sample."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from torch import Tensor

VALIDATION_USERS = 2048


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


class Neighbours(NamedTuple):
    """Each item's strongest co-visited items. items: (n_items + 1, M) int32, 0 for none; weights: float32."""

    items: np.ndarray
    weights: np.ndarray


def neighbours(covisitation: DataFrame, n_items: int, limit: int) -> Neighbours:
    """Sum the folds that are given and keep each item's `limit` strongest neighbours.

    Columns: `covisitation` needs item_index, other_index and weight. Weights are rounded to 6 decimals, so that the
    order of summation does not show.
    """
    strongest = Window.partitionBy("item_index").orderBy(F.desc("weight"), "other_index")
    rows = (
        covisitation.groupBy("item_index", "other_index")
        .agg(F.round(F.sum("weight"), 6).alias("weight"))
        .withColumn("place", F.row_number().over(strongest) - 1)
        .where(F.col("place") < limit)
        .select("item_index", "other_index", "weight", "place")
        .toPandas()
    )
    width = int(rows["place"].max()) + 1 if len(rows) else 1
    found = Neighbours(np.zeros((n_items + 1, width), np.int32), np.zeros((n_items + 1, width), np.float32))
    found.items[rows["item_index"], rows["place"]] = rows["other_index"]
    found.weights[rows["item_index"], rows["place"]] = rows["weight"]
    return found


class Validation(NamedTuple):
    """A sample of the validation users, each array padded with 0.

    histories: (users, max_length) left-aligned; seen, targets: (users, longest); n_targets: (users,), with those
    outside the vocabulary.
    """

    histories: Tensor
    seen: Tensor
    targets: Tensor
    n_targets: Tensor


def validation_sample(sequences: DataFrame, max_length: int, users: int = VALIDATION_USERS) -> Validation:
    """Take the validation rows of the lowest user indices: these are by hash, so it is a random sample.

    Columns: `sequences` needs user_index, items, seen and targets; only the validation split.
    """
    rows = sequences.orderBy("user_index").limit(users).select("items", "seen", "targets").toPandas()
    histories = np.frombuffer(b"".join(map(bytes, rows["items"])), np.int32).reshape(len(rows), -1)
    return Validation(
        torch.from_numpy(histories.astype(np.int64))[:, :max_length],
        _padded(rows["seen"]),
        _padded(rows["targets"]),
        torch.tensor([len(targets) for targets in rows["targets"]], dtype=torch.int64),
    )


def _padded(lists: Sequence[Sequence[int]] | pd.Series) -> Tensor:
    """Ragged lists to (rows, longest) int64 with 0 for padding."""
    padded = np.zeros((len(lists), max([1, *(len(one) for one in lists)])), np.int64)
    for row, one in zip(padded, lists, strict=True):
        row[: len(one)] = one
    return torch.from_numpy(padded)
