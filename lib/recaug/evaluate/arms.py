"""Arms of a trial: which candidates each adds to the real rows, and the recommender's training rows of each."""

from functools import reduce

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recaug.config import TOGETHER, Augment
from recaug.results import Arm, Part

NONE = "none"  # the arm without generated rows
BLENDED = "{} and counts"  # an arm's recommender in a mixture with the counts
EVERY = "all"  # of a part's users, and of its rows


def arms_of(augment: Augment) -> list[Arm]:
    """The arms without a policy: nothing, the rows of each generator, and of those that are together."""
    groups = {TOGETHER.join(names): (Part(generators=names),) for names in augment.groups}
    return [Arm(name=NONE), *(arm_of(name, parts, augment) for name, parts in groups.items())]


def controls_of(augment: Augment) -> list[Arm]:
    """The arms of the generators that are controls, each with all of its rows."""
    return [arm_of(name, (Part(generators=(name,)),), augment) for name in augment.controls]


def arm_of(name: str, parts: tuple[Part, ...], augment: Augment) -> Arm:
    """An arm with room for the continuations that its parts may lay beside one event of a cold or of a warm user."""
    slots = [
        augment.slots(sorted({name for part in own for name in part.generators}))
        for own in ([part for part in parts if part.users in (EVERY, users)] for users in ("cold", "warm"))
    ]
    control = bool(parts) and all(own in augment.controls for part in parts for own in part.generators)
    return Arm(name=name, parts=parts, slots=max(slots), control=control)


def cold_users(sequences: DataFrame) -> DataFrame:
    """The users that are cold by the train events: user_id."""
    return sequences.where("split = 'train' AND cold").select("user_id").distinct()


def rows_of(arm: Arm, candidates: DataFrame, cold_users: DataFrame, vocabulary: DataFrame) -> DataFrame:
    """Give an arm's candidates, with their weights in it.

    Columns: `candidates` as candidate_events, which is what it gives; `cold_users` user_id; `vocabulary` item_id, head.
    A user is cold whose first source user is; a share is of the units, so that no history is torn.
    """
    heads = F.broadcast(vocabulary.select("item_id", "head"))
    known = candidates.join(heads, "item_id", how="left")
    parts = [_part_of(known, part, cold_users) for part in arm.parts]
    return reduce(DataFrame.unionByName, parts, known.where("false")).select(*candidates.columns)


def _part_of(candidates: DataFrame, part: Part, cold_users: DataFrame) -> DataFrame:
    """The candidates of one part. Columns: those of candidate_events, and head (boolean)."""
    history = F.col("parent_event_id").isNull()
    unit = F.when(history, F.col("user_id")).otherwise(F.col("event_id"))
    kept = F.col("generator").isin(*part.generators) & (_uniform(unit) < part.share)
    if part.rows == "histories":
        kept &= history
    elif part.rows != EVERY:
        kept &= ~history & (F.col("head") == (part.rows == "head"))
    rows = candidates.where(kept).withColumn("weight", F.col("weight") * part.weight)
    if part.users == EVERY:
        return rows
    users = F.broadcast(cold_users.select(F.col("user_id").alias("source")))
    how = "left_semi" if part.users == "cold" else "left_anti"
    return rows.withColumn("source", F.col("source_users")[0]).join(users, "source", how).drop("source")


def _uniform(unit: Column) -> Column:
    """A number of [0, 1) that depends on nothing but the unit."""
    return F.pmod(F.xxhash64(unit), F.lit(1 << 20)) / float(1 << 20)


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
