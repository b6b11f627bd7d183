"""The runs table: one row a stage of a night; what --resume and the report read."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.sql import functions as F

from recaug.lake.contracts import TABLES
from recaug.lake.tables import Lake
from recaug.results import METRICS, decode, encode

COLUMNS = [column.split()[0] for column in TABLES["runs"].columns.split(", ")]

CONTENT = "coalesce(content_hash, string(finished)) AS content"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One stage of one night: the columns of `runs`, see contracts.py.

    metrics: typed by stage (results.METRICS) here and JSON in the table. outputs: of Ledger.written; None where an
    earlier release has recorded none. content: what its readers know it by, see contents; of one that was read.
    started, finished: UTC, without a time zone. cpu_seconds: of all processes of the driver's machine that belong to
    the stage.
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
    content: str = field(default="", compare=False)


def record(lake: Lake, run: RunRecord) -> None:
    """Write a stage's row; the same stage of the same night is replaced."""
    values = asdict(run) | {
        "reasons": list(run.reasons),
        "metrics": encode(run.metrics),
        "started": _utc(run.started),
        "finished": _utc(run.finished),
    }
    row = tuple(values[column] for column in COLUMNS)
    rows = lake.spark.createDataFrame([row], TABLES["runs"].columns).coalesce(1)
    lake.write(rows, "runs", {"event_date": run.event_date, "stage": run.stage}, {"run_id": run.run_id})


def find(lake: Lake, date: dt.date, stage: str) -> RunRecord | None:
    """Give what is recorded of a stage of a night; None where it never finished."""
    if not lake.exists("runs"):
        return None
    records = _records(lake, f"event_date = DATE'{date.isoformat()}' AND stage = '{stage}'")
    return records[0] if records else None


def night(lake: Lake, date: dt.date) -> dict[str, RunRecord]:
    """Give what is recorded of a night, by stage; empty where nothing is."""
    if not lake.exists("runs"):
        return {}
    return {run.stage: run for run in _records(lake, f"event_date = DATE'{date.isoformat()}'")}


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
    return _records(lake, f"stage = '{stage}'") if lake.exists("runs") else []


def contents(lake: Lake) -> dict[tuple[str, dt.date], str]:
    """Give the content hash of every record by stage and night; where the stage has none, when it ended."""
    if not lake.exists("runs"):
        return {}
    rows = lake.read("runs").selectExpr("stage", "event_date", CONTENT).collect()
    return {(row["stage"], row["event_date"]): row["content"] for row in rows}


def latest(lake: Lake, stage: str) -> tuple[dt.date | None, dt.date | None]:
    """Give the newest night that any stage has recorded, and the night that a stage was last run for."""
    if not lake.exists("runs"):
        return None, None
    last = F.max_by("event_date", F.when(F.col("stage") == stage, F.col("finished")))
    row = lake.read("runs").agg(F.max("event_date"), last).first()
    assert row is not None
    return row[0], row[1]


def _records(lake: Lake, condition: str) -> list[RunRecord]:
    """Read records, by date. Timestamps leave Spark as epoch seconds, since the driver's own time zone may differ."""
    table = lake.read("runs").where(condition)
    absent = [f"NULL AS {column}" for column in COLUMNS if column not in table.columns]  # of an earlier release
    times = [f"double({column}) AS {column}" for column in ("started", "finished")]
    others = [column for column in COLUMNS if column in table.columns and column not in ("started", "finished")]
    rows = table.selectExpr(*others, *times, *absent, CONTENT).collect()
    records = []
    for row in sorted(rows, key=lambda row: row["event_date"]):
        values = row.asDict()
        for column in ("started", "finished"):
            values[column] = dt.datetime.fromtimestamp(values[column], dt.UTC).replace(tzinfo=None)
        records.append(RunRecord(**(values | {"metrics": decode(values["metrics"], METRICS[values["stage"]])})))
    return records


def _utc(moment: dt.datetime) -> dt.datetime:
    """Mark a moment without a zone as UTC, which Spark would take as the driver's local time."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
