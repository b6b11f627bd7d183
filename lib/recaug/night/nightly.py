"""The night: the stages in order, each recorded in `runs`, and summary.json at the end."""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.errors import ContractError
from recaug.generators.accounting import check_accountant
from recaug.lake import runs
from recaug.lake.contracts import TABLES
from recaug.lake.disks import check
from recaug.lake.lease import NIGHT as NIGHT_WORK
from recaug.lake.lease import hold
from recaug.lake.pseudonyms import Pseudonyms
from recaug.lake.runs import RunRecord
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import augment, evaluate, ingest, prepare, publish, recommend, refit, report, train
from recaug.night.budget import spent_up
from recaug.night.context import Context, StageResult
from recaug.night.cost import Cost
from recaug.night.failures import one_line_errors
from recaug.night.monitor import Monitor, Say, Voice
from recaug.night.provenance import CODE, check_inputs, intact
from recaug.night.search import stage as search
from recaug.night.stage import NIGHT, Stage, sections_hash
from recaug.night.story import decided
from recaug.night.summary import under_way
from recaug.night.unusual import with_warnings
from recaug.report.privacy import UNKEYED
from recaug.training.launch import stand_ins
from recaug.training.wholeness import sources_hash

RUN: dict[str, Callable[[Context], StageResult]] = {
    "ingest": ingest.run,
    "prepare": prepare.run,
    "train": train.run,
    "augment": augment.run,
    "evaluate": evaluate.run,
    "refit": refit.run,
    "publish": publish.run,
    "recommend": recommend.run,
    "search": search.run,
    "report": report.run,
}

AFTER_HOLD = ("publish", "report")  # what is made of a night that its budget ends


class StageInputs(NamedTuple):
    """What decides a stage: the same inputs, the same results.

    config_hash: of its sections. versions: of the tables that it reads. records: what the records that it reads
    contain, see the table runs.
    """

    config_hash: str
    versions: dict[str, int]
    records: dict[str, str]


def run_night(
    config: Config,
    date: dt.date,
    spark: SparkSession,
    stages: Iterable[str] | None = None,
    resume: bool = False,
    say: Say | Voice = print,
) -> dict[str, Any]:
    """Run the stages of one night and write summary.json. Returns the summary.

    stages: None: those of the configuration's tasks. resume: skip a stage that `runs` shows as done with the same
    inputs. say: takes the lines for people, or a Voice.
    Raises a RecaugError; the tables are then as the finished stages left them, and the summary says what ended it.
    """
    context, stages = night_context(config, date, spark), config.stages if stages is None else stages
    monitor = Monitor(context, say)
    monitor.voice.say(f"night of {date}, run {context.run_id}")
    for line in (*([UNKEYED] if config.privacy.key is None else []), *stand_ins(config.training)):
        monitor.voice.say(f"  {line}")
    with held(context, f"{NIGHT_WORK}{date}"):
        summary = under_way(context, partial(_run_stages, context, stages, resume, monitor))
    if "report" in stages:
        from recaug.night.tracking import log_night

        log_night(context, summary)
        for line in decided(summary):
            monitor.voice.say(line)
        monitor.voice.say(f"report:   {context.folder.address('report/index.html')}")
    monitor.ended(summary)
    return summary


def _run_stages(context: Context, stages: Iterable[str], resume: bool, monitor: Monitor) -> None:
    """Run the stages in turn, each unless it is done."""
    recorded = runs.night(context.lake, context.date) if resume else {}
    versions: dict[str, int | None] = {}  # as they are until a stage has run
    over: str | None = None  # why the rest of the night is left out
    for name in stages:
        inputs = inputs_of(context, NIGHT[name], versions)
        if over is None and is_done(context, recorded.get(name), inputs):
            monitor.skipped(name)
            continue
        if over is None and (over := spent_up(context, name)) is not None:
            monitor.warn(f"{over}; {name} and what follows is left out")
        if over is not None and name not in AFTER_HOLD:
            continue
        with monitor.stage(name):
            run = RUN[name] if over is None or name != "publish" else partial(publish.hold, reasons=(over,))
            record = run_stage(context, NIGHT[name], run, inputs)
        versions.clear()
        monitor.finished(record)


