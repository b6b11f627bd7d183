"""The lake takes each row once; a rerun changes nothing; a bad night writes nothing."""

import dataclasses
import datetime as dt
import os
import shutil
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from tests.night.nights import HEAD, context, day, line, note

from recaug import config
from recaug.errors import ContractError
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import ingest, sources
from recaug.night.context import Context, StageResult
from recaug.results import Ingest

SECOND, THIRD = dt.date(2017, 1, 2), dt.date(2017, 1, 3)
LOG = [
    line("u", "a", day(1)),
    line("u", "a", day(1)),
    line("u", "b", day(1, 23.9)),
    line("", "b", day(1)),
    line("v", "a", day(2), cost="cheap"),
    line("v", "a", "soon"),
    line("v", "b", day(2)),
    line("u", "c", day(3, 0.1)),
    line("w", "a", day(3)),
    "w,a,2017-01-03 15:00:00,b\n",
    line("late", "a", day(4)),
]


def log(folder: Path, lines: list[str] = LOG) -> None:
    (folder / "log").mkdir(exist_ok=True)
    (folder / "log" / "log.csv").write_text(HEAD + "".join(lines))


def night(spark: SparkSession, folder: Path, date: dt.date) -> StageResult:
    made = context(spark, folder, date)
    result = ingest.run(made)
    note(made, "ingest", result)
    return result


def hashes(lake: Lake) -> list[str | None]:
    return [lake.content_hash(name) for name in ("events", "events_quarantine", "items")]


def test_nights_take_each_row_once(spark: SparkSession, tmp_path: Path) -> None:
    log(tmp_path)
    lake = Lake(spark, path=f"{tmp_path}/lake")
    first = night(spark, tmp_path, SECOND)
    assert first.metrics == Ingest(
        rows_in=7,
        events=3,
        duplicates=1,
        quarantined=3,
        items=2,
        days=(None, "2017-01-02"),
        reasons={"no user_id": 1, "price is not a number": 1, "unreadable event_time": 1},
        rows_read=11,
        later=4,
        day_rows=2,
        files=1,
        seen=first.metrics.seen,
        columns=first.metrics.columns,
    )
    items = hashes(lake)[2]
    second = night(spark, tmp_path, THIRD)
    assert second.metrics == Ingest(
        rows_in=3,
        events=2,
        duplicates=0,
        quarantined=1,
        items=3,
        days=("2017-01-03", "2017-01-03"),
        reasons={"malformed row": 1, "unknown event_type": 1},
        late=0,
        rows_read=11,
        held=3,
        earlier=4,
        later=1,
        day_rows=3,
        files=1,
        seen=second.metrics.seen,
        columns=first.metrics.columns,
        warnings=second.metrics.warnings,
    )
    assert ["'b'" in warning for warning in second.metrics.warnings] == [True]
    found = {(row.user_id, row.item_id, str(row.event_date)): row for row in lake.read("events").collect()}
    assert set(found) == {
        ("u", "a", "2017-01-01"),
        ("u", "b", "2017-01-01"),
        ("v", "b", "2017-01-02"),
        ("u", "c", "2017-01-03"),
        ("w", "a", "2017-01-03"),
    }
    assert found["u", "a", "2017-01-01"].event_type == "purchase"
    bad = {row.raw: row for row in lake.read("events_quarantine").collect()}
    assert sorted(str(row.event_date) for row in bad.values()) == [
        "2017-01-01",
        "2017-01-02",
        "2017-01-02",
        "2017-01-03",
    ]
    assert [row.event_date for row in bad.values() if not row.dated] == [SECOND]
    assert {row.source for row in bad.values()} == {"log.csv"}
    (cut_off,) = [raw for raw, row in bad.items() if "malformed row" in row.reasons]
    assert '"_corrupt_record":"w,a,2017-01-03 15:00:00,b"' in cut_off

    before = hashes(lake)
    assert night(spark, tmp_path, THIRD) == second
    assert hashes(lake) == before
    # A rerun of the first night takes the same days as before, and leaves the later one alone; after a crash between
    # its commits as well.
    lake.replace(lake.read("events").where("false"), "events", {"event_date": (None, SECOND)}, "crash")
    assert night(spark, tmp_path, SECOND).metrics.rows_in == 7
    assert hashes(lake) == [*before[:2], items]


