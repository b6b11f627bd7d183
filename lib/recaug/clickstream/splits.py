"""The cut: what models may learn from, what tunes them, and what proves them."""

import datetime as dt
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recaug.config import Prepare
from recaug.errors import ContractError

SPLITS = ("train", "validation", "test")  # in the order of the windows
BY_TIME = ("event_time", "event_order", "event_id")  # of a user's events
HASHES = 1 << 20  # of users, for a share of them


class Windows(NamedTuple):
    """First days of the train, validation and test windows, and the day after the last one; each up to the next."""

    train_start: dt.date
    validation_start: dt.date
    test_start: dt.date
    end: dt.date


def windows(date: dt.date, prepare: Prepare) -> Windows:
    """Cut the days up to and including `date`: the test window ends with it."""
    end = date + dt.timedelta(days=1)
    test_start = end - dt.timedelta(days=prepare.test_days)
    validation_start = test_start - dt.timedelta(days=prepare.validation_days)
    return Windows(validation_start - dt.timedelta(days=prepare.train_days), validation_start, test_start, end)


def between(events: DataFrame, start: dt.date, end: dt.date) -> DataFrame:
    """Keep the events of the days from `start` up to but without `end`. `events` needs event_date."""
    return events.where((F.col("event_date") >= F.lit(start)) & (F.col("event_date") < F.lit(end)))


def window_events(events: DataFrame, date: dt.date, prepare: Prepare) -> DataFrame:
    """Give the events that count in the windows up to `date`, each with its split.

    events: of the lake. Gives user_id, item_id, event_time, event_order, event_id, event_date, session_id, price,
    split.
    """
    cut = windows(date, prepare)
    counting = between(events, cut.train_start, cut.end)
    if prepare.event_types:
        counting = counting.where(F.col("event_type").isin(prepare.event_types))
    if prepare.user_share < 1:
        place = F.pmod(F.xxhash64(F.lit("user_share"), "user_id"), F.lit(HASHES))
        counting = counting.where(place < prepare.user_share * HASHES)
    named = counting.select(
        "user_id", "item_id", "event_time", "event_order", "event_id", "event_date", "session_id", "price"
    )
    if prepare.task == "discovery":
        named = first_of_each_item(named)
    if prepare.core > 1:
        named = core(named, prepare.core)
    return split(named, cut, prepare)


def train_end(date: dt.date, prepare: Prepare) -> dt.date:
    """Give the first day without a train event; where the split is not by time, that after the night's date."""
    cut = windows(date, prepare)
    return cut.validation_start if prepare.split == "time" else cut.end


def first_of_each_item(events: DataFrame) -> DataFrame:
    """Keep each user's first event of each item (in the order of BY_TIME): what discovery is about.

    Where `events` starts with the train window, what stays of a later window is what was new to the user in it.
    """
    earliest = F.min_by(F.struct(*events.columns), F.struct(*BY_TIME))
    return events.groupBy("user_id", "item_id").agg(earliest.alias("first")).select("first.*")


def core(events: DataFrame, least: int) -> DataFrame:
    """Keep the users and items with `least` events or more, again and again until all that are left have as many.

    events: user_id, item_id. The k-core of published data sets, which counts what is held out as well.
    """
    kept, before = events.localCheckpoint(), -1
    while (left := kept.count()) != before:
        before = left
        for key in ("item_id", "user_id"):
            enough = kept.groupBy(key).count().where(F.col("count") >= least)
            kept = kept.join(enough, key, "left_semi").select(events.columns)
        kept = kept.localCheckpoint()
    return kept


