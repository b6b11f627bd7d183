"""A night opens the files that hold its rows, and says what became of every row that it was given."""

import datetime as dt
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from tests.night.nights import HEAD, context, day, line, note, rows_of

from recaug import config
from recaug.clickstream.days import plan_days
from recaug.errors import ContractError, NoRowsError
from recaug.night import ingest
from recaug.night.catalogue import read_items
from recaug.night.context import Context, StageResult
from recaug.night.plan import plan
from recaug.night.stage import NIGHT
from recaug.results import Ingest

COLUMNS = {"user_id": "who", "item_id": "what", "event_time": "at", "event_type": "how"}
Night = Callable[..., Ingest]


def night_of(spark: SparkSession, folder: Path, number: int, **events: Any) -> Context:
    """The night of a day of the log, with changes to source.events."""
    given = msgspec.to_builtins(context(spark, folder, day(number).date()).config.source)
    given["events"] |= events
    return context(spark, folder, day(number).date(), source=given)


@pytest.fixture
def night(spark: SparkSession, tmp_path: Path) -> Night:
    """Makes and records the night of a day, as the stage sees it."""

    def run(number: int, **events: Any) -> Ingest:
        made = night_of(spark, tmp_path, number, **events)
        result = ingest.run(made.of_stage(NIGHT["ingest"]))
        note(made, "ingest", result)
        assert isinstance(result.metrics, Ingest)
        check_sum(result.metrics)
        return result.metrics

    return run


def source_of_plan(spark: SparkSession, folder: Path, number: int, **events: Any) -> str:
    """What --dry-run says of the source."""
    made = night_of(spark, folder, number, **events)
    given = msgspec.structs.replace(made.config, lake=config.Lake(path=f"{folder}/lake"))
    return plan(given, made.date, spark, ["ingest"])[1]


def check_sum(taken: Ingest) -> None:
    """The one rule: what became of the rows adds up to those that were read."""
    assert taken.rows_in == taken.events + taken.duplicates + taken.quarantined
    became = taken.rows_in + taken.ignored + taken.held + taken.later + taken.earlier + taken.too_late
    assert taken.rows_read == became


def put(folder: Path, name: str, *lines: str) -> Path:
    path = folder / "log" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "".join(lines))
    return path


def close(*files: Path) -> None:
    """Make files unreadable, though they look the same: whoever opens one is told that it is a zip archive."""
    for file in files:
        status = file.stat()
        file.write_bytes(b"PK\x03\x04".ljust(status.st_size, b"."))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def read(taken: Ingest) -> tuple[int, int, int]:
    return taken.files, taken.files_skipped, taken.rows_read


def users(folder: Path) -> set[str]:
    return {row["user_id"] for row in rows_of(folder, "events")}


def test_a_night_opens_its_own_days_file_and_leaves_the_others_closed(
    spark: SparkSession, tmp_path: Path, night: Night
) -> None:
    files = [put(tmp_path, f"{number}.csv", line(f"u{number}", "a", day(number))) for number in range(1, 8)]
    assert read(night(5)) == (7, 0, 7)  # the first night counts all of them
    close(*files[:5])
    assert read(night(6)) == (1, 6, 1)
    close(files[5])
    came = put(tmp_path, "late.csv", line("late", "a", day(6)), line("u7", "b", day(7)))
    assert source_of_plan(spark, tmp_path, 7) == (
        f"source: {tmp_path}/log (csv): 2 of 8 files, 2 rows to ingest, and what came late for the 1 days before"
    )
    taken = night(7)
    assert (read(taken), taken.late) == ((2, 6, 3), 1)
    assert users(tmp_path) == {*(f"u{number}" for number in range(1, 8)), "late"}
    again = night(7)  # the same files, of which one row is held by now
    assert (read(again), again.late, again.held) == ((2, 6, 3), 0, 1)
    came.write_text(came.read_text() + line("later", "a", day(6)))
    close(files[6])
    with pytest.raises(NoRowsError, match="has no row of 2017-01-08"):
        night(8)
    put(tmp_path, "8.csv", line("u8", "a", day(8)))
    assert read(night(8, late_days=2)) == (2, 7, 4)  # and not 7.csv
    assert users(tmp_path) >= {"later", "u8"}


