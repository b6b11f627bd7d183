"""What the train events say as numbers."""

import datetime as dt
from math import log1p, sqrt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.features import item_features, normalised, user_features

SCHEMA = "user_id string, item_id string, event_time timestamp, session_id string, price double"
END = dt.date(2017, 1, 11)


def at(day: float) -> dt.datetime:
    return dt.datetime(2017, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)


def train(spark: SparkSession) -> DataFrame:
    rows = [
        ("u", "a", at(0.5), "s", 1.0),
        ("u", "b", at(0.5), "s", None),
        ("u", "a", at(4.5), "t", 2.0),
        ("v", "a", at(9), "w", 6.0),
        ("w", "c", at(2), "x", None),
    ]
    return spark.createDataFrame(rows, SCHEMA).withColumn("event_date", F.to_date("event_time"))


def test_what_is_said_of_users(spark: SparkSession) -> None:
    found = {row.user_id: row for row in normalised(user_features(train(spark), END)).collect()}
    names = ["events", "items", "sessions", "days", "recency_days", "gap_days", "mean_price"]
    assert [found["u"][name] for name in names] == [3, 2, 2, 2, 5.5, 2.0, 1.5]
    assert [found["v"][name] for name in names] == [1, 1, 1, 1, 1.0, None, 6.0]
    assert [found["w"][name] for name in names] == [1, 1, 1, 1, 8.0, None, None]
    assert found["w"]["z_mean_price"] is None and found["w"]["z_gap_days"] is None
    assert found["u"]["z_gap_days"] == 0  # the only one that is known
    mean, deviation = (log1p(3) + 2 * log1p(1)) / 3, sqrt(2) / 3 * (log1p(3) - log1p(1))
    assert found["u"]["z_events"] == pytest.approx((log1p(3) - mean) / deviation, abs=1e-5)


def test_what_is_said_of_items(spark: SparkSession) -> None:
    found = {row.item_id: row for row in item_features(train(spark), END).collect()}
    names = ["events", "users", "repeat_share", "age_days", "mean_price"]
    assert [found["a"][name] for name in names] == pytest.approx([3, 2, 1 / 3, 9.5, 3.0])
    assert [found["b"][name] for name in names] == [1, 1, 0, 9.5, None]
    assert [found["c"][name] for name in names] == [1, 1, 0, 8.0, None]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=2, max_size=30))
def test_normal_numbers_have_mean_0_and_deviation_1_and_miss_what_is_missing(
    spark: SparkSession, values: list[float | None]
) -> None:
    rows = spark.createDataFrame(list(enumerate(values)), "user_id int, x double").repartition(3)
    scaled = normalised(rows).collect()
    assert all((row.x is None) == (row.z_x is None) for row in scaled)
    known = [row.z_x for row in scaled if row.x is not None]
    logs = [log1p(value) for value in values if value is not None]
    if logs and np.std(logs) > 1e-3:
        assert np.mean(known) == pytest.approx(0, abs=1e-2)
        assert np.std(known) == pytest.approx(1, abs=1e-2)
    else:
        assert all(abs(value) < 100 for value in known)
