"""Looks through a night's tables for anything that knows what its models are to be proved on.

What is held out is decided by clickstream.splits alone; every table that a model learns from, or that a metric relies
on, is compared with what the events give for the train split.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.clickstream import covisitation
from recaug.clickstream.features import item_features, user_features
from recaug.clickstream.sequences import histories, numbers, train_events
from recaug.clickstream.splits import rank, train_end, window_events
from recaug.config import Config, CoVisitation
from recaug.evaluate.arms import cold_users, rows_of
from recaug.evaluate.task import Check
from recaug.results import Arm, Train
from recaug.training.checkpoint import read_weights
from recaug.training.inputs import log_popularity


@dataclass(frozen=True)
class Checked:
    """The tables of the night of `date`. events: as prepare read them; negatives: of the date; candidates: of the run.

    candidates, training_rows: None where none are written yet. counting: how covisitation is counted and scored.
    """

    date: dt.date
    events: DataFrame
    items: DataFrame
    vocabulary: DataFrame
    sequences: DataFrame
    user_features: DataFrame
    item_features: DataFrame
    covisitation: DataFrame
    counting: CoVisitation
    negatives: DataFrame
    candidates: DataFrame | None = None
    training_rows: DataFrame | None = None


def leak_checks(tables: Checked, config: Config, arms: Sequence[Arm], generators: Train | None = None) -> list[Check]:
    """Make every check; those of candidates where the run has any, of the other tables where anything is held out.

    arms: whose training rows are looked through. generators: the night's models.

    - vocabulary: an item's events and users are counted over the train events.
    - sequences, seen: what a row knows of its user came before the row's split.
    - user_features, item_features: every number is that of the train events.
    - covisitation: each item's counts add up to those of the train events, fold by fold.
    - negatives: a draw's probability is that of the train counts, less the user's own train items.
    - candidate_events: parent, time, source users and item are of the train events.
    - training_rows: the real rows are the train rows, and what is generated beside them is a candidate of the arm.
    - generators: the popularity among an informed model's weights is that of the other folds' train events.
    """
    kept: list[DataFrame] = []

    def keep(rows: DataFrame) -> DataFrame:
        kept.append(rows.persist())
        return rows

    events = keep(window_events(tables.events, tables.date, config.prepare))
    try:
        looks = dict(_looks(tables, config, arms, events, keep))
        named = (leaks.select(F.lit(name).alias("name"), F.col("example")) for name, leaks in looks.items())
        together = reduce(DataFrame.unionByName, named, events.limit(0).selectExpr("'' AS name", "'' AS example"))
        counted = together.groupBy("name").agg(F.count("*"), F.min("example")).collect()
    finally:
        for rows in kept:
            rows.unpersist()
    leaking = {name: Check(name, leaks, example) for name, leaks, example in counted}
    checks = (leaking.get(name, Check(name, 0, "")) for name in looks)
    return [*checks, *_generators(tables, generators or Train(models=[]))]


Looks = Iterator[tuple[str, DataFrame]]  # each check's name and its leaks (example), not yet counted


def _looks(
    tables: Checked, config: Config, arms: Sequence[Arm], events: DataFrame, keep: Callable[[DataFrame], DataFrame]
) -> Looks:
    """Give every check. events: those that count, with their split. keep: what several of them read."""
    words, rows = keep(tables.vocabulary), tables.sequences
    train = events.where("split = 'train'")
    counts = train.groupBy("item_id").agg(F.count("*").alias("n"), F.count_distinct("user_id").alias("n_users"))
    known = counts
    if config.prepare.min_item_users == 0:  # what nobody had may be known by the catalogue
        known = counts.join(tables.items.select("item_id"), "item_id", how="full").fillna(0, ["n", "n_users"])
    people = keep(rows.where("split = 'serve'").select("user_id", "user_index", "fold"))
    if config.prepare.holds_out:
        same = F.col("events").eqNullSafe(F.col("n")) & F.col("users").eqNullSafe(F.col("n_users"))
        yield "vocabulary", _example(words.join(known, "item_id", how="left").where(~same), "item_id", "events", "n")
        yield from _known(events, rows, words)
        end = train_end(tables.date, config.prepare)
        yield "user_features", _features(tables.user_features, user_features(train, end), "user_id")
        yield "item_features", _features(tables.item_features, item_features(train, end), "item_id")
        yield "covisitation", _covisitation(tables, histories(train, words, people))
        yield "negatives", _negatives(tables.negatives, config, train, words, known, people)
    if tables.candidates is not None:
        yield from _candidates(tables.candidates, train, known)
        if tables.training_rows is not None:
            yield from _training_rows(tables, tables.training_rows, arms, words, people)


def _known(events: DataFrame, rows: DataFrame, words: DataFrame) -> Looks:
    """What a row knows of its user: it may know what came before its split. rank: of a known event's split."""
    judged = rows.where("split != 'serve'").withColumn("own", rank(F.col("split")))
    ranked = events.withColumn("rank", rank(F.col("split"))).select("user_id", "event_id", "item_id", "rank")
    used = judged.select("user_id", "split", "own", F.explode("event_ids").alias("event_id"))
    late = used.join(ranked, ["user_id", "event_id"], how="left").where(_too_late())
    yield "sequences", _example(late, "split", "user_id", "event_id")
    seen = judged.select("user_id", "split", "own", F.explode("seen").alias("item_index")).distinct()
    named = seen.join(F.broadcast(words.select("item_index", "item_id")), "item_index", how="left")
    first = ranked.groupBy("user_id", "item_id").agg(F.min("rank").alias("rank"))
    strange = named.join(first, ["user_id", "item_id"], how="left").where(_too_late())
    yield "seen", _example(strange, "split", "user_id", "item_id")


