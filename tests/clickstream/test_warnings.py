"""What is odd about a log is said in lines; what is usual is not."""

import pytest
from pyspark.sql import SparkSession
from tests.clickstream.test_clean import marked, row, settings_of

from recaug.clickstream.counts import RowCounts
from recaug.clickstream.warnings import warn_of
from recaug.config import Events


def warned(spark: SparkSession, rows: list[tuple], events: Events, timed: int = 1) -> list[str]:
    read = marked(spark, rows, events)
    counts = RowCounts(read.count(), 0, len(rows), timed, len(rows), 1, 1, 1, 0, 0, 0, {})
    return list(warn_of(read, counts, events))


def test_types_are_compared_with_those_of_the_log(spark: SparkSession) -> None:
    events = settings_of(ignore_types=["scroll"], order_by="n")
    rows = [row(who=f"u{n}", how="see" if n < 90 else ("scroll", "share")[n % 2]) for n in range(100)]
    assert warned(spark, rows, events) == [
        "5 of 100 rows are of the event_type 'share', which source.events has neither in event_types nor in "
        "ignore_types: they are in quarantine",
        "no row is of the event_type 'buy', which source.events names",
    ]


def test_a_rare_unknown_type_is_only_quarantined(spark: SparkSession) -> None:
    rows = [row(who=f"u{n}", how="see" if n % 2 else "buy") for n in range(300)] + [row(how="share")]
    assert warned(spark, rows, settings_of(order_by="n")) == []


@pytest.mark.parametrize(("own", "lines"), [(9, 0), (10, 1)])
def test_one_user_with_a_tenth_of_the_rows(spark: SparkSession, own: int, lines: int) -> None:
    rows = [row(who=f"u{n}", how="see" if n % 2 else "buy") for n in range(100 - own)] + [row(who="x")] * own
    said = warned(spark, rows, settings_of(order_by="n"))
    assert [line.startswith("one user has 10 of 100 rows") for line in said] == [True] * lines


def test_dates_without_a_time_and_without_an_order(spark: SparkSession) -> None:
    """order_within_day: within a day events lay in the order of a hash, in silence."""
    rows = [row(), row(how="buy")]
    (line,) = warned(spark, rows, settings_of(), timed=0)
    assert line.startswith("none of 2 times has a time of day") and "order_by" in line
    assert warned(spark, rows, settings_of(order_by="n"), timed=0) == []
    assert warned(spark, rows, settings_of(), timed=1) == []
