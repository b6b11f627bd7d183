"""The night: the stages in order, each recorded in `runs`, and summary.json at the end."""

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recaug.config import STAGES, Config
from recaug.errors import ConfigError, RecaugError, StorageError
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.tables import Lake, storage_error
from recaug.night import augment, evaluate, ingest, prepare, publish, recommend, report, train
from recaug.night.context import Context, StageResult
from recaug.night.cost import Cost
from recaug.night.summary import summarise, tell

RUN: dict[str, Callable[[Context], StageResult]] = {
    "ingest": ingest.run,
    "prepare": prepare.run,
    "train": train.run,
    "augment": augment.run,
    "evaluate": evaluate.run,
    "publish": publish.run,
    "recommend": recommend.run,
    "report": report.run,
}

# The tables that each stage reads: their versions decide whether --resume may skip it.
READS: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "prepare": ("events",),
    "train": ("sequences", "vocabulary", "covisitation", "items"),
    "augment": ("sequences", "vocabulary", "covisitation", "items", "item_latents", "negatives", "item_features"),
    "evaluate": (
        "sequences",
        "vocabulary",
        "covisitation",
        "negatives",
        "user_features",
        "item_features",
        "items",
        "completed_attributes",
        "item_latents",
        "candidate_events",
    ),
    "publish": ("sequences", "vocabulary", "candidate_events"),
    "recommend": ("sequences", "vocabulary", "items"),
    "report": ("events", "items", "candidate_events", "recommendations"),
}


def run_night(
    config: Config,
    date: dt.date,
    spark: SparkSession,
    stages: Iterable[str] = STAGES,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run the stages of one night and write summary.json. Returns the summary.

    resume: skip a stage that `runs` shows as done with the same configuration and input versions.
    Raises a RecaugError; the tables are then as the finished stages left them.
    """
    context = night_context(config, date, spark)
    say(f"night of {date}, run {context.run_id}")
    recorded = runs.night(context.lake, date) if resume else {}
    held: dict[str, int | None] = {}  # versions as they are until a stage has run
    for stage in stages:
        held |= {name: context.lake.version(name) for name in READS[stage] if name not in held}
        versions = {name: version for name in READS[stage] if (version := held[name]) is not None}
        if _done(context, stage, recorded.get(stage), versions):
            say(f"  {stage:<10} done before, skipped")
            continue
        done = run_stage(context, stage, RUN[stage], versions)
        held = {}
        say(f"  {stage:<10} {done.wall_seconds:6.1f} s  {tell(done)}")
    summary = summarise(context)
    if "report" in stages:
        from recaug.night.tracking import log_night

        log_night(context, summary)
        say(f"decision: {summary['decision']}: {'; '.join(summary['reasons'])}")
        say(f"report:   {(context.folder / 'report' / 'index.html').resolve()}")
    return summary


def _done(context: Context, stage: str, found: RunRecord | None, versions: dict[str, int]) -> bool:
    """Say whether `found`, what is recorded of the stage, is of the same configuration and inputs."""
    if found is None or found.config_hash != context.config.hash or found.input_versions != versions:
        return False
    return stage != "report" or (context.folder / "report" / "index.html").exists()


def run_stage(
    context: Context, stage: str, run: Callable[[Context], StageResult], versions: dict[str, int]
) -> RunRecord:
    """Run a stage, measure it, record it; its models go to MLflow."""
    started = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    with Cost(context.spark) as cost, one_line_errors(stage):
        result = run(context)
    record = RunRecord(
        run_id=context.run_id,
        event_date=context.date,
        stage=stage,
        started=started,
        finished=dt.datetime.now(dt.UTC).replace(tzinfo=None),
        decision=result.decision,
        reasons=list(result.reasons),
        metrics=result.metrics,
        input_versions=versions,
        config_hash=context.config.hash,
        content_hash=result.content_hash,
        cpu_seconds=round(cost.cpu_seconds, 2),
        wall_seconds=round(cost.wall_seconds, 2),
        peak_memory_mb=round(cost.peak_memory_mb, 1),
    )
    with one_line_errors(stage):
        runs.record(context.lake, record)
    if result.trained:
        from recaug.night.tracking import log_training  # here, for MLflow takes a second to import

        log_training(context, result.trained)
    return record


class one_line_errors:
    """Turn what Spark, the JVM and the file system raise inside a stage into a RecaugError of one line."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):  # of the Java process, to cli.py
            raise StorageError(f"{self.stage}: {error.filename or 'artifacts'}: {error.strerror}") from error
        if isinstance(error, (PySparkException, Py4JError)):
            told = storage_error(error, self.stage)
            if isinstance(told, RecaugError):
                raise told from error


def plan(config: Config, date: dt.date, spark: SparkSession, stages: Iterable[str]) -> list[str]:
    """Say what a night would do, one line each, and touch nothing."""
    context = night_context(config, date, spark)
    held = {name: context.lake.version(name) for names in READS.values() for name in names}
    source = config.source.events
    late = f", and what came late for the {source.late_days} days before" if source.late_days else ""
    return [
        f"night of {date}, run {context.run_id}",
        f"source: {source.path} ({source.format}), {ingest.estimate(context):,} rows to ingest{late}",
        f"lake: {config.lake.path or config.lake.catalog}; artifacts: {config.artifacts}",
        *(
            f"{stage}: reads {', '.join(_version(name, held[name]) for name in READS[stage]) or 'the source'}"
            for stage in stages
        ),
    ]


def night_context(config: Config, date: dt.date, spark: SparkSession) -> Context:
    """Give a night its tables and folders."""
    artifacts = Path(config.artifacts).absolute()  # the executors of a cluster run in folders of their own
    return Context(spark, config, date, Lake(spark, config.lake.path, config.lake.catalog), artifacts)


def _version(name: str, version: int | None) -> str:
    return f"{name} (not there yet)" if version is None else f"{name} (version {version})"


def parse_stages(text: str | None) -> list[str]:
    """Read --stages; they run in the order of the night, whatever the order given."""
    if text is None:
        return list(STAGES)
    asked = [stage.strip() for stage in text.split(",")]
    if unknown := [stage for stage in asked if stage not in STAGES]:
        raise ConfigError(f"--stages names {', '.join(unknown)}; the stages are {', '.join(STAGES)}")
    return [stage for stage in STAGES if stage in asked]
