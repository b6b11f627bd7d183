"""The recommender's training rows of each arm: real histories alone, or with what generators made of them."""

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.config import TOGETHER, Augment
from recaug.results import Arm, Part

NONE = "none"  # the arm without generated rows
BLENDED = "{} and counts"  # an arm's recommender in a mixture with the counts
LIFTED = ("hr@10", "ndcg@10", "recall@20", "recall@20 rare")  # measures whose lift is told beside the gate's


def arms_of(augment: Augment) -> list[Arm]:
    """Give an arm for the rows of each generator, and for those of each group of several together."""
    return [
        Arm(name=TOGETHER.join(names), parts=(Part(generators=names),), slots=augment.slots(names))
        for names in augment.groups
    ]


def training_rows(
    train: DataFrame, candidates: DataFrame, vocabulary: DataFrame, max_length: int, continuations: int
) -> DataFrame:
    """Join one arm's candidates to the real rows; without candidates, the real rows alone.

    Columns: `train` is sequences' train split; `candidates` as candidate_events, of one arm; `vocabulary` needs
    item_id and item_index. Gives user_index, window, length, fold, items, continuations (binary, int32,
    max_length * continuations position-major, 0 for none), continuation_weights (binary, float32, the same shape) and
    row_weight (1 for real rows, the generated events' weight for generated histories, whose user_index is negative) and
    is_generated (whether the history is). Candidates of weight 0 are left out, so that they change nothing at all.
    """
    indexed = candidates.where("weight > 0").join(
        F.broadcast(vocabulary.select("item_id", "item_index")), "item_id", how="inner"
    )
    following = indexed.where(F.col("parent_event_id").isNotNull())
    real = _with_continuations(train, following, max_length, continuations)
    return real.unionByName(_histories(indexed.where(F.col("parent_event_id").isNull()), max_length, continuations))


def _with_continuations(train: DataFrame, following: DataFrame, max_length: int, continuations: int) -> DataFrame:
    """Lay each continuation beside its parent event, where that is an input of the recommender (not its last slot)."""
    turn = Window.partitionBy("parent_event_id").orderBy("event_id")
    numbered = following.withColumn("turn", F.row_number().over(turn) - 1).where(F.col("turn") < continuations)
    places = train.select("user_index", "window", F.posexplode("event_ids").alias("position", "parent_event_id"))
    laid = (
        places.where(F.col("position") < max_length - 1)
        .join(numbered.select("parent_event_id", "turn", "item_index", "weight"), "parent_event_id", how="inner")
        .groupBy("user_index", "window")
        .agg(
            F.collect_list(F.col("position") * continuations + F.col("turn")).alias("slots"),
            F.collect_list("item_index").alias("generated"),
            F.collect_list("weight").alias("weights"),
        )
    )

    @F.pandas_udf("binary")  # type: ignore[call-overload]
    def fill(slots: pd.Series, generated: pd.Series) -> pd.Series:
        return pd.Series([_slots(s, g, max_length * continuations) for s, g in zip(slots, generated, strict=True)])

    @F.pandas_udf("binary")  # type: ignore[call-overload]
    def weigh(slots: pd.Series, weights: pd.Series) -> pd.Series:
        width = max_length * continuations
        return pd.Series([_slots(s, w, width, "<f4") for s, w in zip(slots, weights, strict=True)])

    return train.join(laid, ["user_index", "window"], how="left").select(
        "user_index",
        "window",
        "length",
        "fold",
        "items",
        fill("slots", "generated").alias("continuations"),
        weigh("slots", "weights").alias("continuation_weights"),
        F.lit(1.0).alias("row_weight"),
        F.lit(False).alias("is_generated"),
    )


def _histories(generated: DataFrame, max_length: int, continuations: int) -> DataFrame:
    """Gather generated users' events into rows of their own."""
    events = F.sort_array(F.collect_list(F.struct("event_time", "event_id", "item_index")))
    rows = generated.groupBy("user_id").agg(events.alias("events"), F.max("weight").alias("row_weight"))

    @F.pandas_udf("binary")  # type: ignore[call-overload]
    def fixed(items: pd.Series) -> pd.Series:
        return pd.Series([_slots(range(len(row)), row, max_length) for row in items])

    return rows.select(
        (-1 - F.abs(F.xxhash64("user_id") % (1 << 30))).cast("int").alias("user_index"),
        F.lit(0).alias("window"),
        F.least(F.size("events"), F.lit(max_length)).alias("length"),
        F.lit(-1).alias("fold"),
        fixed(F.slice("events.item_index", 1, max_length)).alias("items"),
        F.lit(bytes(4 * max_length * continuations)).alias("continuations"),
        F.lit(bytes(4 * max_length * continuations)).alias("continuation_weights"),
        "row_weight",
        F.lit(True).alias("is_generated"),
    )


def _slots(slots: object, values: object, width: int, dtype: str = "<i4") -> bytes:
    """Write values at their slots of a fixed-width row of numbers; nothing given is all zeros."""
    row = np.zeros(width, dtype=dtype)
    if slots is not None and values is not None:
        row[np.asarray(slots, dtype=np.int64)] = values
    return row.tobytes()