def _candidates(candidates: DataFrame, train: DataFrame, known: DataFrame) -> Looks:
    """Candidates that know of an event, a time, a user or an item outside the train events. known: item_id."""
    parents = train.select(F.col("event_id").alias("parent_event_id"))
    strays = candidates.where("parent_event_id IS NOT NULL").join(parents, "parent_event_id", how="left_anti")
    yield "candidate_events, parent", _example(strays, "user_id", "parent_event_id")
    last = train.agg(F.max(F.unix_timestamp("event_time")).alias("last"))
    late = candidates.crossJoin(F.broadcast(last)).where(F.unix_timestamp("event_time") > F.col("last"))
    yield "candidate_events, time", _example(late, "user_id", "event_time")
    sources = candidates.select(F.explode("source_users").alias("user_id")).distinct()
    yield "candidate_events, source", _example(sources.join(train, "user_id", how="left_anti"), "user_id")
    items = candidates.select("item_id").distinct()
    yield "candidate_events, item", _example(items.join(known, "item_id", how="left_anti"), "item_id")


def _training_rows(tables: Checked, rows: DataFrame, arms: Sequence[Arm], words: DataFrame, people: DataFrame) -> Looks:
    """Rows of the arms that are neither the real train rows nor the arm's own candidates."""
    assert tables.candidates is not None
    learnt = rows.where(F.col("arm").isin(*(arm.name for arm in arms)))
    train_rows = tables.sequences.where("split = 'train'")
    real = learnt.where("user_index >= 0").join(train_rows, ["user_index", "window", "items"], how="left_anti")
    yield "training_rows", _example(real, "arm", "user_index", "window")
    cold = cold_users(tables.sequences)
    own = [
        rows_of(arm, tables.candidates, cold, words).select("user_id", "item_id", F.lit(arm.name).alias("arm"))
        for arm in arms
    ]
    yield "training_rows, generated", _generated(learnt, reduce(DataFrame.unionByName, own), words, people)


def _too_late() -> Column:
    """Say whether an event that a row knows is no earlier than the row's split `own`, or unknown.

    A train row may know train events.
    """
    return F.coalesce(F.col("rank") >= F.greatest("own", F.lit(1)), F.lit(True))


def _features(held: DataFrame, counted: DataFrame, key: str) -> DataFrame:
    """Rows with a number that the train events do not give."""
    names = counted.columns[1:]
    joined = held.join(counted.select(key, *(F.col(name).alias(f"of_train {name}") for name in names)), key, how="left")
    return _example(joined.where(reduce(or_, (_differs(name) for name in names))), key)


def _differs(name: str) -> Column:
    ours, theirs = F.col(name), F.col(f"of_train {name}")
    far = F.abs(ours - theirs) > 1e-6 * F.greatest(F.abs(theirs), F.lit(1.0))
    return F.coalesce(far, ours.isNull() != theirs.isNull())