def check_order(context: Context, stages: Collection[str], again: bool) -> None:
    """Raise ContractError where the lake holds a later night, unless it is made again, or another night's sequences."""
    newest, prepared = runs.latest(context.lake, "prepare")
    if newest is not None and newest > context.date and not again:
        raise ContractError(
            f"the lake holds the night of {newest}, later than {context.date}; begin with that one, or make this one "
            "anew with --again"
        )
    own = NIGHT["prepare"].writes
    readers = [stage for stage in stages if not set(own).isdisjoint(NIGHT[stage].reads)]
    if readers and "prepare" not in stages and prepared not in (None, context.date):
        raise ContractError(f"{readers[0]}: the sequences are those of {prepared}; run prepare of {context.date} first")


def inputs_of(context: Context, stage: Stage, versions: dict[str, int | None] | None = None) -> StageInputs:
    """Look up what decides a stage now. versions: of tables, where they are known; those of other tables are added."""
    known = {} if versions is None else versions
    known |= {table: context.lake.version(table) for table in stage.reads if table not in known}
    held = {table: version for table in stage.reads if (version := known[table]) is not None}
    recorded = runs.night(context.lake, context.date)
    records = {name: recorded[name].content for name in stage.needs if name in recorded}
    contents = runs.contents(context.lake) if stage.history else {}
    if context.lake.pseudonyms.fingerprint and any(TABLES[table].names for table in stage.reads):
        records["key"] = context.lake.pseudonyms.fingerprint
    for name in stage.history:
        others = ((day, content) for (other, day), content in contents.items() if other == name and day <= context.date)
        nights = [f"{day} {content}" for day, content in sorted(others) if (name, day) != (stage.name, context.date)]
        if nights:
            records[f"{name}, history"] = hashlib.sha256("\n".join(nights).encode()).hexdigest()[:16]
    return StageInputs(sections_hash(stage, context.config), held, records)


def is_done(context: Context, record: RunRecord | None, inputs: StageInputs) -> bool:
    """Say whether a stage's record, None where there is none, is of these inputs, and what it wrote is there unchanged.

    Of ingest, also whether the source has the files that it had.
    """
    if record is None:
        return False
    named = {name: content for name, content in record.inputs.items() if name != CODE}
    if StageInputs(record.config_hash, record.input_versions, named) != inputs or intact(context, record):
        return False
    return record.stage != "ingest" or ingest.seen_now(context) == record.metrics.seen


def run_stage(
    context: Context, stage: Stage, run: Callable[[Context], StageResult], inputs: StageInputs | None = None
) -> RunRecord:
    """Run a stage on what it declares, measure it, record it; its models go to MLflow."""
    config_hash, versions, records = inputs or inputs_of(context, stage)
    started = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    view = context.of_stage(stage)
    with Cost(context.spark) as cost, one_line_errors(stage.name):
        check_inputs(context, stage)
        result = run(view)
    record = RunRecord(
        run_id=context.run_id,
        event_date=context.date,
        stage=stage.name,
        started=started,
        finished=dt.datetime.now(dt.UTC).replace(tzinfo=None),
        decision=result.decision,
        reasons=list(result.reasons),
        metrics=with_warnings(context, stage.name, result.metrics),
        input_versions=versions,
        inputs=records | {CODE: sources_hash()},
        outputs=view.lake.ledger.written,
        config_hash=config_hash,
        content_hash=result.content_hash,
        cpu_seconds=round(cost.cpu_seconds, 2),
        wall_seconds=round(cost.wall_seconds, 2),
        peak_memory_mb=round(cost.peak_memory_mb, 1),
        memory_mb={kind: round(most, 1) for kind, most in cost.memory_mb.items()},
        shuffle_mb=round(cost.shuffle_mb, 1),
    )
    with one_line_errors(stage.name):
        runs.record(context.lake, record)
    if result.trained:
        from recaug.night.tracking import log_training  # here, for MLflow takes a second to import

        log_training(context, result.trained)
    return record


def held(context: Context, work: str) -> AbstractContextManager[None]:
    """Hold the context's lake for some work. Raises LakeHeldError where another job writes it; see lake.lease."""
    settings = context.config.lake
    return hold(context.lake, work, settings.lease_seconds, settings.wait_seconds)


def night_context(config: Config, date: dt.date, spark: SparkSession) -> Context:
    """Give a night its tables and artifacts.

    Raises ConfigError where these are on a file system that a Store lacks, there is no key where one is named, or
    nothing that adds up what privacy is spent;
    StorageError where it lets nobody in.
    """
    artifacts = Store(config.artifacts)
    for place in (artifacts.root, config.lake.path):
        if place is not None:
            check(place)
    check_accountant(config.privacy)
    pseudonyms = Pseudonyms(config.privacy.secret)
    return Context(spark, config, date, Lake(spark, config.lake.path, config.lake.catalog, pseudonyms), artifacts)
