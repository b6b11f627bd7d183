"""Stage 2: the windows before the night become vocabulary, sequences, features, co-visitation counts and negatives."""

import hashlib
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream import covisitation
from recaug.clickstream.features import item_features, normalised, user_features
from recaug.clickstream.negatives import sample_negatives
from recaug.clickstream.sequences import histories, sequences, users, vocabulary
from recaug.clickstream.splits import Windows, train_end, window_events, windows
from recaug.errors import ContractError
from recaug.lake.tables import lay
from recaug.night.context import Context, StageResult
from recaug.results import Prepare

# Files of a table that training reads: fixed, so that ranks get the same rows wherever the night ran.
FILES = 8


def run(context: Context) -> StageResult:
    """Write vocabulary, sequences (train, validation, test, serve), features, covisitation and the night's negatives.

    What a user had before the train window is not looked at.
    metrics: users, items, events (of the windows), rows (by split), cold (users of the test window), covisitation
    and negatives (rows), windows (first days). Raises ContractError where a window has no event.
    """
    config, lake = context.config, context.lake
    prepare = config.prepare
    cut = windows(context.date, prepare)
    events = window_events(lake.read("events"), context.date, prepare).persist()
    _check(events, cut, context)
    items = lake.read("items") if prepare.min_item_users == 0 else None
    words = vocabulary(events.where("split = 'train'"), prepare.min_item_users, prepare.head_share, items)
    if words.isEmpty():
        raise ContractError(
            f"no item of the days {cut.train_start} to {cut.validation_start} has {prepare.min_item_users} users; "
            "lower prepare.min_item_users or lengthen prepare.train_days"
        )
    written = {"vocabulary": lake.replace(words.coalesce(1), "vocabulary", {}, context.run_id)}
    words = lake.read("vocabulary")
    people = histories(events, words, users(events, config.seed, prepare.folds)).persist()
    rows = sequences(people, prepare.max_length, prepare.cold_events)
    written["sequences"] = lake.replace(rows, "sequences", {}, context.run_id, files=FILES, by=("user_index", "window"))
    train, end = events.where("split = 'train'"), train_end(context.date, prepare)
    of_users = normalised(user_features(train, end)).join(
        people.select("user_id", "user_index"), "user_id", how="inner"
    )
    written["user_features"] = lake.replace(of_users, "user_features", {}, context.run_id)
    of_items = normalised(item_features(train, end)).join(
        F.broadcast(words.select("item_id", "item_index")), "item_id", how="inner"
    )
    written["item_features"] = lake.replace(of_items, "item_features", {}, context.run_id)
    pairs = covisitation.counts(_train_part(people), config.covisitation.window, config.covisitation.backward)
    written["covisitation"] = lake.replace(pairs, "covisitation", {}, context.run_id)
    drawn = _negatives(context, lake.read("sequences"), words)
    written["negatives"] = lake.replace(drawn, "negatives", {"event_date": context.date}, context.run_id, as_laid=True)
    metrics = _metrics(lake.read("sequences"), events)
    people.unpersist()
    events.unpersist()
    metrics |= {"items": written["vocabulary"].rows, "windows": [day.isoformat() for day in cut]}
    metrics |= {name: written[name].rows for name in ("covisitation", "negatives")}
    hashes = "".join(commit.content_hash for _, commit in sorted(written.items()))
    return StageResult(metrics=Prepare(**metrics), content_hash=hashlib.sha256(hashes.encode()).hexdigest())


def _check(events: DataFrame, cut: Windows, context: Context) -> None:
    """Refuse splits without events, which a log that is too short gives."""
    found = {row["split"] for row in events.select("split").distinct().collect()}
    least = context.config.prepare.core
    if not found and least > 1:
        raise ContractError(
            f"the days {cut.train_start} to {context.date} have no users and items with {least} events each among "
            "themselves; lower prepare.core"
        )
    if context.config.prepare.split != "time":
        if missing := {"train", "validation", "test"} - found:
            raise ContractError(
                f"the days {cut.train_start} to {context.date} have no {' and no '.join(sorted(missing))} event that "
                f"counts: too few events a user, or too few users, for prepare.split {context.config.prepare.split}"
            )
        return
    for name, start, end in zip(("train", "validation", "test"), cut, cut[1:], strict=False):
        if name not in found:
            first, last = context.lake.read("events").agg(F.min("event_date"), F.max("event_date")).first()  # type: ignore[misc]
            raise ContractError(
                f"the {name} window, {start} up to {end}, has no event that counts; the lake's events are of {first} "
                f"to {last}: a log must be longer than prepare.train_days + validation_days + test_days"
            )


def _train_part(people: DataFrame) -> DataFrame:
    """Cut the histories after their train events: fold and codes."""
    return people.select("fold", F.slice("codes", F.lit(1), F.col("train_events")).alias("codes"))


def _negatives(context: Context, rows: DataFrame, words: DataFrame) -> DataFrame:
    """Draw the negatives of the users of the train window; the users are laid out, not their many draws."""
    config = context.config
    train = rows.where("split = 'train' AND window = 0").select("user_index", "seen")
    popularity = np.array([row[0] for row in words.orderBy("item_index").select("events").collect()])
    laid = lay(train, FILES, ["user_index"])
    drawn = sample_negatives(laid, popularity, config.negatives.alpha, config.negatives.per_user, config.seed)
    return drawn.withColumn("event_date", F.lit(context.date))


def _metrics(rows: DataFrame, events: DataFrame) -> dict[str, Any]:
    """Count the rows by split, the users and the events."""
    counted = rows.groupBy("split").agg(F.count("*").alias("rows"), F.count_if("cold").alias("cold")).collect()
    by_split = {row["split"]: row for row in counted}
    return {
        "users": by_split["serve"]["rows"],
        "events": events.count(),
        "rows": {split: row["rows"] for split, row in sorted(by_split.items())},
        "cold": by_split["test"]["cold"] if "test" in by_split else 0,
    }