def split(events: DataFrame, cut: Windows, prepare: Prepare) -> DataFrame:
    """Add `split`: train, validation, test or history. `events` needs user_id, event_id, event_time, event_date.

    time: by the windows. leave_one_out: each user's last event (in the order of BY_TIME) is test, the one before it
    validation; all events of users with fewer than 3 are train. share: of each user's events, in the order of their
    hash, the first holdout.share are test, and of the others the first holdout.validation_share validation. users: the
    last holdout.share of the events of a held-out user (one or more) are test or validation; the others are history,
    which is folded in for that user and never learnt from.
    """
    from_last = F.row_number().over(Window.partitionBy("user_id").orderBy(*map(F.desc, BY_TIME)))
    n = F.count("*").over(Window.partitionBy("user_id"))
    if prepare.split == "time":
        day = F.col("event_date")
        later = F.when(day < F.lit(cut.test_start), "validation").otherwise("test")
        return events.withColumn("split", F.when(day < F.lit(cut.validation_start), "train").otherwise(later))
    if prepare.split == "leave_one_out":
        held = F.when(from_last == 1, "test").when(from_last == 2, "validation").otherwise("train")
        return events.withColumn("split", F.when(n >= 3, held).otherwise("train"))
    assert prepare.holdout is not None
    share = F.lit(prepare.holdout.share)
    if prepare.split == "share":
        place = F.row_number().over(Window.partitionBy("user_id").orderBy(F.xxhash64("event_id"), "event_id"))
        test = F.round(n * share)
        validation = F.round((n - test) * F.lit(prepare.holdout.validation_share))
        later = F.when(place <= test + validation, "validation").otherwise("train")
        return events.withColumn("split", F.when(place <= test, "test").otherwise(later))
    folds, fold = prepare.holdout.folds, prepare.holdout.fold
    of_user = F.pmod(F.xxhash64("user_id", F.lit("held out")), F.lit(folds))
    kind = F.when(of_user == fold, "test").when(of_user == (fold + 1) % folds, "validation")
    last = (from_last <= F.greatest(F.round(n * share), F.lit(1))) & (n >= 2)
    held = F.when(last, kind).otherwise("history")
    return events.withColumn("split", F.when(kind.isNull(), "train").otherwise(held))


def check_splits(events: DataFrame, cut: Windows, prepare: Prepare, log: DataFrame) -> None:
    """Raise ContractError where a split has no event, as in a log that is too short; a window of no days needs none.

    events: of window_events. log: event_date of all events.
    """
    there = {row["split"] for row in events.select("split").distinct().collect()}
    last = cut.end - dt.timedelta(days=1)
    if not there and prepare.core > 1:
        raise ContractError(
            f"the days {cut.train_start} to {last} have no users and items with {prepare.core} events each among "
            "themselves; lower prepare.core"
        )
    days = (prepare.train_days, prepare.validation_days, prepare.test_days)
    missing = [name for name, long in zip(SPLITS, days, strict=True) if long and name not in there]
    if not missing:
        return
    if prepare.split != "time":
        raise ContractError(
            f"the days {cut.train_start} to {last} have no {' and no '.join(sorted(missing))} event that "
            f"counts: too few events a user, or too few users, for prepare.split {prepare.split}"
        )
    first_day, last_day = log.agg(F.min("event_date"), F.max("event_date")).first()  # type: ignore[misc]
    place = SPLITS.index(missing[0])
    raise ContractError(
        f"the {missing[0]} window, {cut[place]} up to {cut[place + 1]}, has no event that counts; the lake's events "
        f"are of {first_day} to {last_day}: a log must be longer than prepare.train_days + validation_days + test_days"
    )


def check_vocabulary(vocabulary: DataFrame, cut: Windows, prepare: Prepare) -> None:
    """Raise ContractError where no item had enough users in the train window."""
    if vocabulary.isEmpty():
        raise ContractError(
            f"no item of the days {cut.train_start} to {cut.validation_start} has {prepare.min_item_users} users; "
            "lower prepare.min_item_users or lengthen prepare.train_days"
        )


def rank(split: Column) -> Column:
    """Number the splits in the order in which they may be known: what is held out is predicted from what is before."""
    return F.when(split == "train", 0).when(split == "history", 1).when(split == "validation", 2).otherwise(3)
