"""The runs table: one row a stage of a night; what --resume and the report read."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from recaug.config.secrets import hide
from recaug.lake.contracts import TABLES
from recaug.lake.literals import literal_rows
from recaug.lake.records import Asked
from recaug.lake.tables import Lake
from recaug.results import METRICS, Result, decode, encode

ATTEMPT = ".attempt"  # behind a stage's name: a row that says that it was started, or failed
FINISHED = f"stage NOT LIKE '%{ATTEMPT}'"
COLUMNS = [column.split()[0] for column in TABLES["runs"].columns.split(", ")]

CONTENT = "coalesce(content_hash, string(finished)) AS content"
KNOWN_BY = ("stage", "event_date", CONTENT)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One stage of one night: the columns of `runs`, see contracts.py.

    metrics: typed by stage (results.METRICS) here and JSON in the table. outputs: of Ledger.written; None where an
    earlier release has recorded none. content: what its readers know it by, see contents; of one that was read.
    started, finished: UTC, without a time zone. cpu_seconds: of all processes of the driver's machine that belong to
    the stage. memory_mb, shuffle_mb: see night/cost.py; None where an earlier release has recorded none.
    """

    run_id: str
    event_date: dt.date
    stage: str
    started: dt.datetime
    finished: dt.datetime
    decision: str = "none"
    reasons: list[str] = field(default_factory=list)
    metrics: Any
    input_versions: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] | None = field(default_factory=dict)
    config_hash: str
    content_hash: str | None = None
    cpu_seconds: float
    wall_seconds: float
    peak_memory_mb: float
    memory_mb: dict[str, float] | None = field(default_factory=dict)
    shuffle_mb: float | None = 0.0
    content: str = field(default="", compare=False)


@dataclass(frozen=True)
class Attempt:
    """A stage of a night that was begun: its state is `done`, `started` (it runs, or was killed) or `failed`."""

    run_id: str
    event_date: dt.date
    stage: str
    started: dt.datetime
    state: str = "started"
    reason: str | None = None


def begin(lake: Lake, attempt: Attempt) -> None:
    """Write that a stage was started, beside the record of its last run: one more row of `<stage>.attempt`."""
    _attempt(lake, attempt, "started", [])


def fail(lake: Lake, attempt: Attempt, reason: str) -> None:
    """Write that a stage failed, and why."""
    _attempt(lake, attempt, "failed", [reason])


def _attempt(lake: Lake, attempt: Attempt, decision: str, reasons: list[str]) -> None:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    row = RunRecord(
        run_id=attempt.run_id,
        event_date=attempt.event_date,
        stage=f"{attempt.stage}{ATTEMPT}",
        started=attempt.started,
        finished=now,
        decision=decision,
        reasons=reasons,
        metrics=Result(),
        config_hash="",
        cpu_seconds=0.0,
        wall_seconds=(now - attempt.started).total_seconds(),
        peak_memory_mb=0.0,
    )
    before = lake.version("runs")
    lake.whole.records.carry(before, lake.append(_row(lake, row), "runs", {"run_id": row.run_id}))


def attempts(lake: Lake, date: dt.date) -> dict[str, Attempt]:
    """Give the last attempt of each stage of a night; it is done where the stage's record began with it or later."""
    done, begun = night(lake, date), {}
    if not lake.exists("runs"):
        return {}
    condition = f"event_date = DATE'{date.isoformat()}' AND stage LIKE '%{ATTEMPT}'"
    rows = lake.read("runs").where(condition).selectExpr("*", "double(started) AS began").orderBy("finished")
    for row in rows.collect():
        stage, began = row["stage"].removesuffix(ATTEMPT), dt.datetime.fromtimestamp(row["began"], dt.UTC)
        started = began.replace(tzinfo=None)
        is_done = stage in done and done[stage].started >= started
        reason = next(iter(row["reasons"]), None)
        state = "done" if is_done else row["decision"]
        begun[stage] = Attempt(row["run_id"], date, stage, started, state, None if is_done else reason)
    return begun


def record(lake: Lake, run: RunRecord) -> None:
    """Write a stage's row; the same stage of the same night is replaced."""
    slice_, before = {"event_date": run.event_date, "stage": run.stage}, lake.version("runs")
    after = lake.write(_row(lake, run), "runs", slice_, {"run_id": run.run_id})
    lake.whole.records.carry(before, after, run.event_date, run.stage, _added(run))


def _row(lake: Lake, run: RunRecord) -> DataFrame:
    values = _values(run)
    return literal_rows(lake.spark, [[values[column] for column in COLUMNS]], TABLES["runs"].columns)


