"""A stage's record is found again as it was written, and a rerun replaces it."""

import dataclasses
import datetime as dt

import pytest
from pyspark.sql import Row

from recaug.lake.records import Asked, Records
from recaug.lake.runs import Attempt, RunRecord, attempts, before, begin, contents, find, history, record
from recaug.lake.tables import Lake
from recaug.results import Ingest, Prepare

INGEST = Ingest(
    rows_in=12,
    events=10,
    duplicates=0,
    quarantined=2,
    items=3,
    reasons={"user_id is null": 2},
    days=(None, "2017-03-04"),
)
PREPARE = Prepare(
    users=3, events=10, items=3, cold=1, rows={"train": 3}, covisitation=4, negatives=5, windows=["2017-03-01"]
)
RUN = RunRecord(
    run_id="2017-03-04-abc",
    event_date=dt.date(2017, 3, 4),
    stage="ingest",
    started=dt.datetime(2017, 3, 5, 1, 2, 3),
    finished=dt.datetime(2017, 3, 5, 1, 2, 4, 500000),
    metrics=INGEST,
    input_versions={"events": 3},
    inputs={"ingest": "def", "train, history": "abc"},
    reasons=["because"],
    config_hash="abc",
    content_hash="def",
    cpu_seconds=1.5,
    wall_seconds=1.0,
    peak_memory_mb=100.0,
    memory_mb={"driver": 80.5, "java": 100.0},
    shuffle_mb=2.5,
)


def test_a_record_comes_back_as_it_was(lake: Lake) -> None:
    record(lake, RUN)
    assert find(lake, RUN.event_date, "ingest") == RUN


def test_a_rerun_replaces_its_record_and_no_other(lake: Lake) -> None:
    later = dataclasses.replace(RUN, event_date=dt.date(2017, 3, 5))
    prepare = dataclasses.replace(RUN, stage="prepare", metrics=PREPARE)
    for run in (RUN, later, prepare, dataclasses.replace(RUN, content_hash="new")):
        record(lake, run)
    assert find(lake, RUN.event_date, "ingest").content_hash == "new"  # type: ignore[union-attr]
    assert find(lake, later.event_date, "ingest") == later
    assert find(lake, RUN.event_date, "prepare") == prepare
    assert [run.event_date for run in history(lake, "ingest")] == [RUN.event_date, later.event_date]


def test_records_are_read_anew_where_one_may_be_another_and_only_there(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(lake, RUN)
    assert find(lake, RUN.event_date, "ingest") == RUN
    attempt = Attempt("r", RUN.event_date, "ingest", RUN.started)
    begin(lake, attempt)  # which is no record
    with monkeypatch.context() as patch:
        patch.delattr(Lake, "read")
        assert find(lake, RUN.event_date, "ingest") == RUN
    others = Lake(lake.spark, lake.path)
    record(others, dataclasses.replace(RUN, content_hash="new"))
    begin(lake, attempt)
    assert find(lake, RUN.event_date, "ingest").content_hash == "new"  # type: ignore[union-attr]
    assert list(attempts(lake, RUN.event_date)) == ["ingest"]


def test_what_this_process_records_itself_is_not_read_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = dataclasses.replace(RUN, event_date=dt.date(2017, 3, 3))
    new = dataclasses.replace(RUN, content_hash="new")
    prepare = dataclasses.replace(RUN, stage="prepare", metrics=PREPARE)

    def asked() -> list[object]:
        nights = [find(lake, date, "ingest") for date in (earlier.event_date, RUN.event_date)]
        return [*nights, find(lake, RUN.event_date, "prepare"), history(lake, "ingest"), contents(lake)]

    def known(*runs: RunRecord) -> dict[tuple[str, dt.date], str | None]:
        return {(run.stage, run.event_date): run.content_hash for run in runs}

    record(lake, earlier)
    record(lake, RUN)
    assert asked() == [earlier, RUN, None, [earlier, RUN], known(earlier, RUN)]
    assert before(lake, dt.date(2017, 3, 5), "ingest", 1) == [RUN]
    record(lake, new)
    record(lake, prepare)
    with monkeypatch.context() as patch:
        patch.delattr(Lake, "read")
        assert asked() == [earlier, new, prepare, [earlier, new], known(earlier, new, prepare)]
    later = dt.date(2017, 3, 5)
    assert before(lake, later, "ingest", 1) == [new]
    record(lake, dataclasses.replace(RUN, event_date=later))
    assert before(lake, later, "ingest", 1) == [new]
    record(Lake(lake.spark, lake.path), RUN)  # another writer's
    record(lake, prepare)
    assert asked()[:3] == [earlier, RUN, prepare]
    assert [run.content_hash for run in history(lake, "ingest")] == ["def", "def", "def"]
    record(lake, dataclasses.replace(RUN, content_hash=None))  # known by its end, in words of Spark's
    assert contents(lake)["ingest", RUN.event_date] == "2017-03-05 01:02:04.5"


def test_where_another_writer_came_between_rows_are_read_anew() -> None:
    records, night = Records(), Asked("a night's", date=RUN.event_date)
    row = {"stage": "ingest", "event_date": RUN.event_date}
    assert records.rows(night, 1, lambda: []) == []
    records.carry(1, 3, RUN.event_date, "prepare", row | {"stage": "prepare"})
    assert records.rows(night, 3, lambda: [Row(**row)]) == [row]


def test_a_record_is_known_by_its_content_or_by_its_end(lake: Lake) -> None:
    assert contents(lake) == {}
    for run in (RUN, dataclasses.replace(RUN, stage="evaluate", content_hash=None)):
        record(lake, run)
    assert contents(lake) == {
        ("ingest", RUN.event_date): "def",
        ("evaluate", RUN.event_date): "2017-03-05 01:02:04.5",
    }


def test_what_never_ran_is_not_found(lake: Lake) -> None:
    assert find(lake, RUN.event_date, "ingest") is None
    assert history(lake, "ingest") == []
    record(lake, RUN)
    assert find(lake, RUN.event_date, "train") is None
