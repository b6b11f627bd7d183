"""The cut in time."""

import datetime as dt

import msgspec
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.splits import Windows, between, first_of_each_item, split, windows
from recaug.config import Prepare


def prepare(**more: object) -> Prepare:
    base = {
        "split": "time",
        "task": "discovery",
        "event_types": ["view"],
        "train_days": 21,
        "validation_days": 7,
        "test_days": 7,
        "min_item_users": 1,
        "max_length": 4,
        "folds": 2,
        "cold_events": 5,
        "head_share": 0.5,
    }
    return msgspec.convert(base | more, Prepare)


def test_the_windows_end_with_the_night() -> None:
    assert windows(dt.date(2017, 2, 4), prepare()) == Windows(
        dt.date(2017, 1, 1), dt.date(2017, 1, 22), dt.date(2017, 1, 29), dt.date(2017, 2, 5)
    )


def test_a_window_has_its_first_day_and_not_its_end(spark: SparkSession) -> None:
    days = spark.createDataFrame([(dt.date(2017, 1, day),) for day in range(1, 6)], "event_date date")
    found = days.transform(between, dt.date(2017, 1, 2), dt.date(2017, 1, 4)).collect()
    assert sorted(row[0].day for row in found) == [2, 3]


def test_discovery_keeps_the_first_event_of_each_item(spark: SparkSession) -> None:
    rows = [("u", "i", 3, "c"), ("u", "i", 1, "b"), ("u", "i", 1, "a"), ("u", "j", 2, "d"), ("v", "i", 9, "e")]
    events = spark.createDataFrame(rows, "user_id string, item_id string, event_time int, event_id string")
    found = first_of_each_item(events.repartition(3).withColumn("event_time", F.timestamp_seconds("event_time")))
    assert found.columns == events.columns
    assert sorted(row["event_id"] for row in found.collect()) == ["a", "d", "e"]


def test_leave_one_out_takes_the_last_two_of_three_or_more(spark: SparkSession) -> None:
    rows = [("u", 1, "d"), ("u", 5, "a"), ("u", 5, "b"), ("u", 2, "c"), ("v", 1, "e"), ("v", 2, "f"), ("w", 9, "g")]
    events = spark.createDataFrame(rows, "user_id string, event_time int, event_id string")
    found = split(events.repartition(3), windows(dt.date(2017, 2, 4), prepare()), "leave_one_out")
    assert {row["event_id"]: row["split"] for row in found.collect()} == dict.fromkeys("cdefg", "train") | {
        "a": "validation",
        "b": "test",
    }