def _values(run: RunRecord) -> dict[str, Any]:
    return asdict(run) | {
        "reasons": [hide(reason) for reason in run.reasons],
        "metrics": hide(encode(run.metrics)),
        "started": _utc(run.started),
        "finished": _utc(run.finished),
    }


def _added(run: RunRecord) -> dict[str, Any] | None:
    """What a record is read as; None without a content hash: it is known by its end then, in words of Spark's."""
    values = _values(run)
    moments = {column: values[column].timestamp() for column in ("started", "finished")}
    return values | moments | {"content": run.content_hash} if run.content_hash is not None else None


def find(lake: Lake, date: dt.date, stage: str) -> RunRecord | None:
    """Give what is recorded of a stage of a night; None where it never finished."""
    return night(lake, date).get(stage)


def night(lake: Lake, date: dt.date) -> dict[str, RunRecord]:
    """Give what is recorded of a night, by stage; empty where nothing is."""
    if not lake.exists("runs"):
        return {}
    return {run.stage: run for run in _records(lake, Asked(f"event_date = DATE'{date.isoformat()}'", date=date))}


def consistent(lake: Lake, date: dt.date, order: Iterable[str]) -> dict[str, RunRecord]:
    """Give what is recorded of a night, without the stages that read another result of a stage than is there now.

    order: of the stages. A record of a stage that another read before it was made anew with other content counts for
    nothing, nor does what follows from it.
    """
    records, kept, stages = night(lake, date), dict[str, RunRecord](), list(order)
    for name in stages:
        record = records.get(name)
        if record is None:
            continue
        reads = {stage: content for stage, content in record.inputs.items() if stage in stages}
        if all(stage in kept and kept[stage].content == content for stage, content in reads.items()):
            kept[name] = record
    return kept


def history(lake: Lake, stage: str) -> list[RunRecord]:
    """Give every night's record of a stage, by date."""
    return _records(lake, Asked(f"stage = '{stage}'", stage=stage)) if lake.exists("runs") else []


def all_records(lake: Lake) -> list[RunRecord]:
    """Give every record of every night and study, by date."""
    return _records(lake, Asked("true")) if lake.exists("runs") else []


def before(lake: Lake, date: dt.date, stage: str, nights: int) -> list[RunRecord]:
    """Give the records of a stage of the last nights before a date, by date."""
    days = sorted(day for name, day in contents(lake) if name == stage and day < date)[-nights:]
    if not days:
        return []
    some = f"stage = '{stage}' AND event_date BETWEEN DATE'{days[0].isoformat()}' AND DATE'{days[-1].isoformat()}'"
    return _records(lake, Asked(some, stage=stage, part=True))


def contents(lake: Lake) -> dict[tuple[str, dt.date], str]:
    """Give the content hash of every record by stage and night; where the stage has none, when it ended."""
    if not lake.exists("runs"):
        return {}

    def collect() -> list[Row]:
        return lake.read("runs").where(FINISHED).selectExpr(*KNOWN_BY).collect()

    rows = lake.whole.records.rows(Asked("contents"), lake.version("runs"), collect)
    return {(row["stage"], row["event_date"]): row["content"] for row in rows}


def latest(lake: Lake, stage: str) -> tuple[dt.date | None, dt.date | None]:
    """Give the newest night that any stage has recorded, and the night that a stage was last run for."""
    if not lake.exists("runs"):
        return None, None
    last = F.max_by("event_date", F.when(F.col("stage") == stage, F.col("finished")))
    row = lake.read("runs").where(FINISHED).agg(F.max("event_date"), last).first()
    assert row is not None
    return row[0], row[1]


def _records(lake: Lake, asked: Asked) -> list[RunRecord]:
    """Read records, by date. Timestamps leave Spark as epoch seconds, since the driver's own time zone may differ."""

    def collect() -> list[Row]:
        table = lake.read("runs").where(f"({asked.condition}) AND {FINISHED}")
        absent = [f"NULL AS {column}" for column in COLUMNS if column not in table.columns]  # of an earlier release
        times = [f"double({column}) AS {column}" for column in ("started", "finished")]
        others = [column for column in COLUMNS if column in table.columns and column not in ("started", "finished")]
        return table.selectExpr(*others, *times, *absent, CONTENT).collect()

    records = []
    for row in sorted(lake.whole.records.rows(asked, lake.version("runs"), collect), key=lambda row: row["event_date"]):
        values = dict(row)
        for column in ("started", "finished"):
            values[column] = dt.datetime.fromtimestamp(values[column], dt.UTC).replace(tzinfo=None)
        records.append(RunRecord(**(values | {"metrics": decode(values["metrics"], METRICS[values["stage"]])})))
    return records


def _utc(moment: dt.datetime) -> dt.datetime:
    """Mark a moment without a zone as UTC, which Spark would take as the driver's local time."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
