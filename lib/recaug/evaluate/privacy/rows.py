"""What an attack may see of generated rows: steps and records, counted in Spark for the users that are asked about."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.evaluate.two_sample import placed_events

GAPS = 5  # events further on that still make a pair
LONGEST = 100  # last events of a user that are looked at
RECORDS = 4000  # of a generator and a fold that a user is held beside, about


class Watched(NamedTuple):
    """Whom an audit asks about. train: sequences' train split; covisitation, vocabulary: the tables."""

    train: DataFrame
    covisitation: DataFrame
    vocabulary: DataFrame


class Collected(NamedTuple):
    """What the rows say of some users.

    seen: series, fold, item, next (0: any), owner (-1: whoever), n steps. records: series, fold, record, owners, items.
    """

    seen: pd.DataFrame
    records: pd.DataFrame


def drawn_users(train: DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Draw users by a hash: user_index, fold and items, their last LONGEST train events in order."""
    by_hash = [F.xxhash64(F.lit(seed), F.col("user_index")), F.col("user_index")]
    chosen = train.where("window = 0").select("user_index").orderBy(*by_hash).limit(n)
    own = train.join(F.broadcast(chosen), "user_index", how="left_semi")
    rows = own.select("user_index", "fold", "window", "length", "items").toPandas()
    rows = rows.sort_values(["user_index", "window"])
    # Windows overlap by their first event.
    items = [
        np.frombuffer(packed, "<i4")[int(window > 0) : length]
        for packed, window, length in zip(rows["items"], rows["window"], rows["length"], strict=True)
    ]
    whole = (
        rows[["user_index", "fold"]]
        .assign(items=pd.Series(items, rows.index, dtype=object))
        .groupby(["user_index", "fold"])["items"]
    )
    joined = whole.agg(lambda parts: np.concatenate(list(parts))[-LONGEST:]).reset_index()
    return joined[joined["items"].map(len) > 1].reset_index(drop=True)


def pairs_of(histories: Sequence[np.ndarray]) -> pd.DataFrame:
    """Pairs of items within GAPS events, each once a history: user (its place), item, next."""
    parts = [
        np.stack([np.full(len(items) - gap, place), items[:-gap], items[gap:]], axis=1)
        for place, items in enumerate(histories)
        for gap in range(1, min(GAPS, len(items) - 1) + 1)
    ]
    pairs = pd.DataFrame(np.concatenate([np.empty((0, 3), np.int64), *parts]), columns=["user", "item", "next"])
    return pairs[pairs["item"] != pairs["next"]].drop_duplicates(ignore_index=True)


def steps(watched: Watched, candidates: DataFrame) -> DataFrame:
    """Steps of the rows: series, fold, record, owners (user_index of whom it was drawn from), item, next.

    A continuation's is from its real event to it, and its record is of its user; a history's from an event to the next.
    A history whose source users are of several folds is left out: which model drew it is not in the table.
    Columns: `candidates` needs generator, item_id, user_id, source_users, parent_event_id, event_id and event_time.
    Those of fold k are of models that learnt from the other folds.
    """
    index = F.broadcast(watched.vocabulary.select("item_id", F.col("item_index").alias("next")))
    rows = candidates.withColumnRenamed("generator", "series").join(index, "item_id", how="inner")
    continued = _continued(rows.where(F.col("parent_event_id").isNotNull()), watched.train)
    return continued.unionByName(_following(rows.where(F.col("parent_event_id").isNull()), watched.train))


def _continued(rows: DataFrame, train: DataFrame) -> DataFrame:
    """Steps from real events to their continuations."""
    parents = placed_events(train).where("window = 0 OR place > 0")
    parents = parents.withColumnRenamed("event_id", "parent_event_id")
    return rows.join(parents, "parent_event_id", how="inner").select(
        "series",
        "fold",
        F.col("user_index").cast("string").alias("record"),
        F.array("user_index").alias("owners"),
        F.col("item_index").alias("item"),
        "next",
    )


def _following(rows: DataFrame, train: DataFrame) -> DataFrame:
    """Steps within histories whose source users are of the same fold."""
    users = train.select(F.col("user_id").alias("owner"), "user_index", "fold").distinct()
    sources = rows.select("series", F.col("user_id").alias("record"), F.explode("source_users").alias("owner"))
    owned = (
        sources.distinct()
        .join(users, "owner", how="inner")
        .groupBy("series", "record")
        .agg(F.min("fold").alias("fold"), F.max("fold").alias("last"), F.collect_list("user_index").alias("owners"))
        .where("fold = last")
    )
    order = Window.partitionBy("series", "user_id").orderBy("event_time", "event_id")
    following = rows.withColumn("item", F.lag("next").over(order)).where(F.col("item").isNotNull())
    named = following.withColumnRenamed("user_id", "record").join(owned, ["series", "record"], how="inner")
    return named.select("series", "fold", "record", "owners", "item", "next")


def collect(seen: DataFrame, users: Sequence[int], pairs: pd.DataFrame, share: float) -> Collected:
    """Count in steps what is asked, with what is the users' own, and bring a share of the records."""
    asked = _asked(seen, pairs)
    known = F.broadcast(seen.sparkSession.createDataFrame([(user,) for user in users], "owner int"))
    own = seen.withColumn("owner", F.explode(F.array_distinct("owners"))).join(known, "owner", how="left_semi")
    counted = []
    for part in (seen.withColumn("owner", F.lit(-1)), own):
        named = part.select("series", "fold", "item", "next", "owner")
        starts = named.join(asked.select("item").distinct(), "item", how="left_semi").withColumn("next", F.lit(0))
        both = named.join(asked, ["item", "next"], how="left_semi").unionByName(starts)
        counted.append(both.groupBy(*named.columns).agg(F.count("*").alias("n")))
    some = seen.where(F.pmod(F.xxhash64("record"), F.lit(1 << 20)) < int(share * (1 << 20)))
    records = some.groupBy("series", "fold", "record").agg(
        F.first("owners").alias("owners"), F.sort_array(F.collect_set("next")).alias("items")
    )
    return Collected(reduce(DataFrame.unionByName, counted).toPandas(), records.orderBy("record").toPandas())


def had_by(covisitation: DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """How many users of the log had each of the pairs, by (item, next); the users that are asked about among them."""
    named = covisitation.select(F.col("item_index").alias("item"), F.col("other_index").alias("next"), "users")
    known = named.join(_asked(covisitation, pairs), ["item", "next"], how="left_semi")
    counted = known.groupBy("item", "next").agg(F.sum("users").alias("n"))
    return counted.toPandas().set_index(["item", "next"])["n"]


def _asked(rows: DataFrame, pairs: pd.DataFrame) -> DataFrame:
    """The pairs, each once, for a join with the rows."""
    distinct = pairs[["item", "next"]].drop_duplicates().astype("int32")
    return F.broadcast(rows.sparkSession.createDataFrame(distinct, "item int, next int"))
