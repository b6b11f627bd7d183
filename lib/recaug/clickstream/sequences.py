"""Vocabulary, user indices, and the histories that models learn from and are judged on."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.splits import rank

SEQUENCES = (
    "split string, user_index int, user_id string, fold int, window int, length int, n_events int, items binary, "
    "times binary, event_ids array<string>, seen array<int>, targets array<int>, cold boolean"
)
CUTS = ("train_events", "validation_start", "test_start")  # of histories


def histories(events: DataFrame, vocabulary: DataFrame, users: DataFrame) -> DataFrame:
    """Put each user's events in order: by split (splits.rank), then event_time, event_order and event_id.

    events: user_id, item_id, event_time, event_order, event_id, split. Gives one row a user: user_id, user_index, fold,
    as arrays of one length times (epoch seconds), event_ids, codes (bigint: the item_index, or below 0 a hash of an
    item outside the vocabulary), and train_events, validation_start, test_start: how many of them are train, and how
    many come before the validation and the test events.
    """
    outside = -F.xxhash64("item_id").bitwiseAND(F.lit((1 << 62) - 1)) - 1
    coded = events.join(F.broadcast(vocabulary.select("item_id", "item_index")), on="item_id", how="left").select(
        "user_id",
        F.struct(
            rank(F.col("split")).alias("rank"),
            F.unix_micros("event_time").alias("micros"),
            "event_order",
            "event_id",
            F.coalesce(F.col("item_index").cast("long"), outside).alias("code"),
        ).alias("event"),
        "split",
    )
    ordered = coded.groupBy("user_id").agg(
        F.sort_array(F.collect_list("event")).alias("ordered"),
        F.count_if(F.col("split") == "train").cast("int").alias("train_events"),
        F.count_if(F.col("split").isin("train", "history")).cast("int").alias("validation_start"),
        F.count_if(F.col("split") != "test").cast("int").alias("test_start"),
    )
    return ordered.join(users, on="user_id", how="inner").select(
        "user_id",
        "user_index",
        "fold",
        F.transform("ordered.micros", lambda micros: F.floor(micros / 1_000_000)).alias("times"),
        F.col("ordered.event_id").alias("event_ids"),
        F.col("ordered.code").alias("codes"),
        "train_events",
        "validation_start",
        "test_start",
    )


def sequences(histories: DataFrame, max_length: int, cold_events: int) -> DataFrame:
    """Cut the histories into rows of the table `sequences`.

    train: each user's train events, in windows of max_length that overlap by one event.
    validation, test: a row for each user with events of that split. The history is the last max_length events before
        them; the targets are their distinct items, 0 for each item outside the vocabulary.
    serve: a row for each user, whose history ends with the last event.

    Histories hold items of the vocabulary only and may be empty; n_events counts all items.
    """
    needed = histories.select("user_id", "user_index", "fold", "times", "event_ids", "codes", *CUTS)
    return needed.mapInArrow(_cut(_Rows(max_length, cold_events)), SEQUENCES)


def train_events(train: DataFrame) -> DataFrame:
    """Give one row an event of the rows of the train split: user_index, fold, item_index."""
    events = train.select(
        "user_index",
        "fold",
        "window",
        "length",
        F.posexplode(numbers("items", "<i4", "int")).alias("place", "item_index"),
    )
    # windows overlap by their first event
    kept = events.where("place < length AND (window = 0 OR place > 0)")
    return kept.select("user_index", "fold", "item_index")


def numbers(column: str, layout: str, kind: str) -> Column:
    """A fixed-width binary column as an array of Spark's `kind`; layout: numpy's."""

    @F.pandas_udf(f"array<{kind}>")  # type: ignore[call-overload]
    def unpack(values: pd.Series) -> pd.Series:
        return values.map(lambda value: np.frombuffer(value, dtype=layout))

    unpacked: Column = unpack(column)
    return unpacked


class _Rows(NamedTuple):
    """Cuts one user's history."""

    max_length: int
    cold_events: int

    def cut(
        self,
        times: npt.NDArray[np.int64],
        ids: list[str],
        codes: npt.NDArray[np.int64],
        train_events: int,
        validation_start: int,
        test_start: int,
    ) -> Iterator[dict[str, Any]]:
        """Give the user's rows of every split."""
        known = np.flatnonzero(codes > 0)
        train = known[known < train_events]
        for window, start in enumerate(range(0, max(len(train) - 1, min(len(train), 1)), self.max_length - 1)):
            chosen = train[start : start + self.max_length]
            yield self.row("train", window, times, ids, codes, chosen, train, train_events, codes[:0])
        for split, first, last in (
            ("validation", validation_start, test_start),
            ("test", test_start, len(codes)),
        ):
            if last > first:
                before = known[known < first]
                chosen = before[-self.max_length :]
                yield self.row(split, 0, times, ids, codes, chosen, before, first, np.unique(codes[first:last]))
        yield self.row("serve", 0, times, ids, codes, known[-self.max_length :], known, len(codes), codes[:0])

    def row(
        self,
        split: str,
        window: int,
        times: npt.NDArray[np.int64],
        ids: list[str],
        codes: npt.NDArray[np.int64],
        chosen: npt.NDArray[np.int64],
        history: npt.NDArray[np.int64],
        n_events: int,
        targets: npt.NDArray[np.int64],
    ) -> dict[str, Any]:
        """Make one row; `chosen` and `history` are places in the user's arrays."""
        items = np.zeros(self.max_length, dtype="<i4")
        items[: len(chosen)] = codes[chosen]
        seconds = np.zeros(self.max_length, dtype="<i8")
        seconds[: len(chosen)] = times[chosen]
        return {
            "split": split,
            "window": window,
            "length": len(chosen),
            "n_events": n_events,
            "items": items.tobytes(),
            "times": seconds.tobytes(),
            "event_ids": [ids[place] for place in chosen],
            "seen": np.unique(codes[history]).astype(np.int32),
            "targets": np.maximum(targets, 0).astype(np.int32),
            "cold": n_events <= self.cold_events,
        }