def _covisitation(tables: Checked, people: DataFrame) -> DataFrame:
    """Items whose counts do not add up to those of the users' train events, fold by fold."""
    counted = covisitation.pair_units(people, tables.counting.window, tables.counting.backward)
    less = [f"-CAST(ROUND(weight * {covisitation.UNIT}) AS LONG) AS units", "-CAST(users AS LONG) AS users"]
    ours = tables.covisitation.selectExpr("fold", "item_index", "other_index", *less)
    items = counted.unionByName(ours).groupBy("fold", "item_index")
    off = items.agg(F.sum("units").alias("more"), F.sum("users").alias("more_users"))
    return _example(off.where("more != 0 OR more_users != 0"), "fold", "item_index")


def _negatives(
    drawn: DataFrame,
    config: Config,
    train: DataFrame,
    words: DataFrame,
    counts: DataFrame,
    people: DataFrame,
) -> DataFrame:
    """Draws whose probability is not popularity^alpha of the train events over what the user's own items leave."""
    weights = words.join(counts, "item_id", how="left").withColumn("weight", F.col("n") ** config.negatives.alpha)
    total = weights.agg(F.sum("weight").alias("total"))
    shares = weights.crossJoin(F.broadcast(total)).select("item_id", "item_index", F.expr("weight / total AS share"))
    own = (
        train.select("user_id", "item_id")
        .distinct()
        .join(F.broadcast(shares), "item_id", how="inner")
        .groupBy("user_id")
        .agg(F.sum("share").alias("own"))
        .join(people, "user_id", how="inner")
        .select("user_index", "own")
    )
    expected = F.col("share") / (1 - F.col("own"))
    off = F.coalesce(F.abs(F.col("probability") / expected - 1) > 1e-6, F.lit(True))
    judged = drawn.join(F.broadcast(shares), "item_index", how="left").join(own, "user_index", how="left")
    return _example(judged.where(off), "user_index", "item_index")


def _generated(learnt: DataFrame, candidates: DataFrame, words: DataFrame, people: DataFrame) -> DataFrame:
    """Generated items of the training rows that are no candidate: of the row's user, or of a generated history."""
    beside = learnt.where("user_index >= 0").select(
        "arm", "user_index", F.explode(numbers("continuations", "<i4", "int")).alias("item_index")
    )
    alone = learnt.where("user_index < 0").select(
        "arm", F.lit(-1).alias("user_index"), F.explode(numbers("items", "<i4", "int")).alias("item_index")
    )
    used = beside.unionByName(alone).where("item_index > 0").distinct()
    named = candidates.join(F.broadcast(words.select("item_id", "item_index")), "item_id", how="inner")
    known = named.join(people, "user_id", how="left").select(
        "arm", F.coalesce("user_index", F.lit(-1)).alias("user_index"), "item_index"
    )
    strays = used.join(known.distinct(), ["arm", "user_index", "item_index"], how="left_anti")
    return _example(strays, "arm", "user_index", "item_index")


def _generators(tables: Checked, generators: Train) -> Iterator[Check]:
    """Compare the popularity that a generator of fold k carries, if any and without noise, with the other folds'."""
    train, expected = tables.sequences.where("split = 'train'"), dict[int | None, NDArray[np.float32]]()
    for model in generators.models if generators.spent is None else []:
        state, fold = read_weights(model.folder), model.fold
        held = next((value.numpy() for key, value in state.items() if key.endswith("informed.popularity")), None)
        if held is None:
            continue
        if fold not in expected:
            without = train_events(train.where(F.col("fold") == F.lit(fold)))
            expected[fold] = np.exp(log_popularity(tables.vocabulary, without=without))
        same = held.shape == expected[fold].shape
        off = np.flatnonzero(~np.isclose(held, expected[fold], rtol=1e-3, atol=0)) if same else [0]
        yield Check(f"generator {model.name}", len(off), f"item_index {off[0]}" if len(off) else "")


def _example(rows: DataFrame, *columns: str) -> DataFrame:
    """Name each row by some of its columns."""
    return rows.select(F.concat_ws(", ", *(F.concat_ws(" ", F.lit(c), F.col(c)) for c in columns)).alias("example"))