def test_rows_that_came_late_join_their_day(spark: SparkSession, tmp_path: Path) -> None:
    bad, evening = line("", "x", day(1, 9)), line("z", "a", day(2, 23.9))
    log(tmp_path, [line("u", "a", day(1, 12)), line("u", "c", day(1, 12.8)), bad, line("v", "a", day(2)), evening])
    lake = Lake(spark, path=f"{tmp_path}/lake")

    def run(number: int, late_days: int) -> StageResult:
        made = context(spark, tmp_path, day(number).date())
        events = msgspec.structs.replace(made.config.source.events, late_days=late_days)
        sources = msgspec.structs.replace(made.config.source, event_log=events)
        made = dataclasses.replace(made, config=msgspec.structs.replace(made.config, source=sources))
        result = ingest.run(made)
        note(made, "ingest", result)
        return result

    assert run(2, 1).metrics.rows_in == 5
    came = [line("u", "b", day(1, 12.4)), line("", "y", day(1, 10)), line("w", "b", day(2, 8)), line("u", "a", day(3))]
    came += [line("z", "b", day(3, 0.1)), line("z", "c", day(3, 5))]
    with (tmp_path / "log" / "log.csv").open("a") as more:
        more.write("".join(came))
    found = run(3, 1).metrics
    assert (found.rows_in, found.events, found.duplicates, found.quarantined, found.late) == (4, 4, 0, 0, 1)
    fourth_came = line("u", "d", day(4))
    with (tmp_path / "log" / "log.csv").open("a") as more:
        more.write(fourth_came)
    found = run(4, 3).metrics
    assert (found.rows_in, found.events, found.duplicates, found.quarantined, found.late) == (3, 2, 0, 1, 2)
    assert found.days == ("2017-01-01", "2017-01-04")
    rows = {(row.user_id, row.item_id, str(row.event_date)): row for row in lake.read("events").collect()}
    assert set(rows) == {
        ("u", "a", "2017-01-01"),
        ("u", "b", "2017-01-01"),
        ("u", "c", "2017-01-01"),
        ("v", "a", "2017-01-02"),
        ("w", "b", "2017-01-02"),
        ("u", "a", "2017-01-03"),
        ("u", "d", "2017-01-04"),
        ("z", "a", "2017-01-02"),
        ("z", "b", "2017-01-03"),
        ("z", "c", "2017-01-03"),
    }
    # the late event goes on with the session of the event before it
    assert rows["u", "b", "2017-01-01"].session_id == rows["u", "a", "2017-01-01"].session_id
    # and a session goes on after midnight
    after = [rows["z", "b", "2017-01-03"].session_id, rows["z", "c", "2017-01-03"].session_id]
    assert rows["z", "a", "2017-01-02"].session_id == after[0] != after[1]
    assert {row.raw.split('"what":"')[1][0] for row in lake.read("events_quarantine").collect()} == {"x", "y"}
    before = hashes(lake)
    assert run(4, 3).metrics.late == 0  # the lake has them by now
    assert hashes(lake) == before


