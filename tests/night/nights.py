"""A small shop's log and nights over it, for the tests of ingest and prepare."""

import datetime as dt
from pathlib import Path
from typing import Any

from deltalake import DeltaTable, QueryBuilder
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from pyspark.sql import SparkSession
from tests.conftest import shipped

from recaug.config import convert
from recaug.lake.runs import RunRecord, record
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context, StageResult
from recaug.night.nightly import StageInputs
from recaug.night.stage import NIGHT as NIGHTS_STAGES
from recaug.night.stage import sections_hash
from recaug.night.tracking import FOLDER, NIGHT

FIRST = dt.date(2017, 1, 1)
HEAD = "who,what,at,how,cost\n"


def line(user: str, item: str, at: dt.datetime | str, how: str = "buy", cost: object = 1) -> str:
    """Write a line of the log."""
    return f"{user},{item},{at},{how},{cost}\n"


def day(number: int, hour: float = 12) -> dt.datetime:
    """Give an hour of a day of the log, which begins with day 1."""
    return dt.datetime.combine(FIRST, dt.time()) + dt.timedelta(days=number - 1, hours=hour)


def context(spark: SparkSession, folder: Path, date: dt.date, **changes: Any) -> Context:
    """Make a night of `date` over the log in `folder`/log, with changes to the sections of the demo's configuration."""
    given = shipped("weeks") | {"covisitation": {}}  # test_counting chooses among the ways of counting
    given["source"] = {
        "events": {
            "path": f"{folder}/log",
            "format": "csv",
            "options": {"header": "true"},
            "columns": {"user_id": "who", "item_id": "what", "event_time": "at", "event_type": "how", "price": "cost"},
            "event_types": {"buy": "purchase"},
            "robots": {"max_events_per_day": 50, "max_events_per_minute": 20},
            "session_gap_minutes": 30,
        }
    }
    for section, keys in changes.items():
        given[section] = given[section] | keys if keys is not None else None
    config = convert(given)
    return Context(spark, config, date, Lake(spark, path=f"{folder}/lake"), Store(folder / "artifacts"))


def logged(artifacts: Path) -> dict[str, set[str]]:
    """MLflow's runs: the name of a night's -> those of the models below it."""
    client = MlflowClient((artifacts / FOLDER).resolve().as_uri())
    found = [run for one in client.search_experiments() for run in client.search_runs([one.experiment_id])]
    nights = {run.info.run_id: run.info.run_name for run in found if NIGHT in run.data.tags}
    below = {name: set[str]() for name in nights.values()}
    for run in found:
        if (parent := run.data.tags.get(MLFLOW_PARENT_RUN_ID)) is not None:
            assert "loss" in run.data.metrics or "loss_generator" in run.data.metrics
            below[nights[parent]].add(run.info.run_name)
    return below


def rows_of(folder: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table of the lake in `folder`/lake, as another reader than Spark finds them."""
    found = QueryBuilder().register("t", DeltaTable(f"{folder}/lake/{table}")).execute("SELECT * FROM t").read_all()
    columns = [found.column(name).to_pylist() for name in found.column_names]
    return [dict(zip(found.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def note(night: Context, stage: str, result: StageResult, inputs: StageInputs | None = None) -> None:
    """Record a stage as nightly.py does, of these inputs."""
    now = dt.datetime(2017, 1, 1)
    run = RunRecord(
        run_id=night.run_id,
        event_date=night.date,
        stage=stage,
        started=now,
        finished=now,
        decision=result.decision,
        reasons=list(result.reasons),
        metrics=result.metrics,
        config_hash=sections_hash(NIGHTS_STAGES[stage], night.config) if stage in NIGHTS_STAGES else night.config.hash,
        content_hash=result.content_hash,
        input_versions=inputs.versions if inputs else {},
        inputs=inputs.records if inputs else {},
        cpu_seconds=0.0,
        wall_seconds=0.0,
        peak_memory_mb=0.0,
    )
    record(night.lake, run)
