"""The shop's own zone cuts the days."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.night.nights import HEAD, context, day, line, note

from recaug.clickstream.splits import windows
from recaug.config import Spark
from recaug.night import ingest, prepare
from recaug.session import build

TOKYO = "Asia/Tokyo"  # nine hours before UTC


@pytest.fixture
def session(spark: SparkSession) -> Iterator[SparkSession]:
    """The session of a shop in Tokyo."""
    yield build(Spark(), "recaug tests", 2, TOKYO)
    build(Spark(), "recaug tests", 2)


def test_days_are_the_shops_own(session: SparkSession, tmp_path: Path) -> None:
    """local_midnight: a day that begins at 15:00 UTC of the day before is one day, however times are written."""
    at = ["2017-01-03 00:30:00", "2017-01-02T15:30:00Z", "2017-01-03T23:30:00+09:00", "2017-01-03T14:59:59Z"]
    lines = [line(f"u{n}", "a", time) for n, time in enumerate(at)] + [line("v", "a", "2017-01-03T15:00:00Z")]
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(lines))
    night = context(session, tmp_path, dt.date(2017, 1, 3))
    note(night, "ingest", ingest.run(night))
    rows = night.lake.read("events").selectExpr("user_id", "event_date", "unix_seconds(event_time)").collect()
    begins = int(dt.datetime(2017, 1, 2, 15, tzinfo=dt.UTC).timestamp())
    assert {row[0]: (row[1].day, row[2] - begins) for row in rows} == {
        "u0": (3, 1800),
        "u1": (3, 1800),
        "u2": (3, 86400 - 1800),
        "u3": (3, 86399),
    }


def test_windows_and_times_of_sequences_are_those_of_the_zone(session: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    lines = [line("u", item, day(number, 0.5)) for number, item in enumerate("abcdef", 1)]  # half past midnight, local
    lines += [line("v", item, day(number, 23.5)) for number, item in enumerate("abcdef", 1)]
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(lines))
    cut = {"train_days": 3, "validation_days": 1, "test_days": 2, "min_item_users": 1}
    night = context(session, tmp_path, dt.date(2017, 1, 6), prepare=cut)
    note(night, "ingest", ingest.run(night))
    prepare.run(night)
    assert windows(night.date, night.config.prepare).test_start == dt.date(2017, 1, 5)
    test = night.lake.read("sequences").where("split = 'test'").collect()
    assert {row["user_id"]: (row["length"], len(row["targets"])) for row in test} == {
        "u": (3, 2),
        "v": (3, 2),
    }  # d is in no vocabulary
    second = int.from_bytes(bytes(test[0]["times"])[:8], "little")
    assert second in {
        int(dt.datetime(2016, 12, 31, 15, 30, tzinfo=dt.UTC).timestamp()),
        int(dt.datetime(2017, 1, 1, 14, 30, tzinfo=dt.UTC).timestamp()),
    }