def test_rows_do_not_depend_on_partitions_or_files(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = [line("robot", f"i{n}", day(1, n / 3600)) for n in range(21)]
    ordered_by_file = [line("x", "b", day(1)), line("x", "a", day(1))]
    found = []
    for partitions, files, dense in ((1, 1, sources.DENSE), (8, 3, sources.DENSE), (8, 3, 0)):
        monkeypatch.setattr(sources, "DENSE", dense)  # from 0 rows a file: they are spread over the tasks
        folder = tmp_path / f"{partitions} {dense}"
        (folder / "log").mkdir(parents=True)
        lines = ordered_by_file + LOG + robot
        for file in range(files):
            (folder / "log" / f"{file}.csv").write_text(HEAD + "".join(lines[file::files]))
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
        try:
            result = ingest.run(context(spark, folder, SECOND))
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", 2)
        assert result.metrics.reasons["robot: too many events in a minute"] == 21
        assert result.metrics.files == files
        found.append(dataclasses.replace(result, metrics=msgspec.structs.replace(result.metrics, files=1, seen="")))
        events = Lake(spark, path=f"{folder}/lake").read("events").where("user_id = 'x'")
        assert [row["item_id"] for row in events.orderBy("event_order").collect()] == ["b", "a"]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has no row up to 2017-01-02"),
        (LOG[:2], "has no row of 2017-01-02; give a date that the log covers"),
        (
            [line("", "a", day(2))] * 3,
            "none of 3 rows of 2017-01-02 is an event; the commonest reason, in 3 of 3 rows: no user_id",
        ),
        (
            [*LOG[:2], line("u", "a", day(2), how="BUY")],
            "none of 1 rows of 2017-01-02 is an event; the commonest reason, in 1 of 3 rows: unknown event_type",
        ),
    ],
    ids=["empty", "a date without data", "every row bad", "night_without_events"],
)
def test_a_night_without_events_writes_nothing(
    spark: SparkSession, tmp_path: Path, lines: list[str], message: str
) -> None:
    log(tmp_path, lines)
    with pytest.raises(ContractError, match=f"^source.events[^\n]*{message}$"):
        ingest.run(context(spark, tmp_path, SECOND))
    assert not (tmp_path / "lake").exists()


def test_what_is_wrong_with_the_catalogue_is_said_of_it_before_anything_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    """catalogue_blamed_on_events: the events were written, and blamed."""
    log(tmp_path)
    (tmp_path / "items").mkdir()
    for name, stock in (("a", 1.5), ("b", True)):
        pd.DataFrame({"what": ["vase"], "stock": [stock]}).to_parquet(tmp_path / "items" / f"{name}.parquet")
    items = {"path": f"{tmp_path}/items", "format": "parquet", "item_id": "what", "title": "what"}
    with pytest.raises(ContractError, match=r"^source.items.path: stock is double in items/a.parquet and boolean in"):
        ingest.run(context(spark, tmp_path, SECOND, source={"items": items}))
    assert not (tmp_path / "lake").exists()


def test_more_rows_in_trouble_than_the_bound_end_the_night(spark: SparkSession, tmp_path: Path) -> None:
    """T16: a mapping broke, 99 % went to quarantine, and the night might publish."""
    lines = [line(f"user{n}", "vase", day(1, n / 10) if n % 10 else "soon") for n in range(110)]
    made = context(spark, tmp_path, dt.date(2017, 1, 1))
    events = msgspec.structs.replace(made.config.source.events, max_quarantine=0.09)
    source = msgspec.structs.replace(made.config.source, event_log=events)
    bound = dataclasses.replace(made, config=msgspec.structs.replace(made.config, source=source))
    log(tmp_path, lines)
    with pytest.raises(ContractError) as error:
        ingest.run(bound)
    assert str(error.value).startswith(
        "source.events: 10.0% of 110 rows are no events, more than max_quarantine 9.0%; the commonest reason, in 11 "
        'rows: unreadable event_time, as in {"who":"...","what":"...","at":"soon"'
    )
    assert str(error.value).endswith("mend the mapping, or raise source.events.max_quarantine")
    assert not (tmp_path / "lake").exists()
    log(tmp_path, lines[1:100])  # 9 of 99: too few rows to judge by
    assert ingest.run(bound).metrics.quarantined == 9
    log(tmp_path, lines)
    rule = config.Rule(name="to come", when="at = 'soon'")  # the shop knows of them
    source = msgspec.structs.replace(source, event_log=msgspec.structs.replace(events, rules=[rule]))
    known = dataclasses.replace(made, config=msgspec.structs.replace(made.config, source=source))
    assert ingest.run(known).metrics.reasons == {"to come": 11, "unreadable event_time": 11}