_ARROW = pa.schema(
    [
        ("split", pa.string()),
        ("user_index", pa.int32()),
        ("user_id", pa.string()),
        ("fold", pa.int32()),
        ("window", pa.int32()),
        ("length", pa.int32()),
        ("n_events", pa.int32()),
        ("items", pa.binary()),
        ("times", pa.binary()),
        ("event_ids", pa.list_(pa.string())),
        ("seen", pa.list_(pa.int32())),
        ("targets", pa.list_(pa.int32())),
        ("cold", pa.bool_()),
    ]
)


def _cut(rows: _Rows) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that cuts Arrow batches of histories, a thousand users at once."""

    def cut_all(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for whole in batches:
            for start in range(0, whole.num_rows, 1000):
                batch = whole.slice(start, 1000)
                made: list[dict[str, Any]] = []
                times, codes = _lists(batch.column("times")), _lists(batch.column("codes"))
                ids = batch.column("event_ids").to_pylist()
                cuts = [batch.column(name).to_pylist() for name in CUTS]
                names, indices, folds = (batch.column(name).to_pylist() for name in ("user_id", "user_index", "fold"))
                for place in range(batch.num_rows):
                    user = {"user_id": names[place], "user_index": indices[place], "fold": folds[place]}
                    cut = (of_users[place] for of_users in cuts)
                    made += [row | user for row in rows.cut(times[place], ids[place], codes[place], *cut)]
                columns = [pa.array([row[field.name] for row in made], field.type) for field in _ARROW]
                yield pa.RecordBatch.from_arrays(columns, schema=_ARROW)

    return cut_all


def _lists(column: pa.ListArray) -> list[npt.NDArray[Any]]:
    """Give a list column's rows as views of one numpy array."""
    offsets = column.offsets.to_numpy()
    values = column.values.to_numpy(zero_copy_only=False)
    return [values[first:last] for first, last in pairwise(offsets)]
