"""What the report draws, checked by hand."""

import datetime as dt
import json
from collections import Counter

import pytest
from pyspark.sql import DataFrame, SparkSession

from recaug.report import distributions

DAY = dt.datetime(2017, 1, 1, 12, tzinfo=dt.UTC)
SAMPLE = "series string, user_id string, item_id string, event_time timestamp, in_history boolean"


def collected(rows: DataFrame) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows.collect()]


@pytest.fixture(scope="module")
def sample(spark: SparkSession) -> DataFrame:
    """Two real users and one generated one; bread is bought most."""
    rows = [
        ("real", "ann", "bread", DAY, True),
        ("real", "ann", "milk", DAY, True),
        ("real", "ann", "bread", DAY + dt.timedelta(seconds=60), True),
        ("real", "bob", "bread", DAY, True),
        ("real", "bob", "eggs", DAY + dt.timedelta(seconds=61), True),
        ("real", "bob", "eggs", DAY + dt.timedelta(days=40), True),
        ("vae", "generated-1", "bread", DAY, True),
        ("vae", "generated-1", "milk", DAY + dt.timedelta(days=5), True),
        ("vae", "ann", "milk", DAY, False),
    ]
    return spark.createDataFrame(rows, SAMPLE).cache()


def test_popularity_counts_items_by_how_often_they_occur(sample: DataFrame) -> None:
    assert collected(distributions.popularity(sample)) == [
        ("real", 3, 1),  # bread
        ("real", 2, 1),  # eggs
        ("real", 1, 1),  # milk
        ("vae", 2, 1),  # milk, one of them a continuation
        ("vae", 1, 1),
    ]


def test_lengths_leave_continuations_out(sample: DataFrame) -> None:
    assert collected(distributions.lengths(sample)) == [("real", 3, 2), ("vae", 2, 1)]


def test_a_gap_falls_into_the_bucket_whose_upper_bound_it_does_not_pass(sample: DataFrame) -> None:
    named = [
        (series, distributions.gap_names()[bucket], gaps)
        for series, bucket, gaps in collected(distributions.gaps(sample))
    ]
    assert named == [
        ("real", "same moment", 1),
        ("real", "up to 1 min", 1),
        ("real", "1 to 10 min", 1),
        ("real", "over 4 weeks", 1),
        ("vae", "3 to 7 days", 1),
    ]


def test_an_item_without_the_attribute_counts_as_missing(spark: SparkSession, sample: DataFrame) -> None:
    items = spark.createDataFrame(
        [("bread", {"aisle": "bakery"}), ("milk", {"brand": "own"})], "item_id string, categorical map<string,string>"
    )
    assert collected(distributions.categories(sample, items, "aisle")) == [
        ("real", None, 3),  # milk has no aisle, eggs are not in the catalogue
        ("real", "bakery", 3),
        ("vae", None, 2),
        ("vae", "bakery", 1),
    ]


def test_only_events_of_the_train_windows_are_learnt_and_each_once(spark: SparkSession, events: DataFrame) -> None:
    some = [row["event_id"] for row in events.orderBy("event_id").limit(5).collect()]
    windows = [("train", some[:3]), ("train", some[2:4]), ("test", some[4:])]  # windows overlap by one event
    sequences = spark.createDataFrame(windows, "split string, event_ids array<string>")
    learnt = distributions.learnt_events(events, sequences)
    assert sorted(row["event_id"] for row in learnt.collect()) == some[:4]


def test_examples_are_shared_between_the_generators_and_prefer_whole_histories(
    events: DataFrame, candidates: DataFrame
) -> None:
    everything = distributions.sample(events.limit(10), candidates)
    users = distributions.example_users(everything, 10).toPandas()
    assert Counter(users["series"]) == {"vae": 5, "gan": 5}
    assert users["whole"].all()
    assert (users["user_id"] == "generated-" + users["series"] + "-" + users["source_users"].str[0]).all()
    continuations = everything.where("parent_event_id IS NOT NULL")
    assert not distributions.example_users(continuations, 4).toPandas()["whole"].any()


def test_a_history_shows_its_first_events_in_order(events: DataFrame, items: DataFrame) -> None:
    user = events.select("user_id").orderBy("user_id").first()["user_id"]  # type: ignore[index]
    everything = distributions.sample(events, None)
    shown = distributions.shown_histories(everything, [("real", user)], items, "department", 5).toPandas()
    own = events.where(f"user_id = '{user}'").orderBy("event_time", "event_id").toPandas()
    assert list(shown["event_id"]) == list(own["event_id"][:5])
    assert set(shown["n_events"]) == {len(own)}
    assert shown["category"].notna().any()


def test_a_row_with_two_reasons_counts_under_both(spark: SparkSession) -> None:
    rows = [('{"b":"1"}', ["no user_id", "robot"]), ('{"a":"1"}', ["robot"])]
    quarantine = spark.createDataFrame(rows, "raw string, reasons array<string>")
    counted = collected(distributions.quarantine_reasons(quarantine))
    assert counted == [("robot", 2, '{"a":"9"}'), ("no user_id", 1, '{"b":"9"}')]


def test_of_a_quarantined_row_the_page_shows_the_form_alone(spark: SparkSession) -> None:
    """T9: a whole row of the source stood on the page, which goes to MLflow."""
    raw = '{"who":"Zoë Smith","mail":"a@b.de","at":"2017-13-01","n":12,"_corrupt_record":"7,x\\ty"}'
    quarantine = spark.createDataFrame([(raw, ["bad"])], "raw string, reasons array<string>")
    ((_, _, shown),) = collected(distributions.quarantine_reasons(quarantine))
    expected = {"who": "xxx xxxxx", "mail": "x@x.xx", "at": "9999-99-99", "n": "99", "_corrupt_record": "9,x\tx"}
    assert json.loads(shown) == expected