def test_rows_too_late_for_any_night_are_counted_and_named(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    """local_midnight: with late_days: 0 two rows of a local day, which began at 15:00 UTC, were in no count."""
    put(tmp_path, "1.csv", line("ada", "mate", day(1, 16)), line("bo", "chai", day(2, 9)))
    assert night(2, late_days=0).too_late == 0
    lines = [line("cy", "mate", day(2, 18)), line("fay", "ayran", day(2, 22)), line("ada", "chai", day(3, 2))]
    put(tmp_path, "2.csv", *lines, line("bo", "chai", day(2, 9)))  # the last is in the lake
    taken = night(3, late_days=0)
    assert (taken.rows_in, taken.too_late, taken.earlier, taken.rows_read) == (1, 2, 1, 4)
    assert taken.warnings[-1] == (
        "2 rows of 2017-01-02 came too late: source.events.late_days is 0, so no night takes them; set it to 1 and "
        "make this night again to have them"
    )
    taken = night(3, late_days=1)
    assert (taken.rows_in, taken.late, taken.held, taken.too_late) == (3, 2, 1, 0)
    assert users(tmp_path) == {"ada", "bo", "cy", "fay"}


def test_the_shops_zone_cuts_the_days(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    """local_midnight: a time without an offset is of the shop's zone; folders that are cut in UTC are read beside."""
    put(tmp_path, "dt=2017-01-01/a.csv", line("a", "x", "2017-01-01T22:59:00Z"), line("b", "x", "2017-01-01T23:01:00Z"))
    put(tmp_path, "dt=2017-01-02/a.csv", line("c", "x", "2017-01-02 23:59:00"), line("d", "x", "2017-01-02T23:01:00Z"))
    put(tmp_path, "dt=2017-01-03/a.csv", line("e", "x", day(3)))
    given = {"path": f"{tmp_path}/log/dt={{date}}", "time_zone": "Europe/Berlin", "late_days": 0}
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    try:
        taken = [night(number, **given) for number in (1, 3)]
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    rows = {(row["user_id"], str(row["event_date"])) for row in rows_of(tmp_path, "events")}
    assert rows == {(user, f"2017-01-0{date}") for user, date in zip("abcde", (1, 2, 2, 3, 3), strict=True)}
    assert [(one.events, one.later, one.too_late) for one in taken] == [(1, 3, 0), (4, 0, 0)]


def test_rows_of_days_to_come_are_counted(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    """future_rows: two rows of days after the night were in no count; here, one of a year that Python has not."""
    file = put(tmp_path, "log.csv", line("u", "a", day(1)), line("v", "a", day(2)), line("w", "a", day(9)))
    columns = {**COLUMNS, "event_time": "timestamp_seconds(bigint(at))"}
    file.write_text(
        HEAD + line("u", "a", "1483228800") + line("v", "a", "1483315200") + line("w", "a", "1483228800000")
    )
    taken = night(1, columns=columns)
    assert (taken.rows_read, taken.rows_in, taken.later) == (3, 1, 2)
    taken = night(2, columns=columns)
    assert (taken.rows_read, taken.rows_in, taken.later, taken.earlier + taken.held) == (3, 1, 1, 1)


def test_a_path_that_names_days_opens_the_nights_own(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    """nested_day_folders: a folder a day, at three levels; only the night's and the late day's are listed."""
    files = [
        put(tmp_path, f"2017/01/{number:02}/p.csv", line(f"u{number}", "a", day(number))) for number in range(1, 8)
    ]
    shutil.rmtree(files[4].parent)
    path = f"{tmp_path}/log/{{date:%Y/%m/%d}}/*.csv"
    assert read(night(3, path=path)) == (3, 0, 3)
    close(*files[:3], files[6])
    with pytest.raises(NoRowsError, match=rf"^source.events.path: nothing at {tmp_path}/log/2017/01/05/\*.csv$"):
        night(5, path=path)  # a closed day
    assert read(night(6, path=path)) == (2, 3, 2)
    assert users(tmp_path) == {"u1", "u2", "u3", "u4", "u6"}
    assert "nothing at" in source_of_plan(spark, tmp_path, 5, path=path)


def test_a_log_without_a_file_of_the_day_is_told_beside_one_that_has(
    spark: SparkSession, tmp_path: Path, night: Night
) -> None:
    shop = {"format": "csv", "options": {"header": "true"}, "columns": COLUMNS, "event_types": {"buy": "purchase"}}
    more = [{**shop, "path": f"{tmp_path}/log/orders/{{date:%Y%m%d}}.csv"}]
    put(tmp_path, "clicks/20170101.csv", line("u", "a", day(1)))
    put(tmp_path, "orders/20170101.csv", line("v", "a", day(1)))
    put(tmp_path, "clicks/20170102.csv", line("u", "a", day(2)))
    given = {"path": f"{tmp_path}/log/clicks/{{date:%Y%m%d}}.csv", "more": more}
    assert night(1, **given).events == 2
    taken = night(2, **given)
    assert (taken.events, taken.files) == (1, 1)
    assert taken.warnings[-1] == f"source.events.more[0].path: nothing at {tmp_path}/log/orders/20170102.csv"
    with pytest.raises(NoRowsError, match="clicks/20170103.csv"):
        night(3, **given)


def test_damaged_json_is_counted_alike_by_both_readings(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    """The first reading parses the time alone, the second every column: a row is bad to both, or to neither."""
    event = {"who": "u", "what": "a", "at": "2017-01-01 12:00:00", "how": "buy", "cost": 1}
    rows = [
        {**event, "who": f"u{n}", "cost": cost} for n, cost in enumerate([1, 1.5, "x", {"eur": 1}, [1], None, True])
    ]
    lines = [json.dumps(row) for row in rows]
    cut = [
        lines[0][:-5],
        '{"at": "2017-01-01 13:00:00", "who": tru',
        "[]",
        "7",
        '"text"',
        "",
        "{}",
        '{"at": {"day": 1}}',
    ]
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "lines.json").write_text("\n".join([*lines, *cut]))
    (tmp_path / "log" / "array.json").write_text(json.dumps([{**event, "who": "v"}, {"at": None}], indent=1))
    taken = night(1, format="json", options={})
    assert taken.events == 4  # u0, u1, u5, v: of the others the cost is no number
    assert taken.files == 2
    assert taken.rows_read == taken.events + taken.quarantined


def test_a_catalogue_named_after_days_is_that_of_the_last_one(spark: SparkSession, tmp_path: Path) -> None:
    for number, title in ((1, "old"), (2, "new"), (4, "to come")):
        pd.DataFrame({"what": ["a"], "title": [title]}).to_csv(tmp_path / f"items-2017010{number}.csv", index=False)
    items = {"path": f"{tmp_path}/items-{{date:%Y%m%d}}.csv", "format": "csv", "options": {"header": "true"}}
    made = context(spark, tmp_path, day(3).date(), source={"items": {**items, "item_id": "what", "title": "title"}})
    items_read = read_items(made)
    assert items_read is not None
    assert [row["title"] for row in items_read.collect()] == ["new"]


def test_a_delta_table_is_read_at_a_version_that_is_recorded(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    place, plain = tmp_path / "a b%20c" / "log", tmp_path / "plain"  # deltalake cannot write where Spark is to read
    plain.mkdir()
    place.parent.mkdir()
    place.symlink_to(plain)

    def append(*rows: tuple[str, dt.datetime]) -> None:
        given = [(user, "a", at.replace(tzinfo=dt.UTC), "buy", 1.0, str(at.date())) for user, at in rows]
        table = pa.Table.from_pandas(pd.DataFrame(given, columns=["who", "what", "at", "how", "cost", "day"]))
        write_deltalake(plain, table, mode="append", partition_by=["day"])

    given = {"path": str(place), "format": "delta", "options": {}}
    append(("u1", day(1)), ("u2", day(2)), ("u5", day(5)))
    taken = night(2, **given)
    assert (taken.versions, read(taken), taken.later) == ({"source.events": 0}, (3, 0, 3), 1)
    append(("u3", day(3)), ("late", day(2)), ("too late", day(1)))
    taken = night(3, **given)
    assert (taken.versions, read(taken)) == ({"source.events": 1}, (3, 3, 3))
    assert (taken.events, taken.late, taken.too_late) == (2, 1, 1)
    assert "1 rows of 2017-01-01 came too late" in taken.warnings[-1]
    DeltaTable(plain).optimize.compact()  # rows of all days in new files, of which none is new
    DeltaTable(plain).delete("who = 'u5'")
    append(("u4", day(4)))
    taken = night(4, **given)
    assert (taken.events, taken.late, taken.too_late, taken.day_rows) == (1, 0, 0, 1)
    assert users(tmp_path) == {"u1", "u2", "u3", "u4", "late"}
    close(*plain.glob("day=2017-01-0[124]/*.parquet"))  # folders of other days are not opened
    append(("u6", day(6)))
    assert night(6, **given, late_days=0).events == 1
    with pytest.raises(ContractError, match=r"^source.events.path: nothing at \S+$"):
        night(5, path=f"{tmp_path}/nowhere", format="delta", options={})


def test_a_day_of_few_rows_is_told_or_ends_the_night(spark: SparkSession, tmp_path: Path, night: Night) -> None:
    """T16: 1 % of the usual rows arrived, and nothing said so."""
    put(tmp_path, "4.csv", *(line(f"u{n}", "a", day(4, n / 2)) for n in range(20)))
    put(tmp_path, "5.csv", line("u", "a", day(5)))
    for number, rows in ((1, 1), (2, 20), (3, 20)):  # of which the first is no longer among the last three
        before = Ingest(rows_in=rows, events=rows, duplicates=0, quarantined=0, items=1, reasons={}, days=(None, ""))
        before = msgspec.structs.replace(before, day_rows=rows)
        note(night_of(spark, tmp_path, number), "ingest", StageResult(before, "content"))
    taken = night(4, late_days=0)
    assert (taken.warnings, taken.day_rows) == ((), 20)
    usual = {"at_least": 0.1, "at_most": 10.0, "nights": 3}
    with pytest.raises(ContractError, match=r"otherwise: warn$") as error:
        night(5, late_days=0, usual_rows={**usual, "otherwise": "end"})
    assert str(error.value).startswith(
        "source.events: 2017-01-05 has 1 rows, fewer than 0.1 times the 20 of a day of the last 3 nights: "
    )
    assert "u" not in users(tmp_path)
    assert "fewer than 0.1 times" in night(5, late_days=0, usual_rows=usual).warnings[-1]


def test_whatever_comes_when_the_events_are_those_of_an_independent_reading(
    spark: SparkSession, tmp_path: Path, night: Night
) -> None:
    """Files come late, grow and are touched between nights, of which some are made again; pandas says what is right.

    With this seed four nights have all that may come: rows that are late, too late, of days to come, or of no day, and
    files that grow, or are touched alone, before a night and before it is made again.
    """
    dice = random.Random(29)
    held: dict[dt.date, set[tuple[str, str]]] = {}  # day -> what the lake is to hold of it
    last = 0
    number = 0
    for step in range(4):
        for name in dice.sample("abcd", 2):
            lines = []
            for _ in range(dice.randint(0, 4)):
                number += 1
                when = dice.choice([last, last, last + 1, last + 1, last + 2, last - 1])
                lines.append(line(f"u{number}", "a", "soon" if dice.random() < 0.1 else day(max(when, 1), number % 24)))
            path = tmp_path / "log" / f"{name}.csv"
            put(tmp_path, f"{name}.csv", *(path.read_text().splitlines(True)[1:] if path.exists() else ()), *lines)
        put(tmp_path, f"own {step}.csv", line(f"own{step}", "a", day(last + 1)))
        if last == 0 or dice.random() < 0.8:
            last += 1
        taken = night(last)
        log = pd.concat([pd.read_csv(file) for file in sorted((tmp_path / "log").glob("*.csv"))])
        days = pd.to_datetime(log["at"], errors="coerce").dt.date
        reads = plan_days(day(last - 1).date() if last > 1 else None, day(last).date(), 1)
        for date in sorted({date for date in days.dropna() if reads.read.has(date)}):
            rows = set(zip(log["who"][days == date], log["what"][days == date], strict=True))
            held[date] = rows if reads.new.has(date) else held.get(date, set()) | rows
        there: dict[dt.date, set[tuple[str, str]]] = {}
        for row in rows_of(tmp_path, "events"):
            there.setdefault(row["event_date"], set()).add((row["user_id"], row["item_id"]))
        assert there == held
        undated = sum(not row["dated"] for row in rows_of(tmp_path, "events_quarantine"))
        assert undated == (log["at"] == "soon").sum()
        assert taken.files + taken.files_skipped == len(list((tmp_path / "log").glob("*.csv")))
