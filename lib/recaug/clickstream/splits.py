"""The cut: what models may learn from, what tunes them, and what proves them."""

import datetime as dt
from typing import Literal, NamedTuple

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.config import Prepare


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

    events: of the lake. Gives user_id, item_id, event_time, event_id, event_date, session_id, price, split.
    """
    cut = windows(date, prepare)
    counting = between(events, cut.train_start, cut.end).where(F.col("event_type").isin(prepare.event_types))
    named = counting.select("user_id", "item_id", "event_time", "event_id", "event_date", "session_id", "price")
    if prepare.task == "discovery":
        named = first_of_each_item(named)
    return split(named, cut, prepare.split)


def train_end(date: dt.date, prepare: Prepare) -> dt.date:
    """Give the first day without a train event; of leave-one-out, that after the night's date."""
    cut = windows(date, prepare)
    return cut.validation_start if prepare.split == "time" else cut.end


def first_of_each_item(events: DataFrame) -> DataFrame:
    """Keep each user's first event of each item (by event_time, then event_id): what discovery is about.

    Where `events` starts with the train window, what stays of a later window is what was new to the user in it.
    """
    earliest = F.min_by(F.struct(*events.columns), F.struct("event_time", "event_id"))
    return events.groupBy("user_id", "item_id").agg(earliest.alias("first")).select("first.*")


def split(events: DataFrame, cut: Windows, by: Literal["time", "leave_one_out"]) -> DataFrame:
    """Add `split`: train, validation or test. `events` needs user_id, event_id, event_time, event_date.

    time: by the windows. leave_one_out: each user's last event (by event_time, then event_id) is test, the one before
    it validation; all events of users with fewer than 3 are train.
    """
    if by == "time":
        day = F.col("event_date")
        later = F.when(day < F.lit(cut.test_start), "validation").otherwise("test")
        return events.withColumn("split", F.when(day < F.lit(cut.validation_start), "train").otherwise(later))
    from_last = F.row_number().over(Window.partitionBy("user_id").orderBy(F.desc("event_time"), F.desc("event_id")))
    enough = F.count("*").over(Window.partitionBy("user_id")) >= 3
    return events.withColumn(
        "split",
        F.when(enough & (from_last == 1), "test").when(enough & (from_last == 2), "validation").otherwise("train"),
    )