def test_lines_behind_a_quote_that_is_never_closed_are_no_single_row(spark: SparkSession, tmp_path: Path) -> None:
    """They were one malformed row, of any number, and the days among them had no row."""
    lines = [line(f"user{n}", "vase", day(1, n / 10)) for n in range(200)]
    made = context(spark, tmp_path, dt.date(2017, 1, 1))
    log(tmp_path, [*lines[:80], '"' + lines[80], *lines[81:]])
    with pytest.raises(ContractError, match=r"^source.events: 119 lines lie in rows that cannot be parsed"):
        ingest.run(made)
    log(tmp_path, [*lines[:180], '"' + lines[180], *lines[181:]])
    with pytest.raises(
        ContractError, match=r"^source.events: 10.0% of 200 rows are no events, more than max_quarantine"
    ):
        ingest.run(made)
    log(tmp_path, [*lines[:198], '"' + lines[198], *lines[199:]])
    assert ingest.run(made).metrics.reasons["malformed row"] == 1


DATA = Path("../shared/data")


def real(spark: SparkSession, given: config.Config, date: dt.date, folder: Path) -> tuple[Context, StageResult]:
    made = Context(spark, given, date, Lake(spark, path=f"{folder}/lake"), Store(folder / "artifacts"))
    return made, ingest.run(made)


@pytest.mark.skipif(not DATA.exists(), reason="the data beside the project are not there: ../shared/data")
def test_the_cut_row_of_rees46_goes_to_quarantine(spark: SparkSession, tmp_path: Path) -> None:
    made, result = real(spark, config.load("conf/rees46.yaml"), dt.date(2019, 10, 1), tmp_path)
    assert result.metrics.rows_in == 17435
    assert result.metrics.reasons == {"malformed row": 1}
    (bad,) = made.lake.read("events_quarantine").collect()
    assert '"_corrupt_record":"2019-10-01 02:50:00 UTC,view,10900305' in bad.raw
    assert result.metrics.events + result.metrics.duplicates == 17434


@pytest.mark.skipif(not DATA.exists(), reason="the data beside the project are not there: ../shared/data")
def test_online_retail_says_why_each_row_is_no_event(spark: SparkSession, tmp_path: Path) -> None:
    made = config.load("conf/online_retail.yaml")
    (tmp_path / "log").mkdir()
    for day_ in (1, 2, 3):  # of 305
        shutil.copy(DATA / "online_retail" / f"2010-12-0{day_}.csv.gz", tmp_path / "log")
    place = f"{tmp_path}/log/*.csv.gz"
    events, items = (msgspec.structs.replace(one, path=place) for one in (made.source.events, made.source.items))
    few = msgspec.structs.replace(made, source=msgspec.structs.replace(made.source, event_log=events, items=items))
    _, result = real(spark, few, dt.date(2010, 12, 2), tmp_path)
    assert result.metrics.rows_in == result.metrics.events + result.metrics.duplicates + (result.metrics.quarantined)
    assert {"cancellation", "no user_id", "stock code is no goods"} <= set(result.metrics.reasons)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_the_tables_stay(spark: SparkSession, tmp_path: Path) -> None:
    import subprocess

    from recaug.errors import StorageError

    (tmp_path / "lake").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "small", f"{tmp_path}/lake"], check=False)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        log(tmp_path)
        lake = Lake(spark, path=f"{tmp_path}/lake")
        ingest.run(context(spark, tmp_path, SECOND))
        before = hashes(lake)
        log(tmp_path, [*LOG, *(line(f"user {n * 7919} {n}", f"{n * n}", day(2)) for n in range(20000))])
        with pytest.raises(StorageError, match=r"^table events[^\n]*: no space left on device; free some[^\n]*$"):
            ingest.run(context(spark, tmp_path, SECOND))
        assert hashes(lake) == before
    finally:
        subprocess.run(["umount", "--lazy", f"{tmp_path}/lake"], check=True)  # Spark closes the torn file when it likes
