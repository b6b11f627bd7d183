"""A long silence starts a session; midnight does not."""

import datetime as dt

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.sessions import identify_sessions

SCHEMA = "user_id string, event_time timestamp, event_id string, session_id string"
START = dt.datetime(2017, 1, 1, tzinfo=dt.UTC)


def events(spark: SparkSession, *rows: tuple) -> DataFrame:
    """Rows are (user_id, minutes, event_id, session_id)."""
    return spark.createDataFrame([(u, START + dt.timedelta(minutes=m), e, s) for u, m, e, s in rows], SCHEMA)


def named(df: DataFrame) -> dict[str, str]:
    return {row["event_id"]: row["session_id"] for row in df.collect()}


def test_a_silence_longer_than_the_gap_starts_a_session(spark: SparkSession) -> None:
    rows = events(spark, ("u", 0, "a", None), ("u", 30, "b", None), ("u", 60.1, "c", None), ("v", 31, "d", None))
    assert named(identify_sessions(rows, 30)) == {"a": "a", "b": "a", "c": "c", "d": "d"}


def test_the_sources_own_sessions_stay(spark: SparkSession) -> None:
    rows = events(spark, ("u", 0, "a", "web"), ("u", 1, "b", "app"), ("u", 2, "c", None))
    assert named(identify_sessions(rows, 30)) == {"a": "web", "b": "app", "c": "a"}


def test_a_session_goes_on_from_the_day_before(spark: SparkSession) -> None:
    before = events(spark, ("u", -90, "y", "x"), ("u", -10, "z", "z"), ("v", -31, "w", "w"))
    rows = events(spark, ("u", 0, "a", None), ("u", 20, "b", None), ("u", 51, "c", None), ("v", 0, "d", None))
    assert named(identify_sessions(rows, 30, before)) == {"a": "z", "b": "z", "c": "c", "d": "d"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("uv"), st.integers(0, 600)), min_size=2, max_size=20, unique=True),
    st.integers(0, 600),
)
def test_two_nights_make_the_sessions_of_one(spark: SparkSession, moments: list, cut: int) -> None:
    rows = [(user, minute, f"{user}{minute:03}", None) for user, minute in moments]
    whole = named(identify_sessions(events(spark, *rows), 30))
    first = identify_sessions(events(spark, *(r for r in rows if r[1] < cut)), 30)
    second = identify_sessions(events(spark, *(r for r in rows if r[1] >= cut)), 30, first)
    assert named(first) | named(second) == whole
