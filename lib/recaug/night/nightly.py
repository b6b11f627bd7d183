"""The night: the stages in order, each recorded in `runs`, and summary.json at the end."""

import datetime as dt
import json
from collections.abc import Callable, Iterable
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recaug.config import POLICY, STAGES, Config
from recaug.errors import ConfigError, RecaugError, StorageError
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.store import Store
from recaug.lake.tables import Lake, storage_error
from recaug.night import augment, evaluate, ingest, prepare, publish, recommend, report, train
from recaug.night.context import Context, StageResult
from recaug.night.cost import Cost

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
    "publish": ("candidate_events",),
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
        say(f"  {stage:<10} {done.wall_seconds:6.1f} s  {tell(stage, done)}")
    summary = summarise(context)
    if "report" in stages:
        from recaug.night.tracking import log_night

        log_night(context, summary)
        say(f"decision: {summary['decision']}: {'; '.join(summary['reasons'])}")
        say(f"report:   {context.folder.address('report/index.html')}")
    return summary


def _done(context: Context, stage: str, found: RunRecord | None, versions: dict[str, int]) -> bool:
    """Say whether `found`, what is recorded of the stage, is of the same configuration and inputs."""
    if found is None or found.config_hash != context.config.hash or found.input_versions != versions:
        return False
    return stage != "report" or context.folder.exists("report/index.html")


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


def summarise(context: Context) -> dict[str, Any]:
    """Write `<artifacts>/<date>/summary.json` from what `runs` holds of the night, as a whole."""
    found = runs.night(context.lake, context.date)
    records = {stage: found[stage] for stage in STAGES if stage in found}
    metrics = {stage: record.metrics for stage, record in records.items()}
    judged = metrics.get("evaluate", {})
    published = records.get("publish")
    chosen = judged.get("chosen")
    hashed = records.get("augment") if published is None or published.content_hash is None else published
    summary: dict[str, Any] = {
        "date": context.date.isoformat(),
        "run_id": context.run_id,
        "decision": published.decision if published else "none",
        "reasons": list(published.reasons) if published else ["the publish stage has not run"],
        "rows": {
            "in": metrics.get("ingest", {}).get("rows_in"),
            "events": metrics.get("ingest", {}).get("events", 0),
            "duplicates": metrics.get("ingest", {}).get("duplicates", 0),
            "quarantined": metrics.get("ingest", {}).get("quarantined", 0),
            "candidates": metrics.get("augment", {}).get("candidates", 0),
            "augmented": metrics.get("publish", {}).get("augmented", 0),
            "recommendations": metrics.get("recommend", {}).get("recommendations", 0),
        },
        "metrics": {arm: _short(values) for arm, values in judged.get("arms", {}).items()},
        "lift": judged.get("lift", {}).get(chosen, {}).get("overall", {"mean": None, "low": None, "high": None}),
        "chosen": chosen,
        "cpu_seconds": {stage: record.cpu_seconds for stage, record in records.items()},
        "wall_seconds": {stage: record.wall_seconds for stage, record in records.items()},
        "content_hash": hashed.content_hash if hashed else None,
    }
    context.folder.write("summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _short(arm: dict[str, Any]) -> dict[str, Any]:
    """Means of an arm: for all users, and under `cold` for the cold ones."""
    names = ("hr@10", "ndcg@10", "recall@20")
    short = {name: arm["overall"][name]["mean"] for name in names} | {"coverage": arm["catalogue"]["coverage@10"]}
    if "cold" in arm:
        short["cold"] = {name: arm["cold"][name]["mean"] for name in names}
    return short


def tell(stage: str, done: RunRecord) -> str:
    """Say in a line what a stage did."""
    metrics = done.metrics
    if stage == "evaluate":
        lifts = (
            f"{arm} {lift['overall']['mean']:+.1%} [{lift['overall']['low']:+.1%}, {lift['overall']['high']:+.1%}]"
            for arm, lift in metrics["lift"].items()
        )
        return f"{metrics['users']['overall']} users, {metrics['metric']} " + ", ".join(lifts)
    if stage == "train":
        return ", ".join(f"{name} {model['seconds']:.0f} s" for name, model in metrics["models"].items())
    counted = [f"{value:,} {key}" for key, value in metrics.items() if isinstance(value, int)]
    of_users = metrics.get(POLICY, {}).get("chosen", {})
    chosen = [f"{what} for {part} users" for part, of_part in of_users.items() for what in of_part.values()]
    return ", ".join(counted + chosen)


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
    """Give a night its tables and artifacts. Raises ConfigError where these are on a file system that a Store lacks."""
    artifacts = Store(config.artifacts)
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
