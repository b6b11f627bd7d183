"""The cut in time."""

import datetime as dt

import msgspec
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.splits import Windows, between, core, first_of_each_item, split, window_events, windows
from recaug.config import Prepare

HOLDOUT = {"share": 0.25, "validation_share": 0.2, "folds": 4, "fold": 1}


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


def of_one_order(spark: SparkSession, rows: list[tuple], columns: str) -> DataFrame:
    return spark.createDataFrame(rows, columns).withColumn("event_order", F.lit(1))


def test_a_window_has_its_first_day_and_not_its_end(spark: SparkSession) -> None:
    days = spark.createDataFrame([(dt.date(2017, 1, day),) for day in range(1, 6)], "event_date date")
    found = days.transform(between, dt.date(2017, 1, 2), dt.date(2017, 1, 4)).collect()
    assert sorted(row[0].day for row in found) == [2, 3]


def test_discovery_keeps_the_first_event_of_each_item(spark: SparkSession) -> None:
    rows = [("u", "i", 3, "c"), ("u", "i", 1, "b"), ("u", "i", 1, "a"), ("u", "j", 2, "d"), ("v", "i", 9, "e")]
    events = of_one_order(spark, rows, "user_id string, item_id string, event_time int, event_id string")
    found = first_of_each_item(events.repartition(3).withColumn("event_time", F.timestamp_seconds("event_time")))
    assert found.columns == events.columns
    assert sorted(row["event_id"] for row in found.collect()) == ["a", "d", "e"]


def test_leave_one_out_takes_the_last_two_of_three_or_more(spark: SparkSession) -> None:
    rows = [("u", 1, "d"), ("u", 5, "a"), ("u", 5, "b"), ("u", 2, "c"), ("v", 1, "e"), ("v", 2, "f"), ("w", 9, "g")]
    events = of_one_order(spark, rows, "user_id string, event_time int, event_id string")
    found = split(events.repartition(3), windows(dt.date(2017, 2, 4), prepare()), prepare(split="leave_one_out"))
    assert {row["event_id"]: row["split"] for row in found.collect()} == dict.fromkeys("cdefg", "train") | {
        "a": "validation",
        "b": "test",
    }


def of_users(spark: SparkSession, users: int, events: int) -> DataFrame:
    rows = [(f"u{user}", event, f"{user}-{event:02}") for user in range(users) for event in range(events)]
    return of_one_order(spark, rows, "user_id string, event_time int, event_id string").repartition(3)


def test_a_share_of_each_users_events_is_held_out(spark: SparkSession) -> None:
    events, cut = of_users(spark, 6, 20), windows(dt.date(2017, 2, 4), prepare())
    found = split(events, cut, prepare(split="share", holdout=HOLDOUT)).toPandas()
    for _, own in found.groupby("user_id"):
        assert own["split"].value_counts().to_dict() == {"test": 5, "validation": 3, "train": 12}
    test = found[found["split"] == "test"]
    assert len({tuple(sorted(own["event_time"])) for _, own in test.groupby("user_id")}) == 6  # by chance, not by time


def test_held_out_users_have_no_train_event(spark: SparkSession) -> None:
    cut, seen = windows(dt.date(2017, 2, 4), prepare()), []
    for fold in range(4):
        rules = prepare(split="users", holdout=HOLDOUT | {"fold": fold})
        found = split(of_users(spark, 40, 8), cut, rules).toPandas()
        kinds = {user: tuple(own.sort_values("event_time")["split"]) for user, own in found.groupby("user_id")}
        assert set(kinds.values()) == {
            ("train",) * 8,
            ("history",) * 6 + ("validation",) * 2,
            ("history",) * 6 + ("test",) * 2,
        }
        seen += [user for user, kind in kinds.items() if kind[-1] == "test"]
    assert sorted(seen) == sorted(f"u{user}" for user in range(40))  # each in one fold


