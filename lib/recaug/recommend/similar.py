"""Items like an item, by where vectors put them: a block of items after the other, no items x items matrix anywhere."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.recommend.index import Found, Vectors
from recaug.session import tasks_of

BLOCK = 1024  # items that a task looks up at once, the same whatever the partitions
LISTED = "item_id string, similar_id string, rank int, score double"
ELSE = "alike in what is known of both"


class Similar(NamedTuple):
    """An item like another. score: cosine of where both lie."""

    item_id: str
    score: float


@dataclass(frozen=True, eq=False)
class LookUp:
    """Where items lie. Travels to the Python workers by pickle.

    item_ids: (n,), of items that are alike to the same degree the earlier one is found first. places: (n, dim)
    float32, rows of length 1, or 0 for an item of which nothing is known. index: of these.
    """

    item_ids: NDArray[np.object_]
    places: NDArray[np.float32]
    index: Vectors

    def nearest(self, rows: NDArray[np.int64], k: int) -> Found:
        """The k items most like each of some items, by their places in item_ids."""
        return self.index.best(self.places[rows], rows, k)

    def similar(self, item_id: str, k: int = 10) -> list[Similar]:
        """The k items most like this one, best first. Raises KeyError where there is no such item."""
        row = np.flatnonzero(self.item_ids == item_id)
        if not len(row):
            raise KeyError(item_id)
        found = self.nearest(row, k)
        return [
            Similar(str(self.item_ids[place]), float(score))
            for place, score in zip(found.places[0], found.scores[0], strict=True)
            if place >= 0
        ]


def similar_items(spark: SparkSession, look_up: LookUp, k: int) -> DataFrame:
    """List the k items most like each item, made in the Python workers. Gives LISTED, rank from 1."""
    sent, n = spark.sparkContext.broadcast(look_up), len(look_up.item_ids)

    def look(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        for frame in frames:
            for block in frame["id"]:
                yield listed(sent.value, np.arange(block * BLOCK, min((block + 1) * BLOCK, n)), k)

    blocks = -(-n // BLOCK)
    return spark.range(0, blocks, 1, tasks_of(spark, blocks)).mapInPandas(look, LISTED)


def listed(look_up: LookUp, rows: NDArray[np.int64], k: int) -> pd.DataFrame:
    """List the k items most like each of these: LISTED."""
    found = look_up.nearest(rows, k)
    row, rank = np.nonzero(found.places >= 0)
    return pd.DataFrame(
        {
            "item_id": look_up.item_ids[rows[row]],
            "similar_id": look_up.item_ids[found.places[row, rank]],
            "rank": rank.astype(np.int32) + 1,
            "score": found.scores[row, rank],
        }
    )


def with_reasons(pairs: DataFrame, items: DataFrame, together: DataFrame, attributes: Sequence[str]) -> DataFrame:
    """Say of each pair what both have: attributes with the same value, and how many users had both.

    Columns: `pairs` needs item_id and similar_id; `items` item_id, categorical, multi_valued; `together` item_id,
    similar_id and users. attributes: of the catalogue, in the order in which they are named.
    Adds users (0 where none are told) and reason.
    """
    known = items.select("item_id", _values(attributes).alias("has"))
    others = known.select(F.col("item_id").alias("similar_id"), F.col("has").alias("other_has"))
    joined = (
        pairs.join(known, "item_id", how="left")
        .join(others, "similar_id", how="left")
        .join(together, ["item_id", "similar_id"], how="left")
    )
    users = F.coalesce("users", F.lit(0))
    same = F.coalesce(F.concat_ws(", ", F.array_intersect("has", "other_has")), F.lit(""))
    had = F.concat(F.lit("had together by "), F.format_number(users, 0), F.lit(" users"))
    said = F.concat_ws("; ", F.when(same != "", F.concat(F.lit("both "), same)), F.when(users > 0, had))
    reason = F.when(said != "", said).otherwise(ELSE)
    return joined.withColumns({"users": users, "reason": reason}).drop("has", "other_has")


def _values(attributes: Sequence[str]) -> Column:
    """What an item has as `attribute value`, attribute after attribute."""
    parts = []
    for name in attributes:
        single, many = F.col("categorical")[name], F.col("multi_valued")[name]
        several = F.coalesce(many, F.when(single.isNotNull(), F.array(single)), F.array().cast("array<string>"))
        parts.append(F.transform(several, partial(_named, name)))
    return F.concat(*parts) if parts else F.array().cast("array<string>")


def _named(attribute: str, value: Column) -> Column:
    return F.concat(F.lit(f"{attribute} "), value)