def test_a_held_out_user_of_one_event_is_history(spark: SparkSession) -> None:
    rules = prepare(split="users", holdout=HOLDOUT)
    found = split(of_users(spark, 40, 1), windows(dt.date(2017, 2, 4), rules), rules).toPandas()
    assert set(found["split"]) == {"train", "history"}


def test_a_share_of_the_users_is_with_all_their_events_and_among_a_larger_share(spark: SparkSession) -> None:
    day = dt.date(2017, 1, 10)
    rows = [(f"u{user}", f"i{n}", day, f"{user}-{n}", "view") for user in range(400) for n in range(3)]
    events = spark.createDataFrame(
        rows, "user_id string, item_id string, event_date date, event_id string, event_type string"
    ).selectExpr(
        "*", "timestamp(event_date) AS event_time", "'s' AS session_id", "double(1) AS price", "1 AS event_order"
    )
    found = {}
    for share in (0.1, 0.5, 1.0):
        kept = window_events(events, dt.date(2017, 2, 4), prepare(user_share=share)).groupBy("user_id").count()
        counts = {row["user_id"]: row["count"] for row in kept.collect()}
        assert set(counts.values()) == {3}
        found[share] = set(counts)
    assert found[0.1] < found[0.5] < found[1.0]
    assert 20 <= len(found[0.1]) <= 60
    assert 160 <= len(found[0.5]) <= 240
    assert len(found[1.0]) == 400


def test_the_core_is_what_stays_when_users_and_items_with_few_events_go_until_none_is_left(spark: SparkSession) -> None:
    # a to c had i to k each. d had i and l: l has one user, so goes; then d has one item, so goes as well.
    bought = [(user, item) for user in "abc" for item in "ijk"] + [("d", "i"), ("d", "l"), ("a", "m"), ("b", "m")]
    events = spark.createDataFrame([(item, user) for user, item in bought], "item_id string, user_id string")
    for least, gone in ((1, set()), (2, {("d", "i"), ("d", "l")}), (3, {*bought[9:]}), (4, {*bought})):
        found = core(events.repartition(3), least)
        assert found.columns == events.columns
        assert {(row["user_id"], row["item_id"]) for row in found.collect()} == {*bought} - gone


def test_the_split_comes_after_the_core_and_the_core_after_the_windows(spark: SparkSession) -> None:
    # k, the last that u had, v had as well, but before the windows: in them k has one user and goes, so j is u's last.
    day = {"m": dt.date(2017, 1, 10), "l": dt.date(2017, 1, 11), "j": dt.date(2017, 1, 12), "k": dt.date(2017, 1, 13)}
    bought = [(user, item, day[item]) for user in "uvw" for item in "mlj"]
    bought += [("u", "k", day["k"]), ("v", "k", dt.date(2016, 12, 31))]
    events = spark.createDataFrame(bought, "user_id string, item_id string, event_date date").selectExpr(
        "*",
        "concat(user_id, item_id) AS event_id",
        "'view' AS event_type",
        "1 AS event_order",
        "timestamp(event_date) AS event_time",
        "'s' AS session_id",
        "double(1) AS price",
    )
    found = window_events(events, dt.date(2017, 2, 4), prepare(split="leave_one_out", core=2)).collect()
    of_u = {row["item_id"]: row["split"] for row in found if row["user_id"] == "u"}
    assert of_u == {"m": "train", "l": "validation", "j": "test"}


def test_without_event_types_every_event_of_the_windows_counts(spark: SparkSession) -> None:
    events = spark.createDataFrame([("i", "view"), ("j", "cart"), ("k", "tap")], "item_id string, event_type string")
    events = events.selectExpr(
        "*",
        "'u' AS user_id",
        "item_id AS event_id",
        "date'2017-01-10' AS event_date",
        "timestamp'2017-01-10' AS event_time",
        "1 AS event_order",
        "'s' AS session_id",
        "double(1) AS price",
    )
    for asked, expected in (([], "ijk"), (["view"], "i"), (["view", "tap"], "ik")):
        found = window_events(events, dt.date(2017, 2, 4), prepare(event_types=asked))
        assert sorted(row["item_id"] for row in found.collect()) == list(expected)
