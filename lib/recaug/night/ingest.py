"""Stage 1: the source's rows that the lake does not hold yet become events, or go to quarantine with their reasons."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from recaug.clickstream import intake
from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.days import Days, IntakePlan, of_days, plan_days
from recaug.clickstream.failures import reading
from recaug.clickstream.intake import Held, Intake
from recaug.clickstream.items import named_by_events
from recaug.clickstream.mapping import map_events
from recaug.clickstream.source import read_records, read_source, rows_of
from recaug.clickstream.warnings import warn_of_late, warn_of_rows
from recaug.errors import ContractError, NoRowsError
from recaug.lake.runs import RunRecord
from recaug.lake.tombstones import ignore_erased
from recaug.night.catalogue import read_items, read_users
from recaug.night.context import Context, StageResult
from recaug.night.search.tables import read_searches, searches_seen, write_searches
from recaug.night.sources import Looked, look, remember
from recaug.results import Ingest


class Written(NamedTuple):
    """Rows of the slices as they were written."""

    events: int
    quarantined: int
    items: int


def run(context: Context) -> StageResult:
    """Write the night's events and, where there is source.search, its searches; of a shop without a log of events none.

    Raises ContractError, and writes nothing, where either cannot be read as the YAML says.
    """
    take = take_events if context.config.source.event_log is not None else take_catalogue
    with read_searches(context) as searches:  # what is wrong with them shows before anything is written
        if take is take_catalogue and isinstance(searches, NoRowsError):
            raise searches
        result = take(context)
        assert isinstance(result.metrics, Ingest)
        found, warnings = write_searches(context, searches)
    warned = (*result.metrics.warnings, *warnings)
    seen = result.metrics.seen + searches_seen(context)
    return replace(result, metrics=msgspec.structs.replace(result.metrics, searches=found, seen=seen, warnings=warned))


def take_catalogue(context: Context) -> StageResult:
    """Write the items of a shop that has no log of events, and nothing else."""
    items = read_items(context)
    assert items is not None  # source.search without source.events needs it
    commit = context.lake.replace(items, "items", {}, context.run_id)
    items.unpersist()
    nothing = Ingest(
        rows_in=0,
        events=0,
        duplicates=0,
        quarantined=0,
        items=commit.rows,
        reasons={},
        days=(None, context.date.isoformat()),
    )
    return StageResult(nothing, commit.content_hash)


def take_events(context: Context) -> StageResult:
    """Write the night's events, events_quarantine and the items, and what it knows of the source's files.

    The night takes what lies after the last recorded ingest night before its date D, up to the end of D; a first night
    takes the whole history. A rerun takes the same rows and replaces what it wrote. Of the late_days before, it takes
    the rows that the lake does not hold, and leaves all others as they are. Rows of erased users are ignored.
    Raises ContractError, and writes nothing, where D has no row or no row is an event.
    """
    lake, source, nights = context.lake, context.config.source.events, context.history("ingest")
    plan = _days(context, nights)
    known = _columns(context, nights)
    looked = look(context, plan, known)
    mapped, columns = _mapped(context, looked, plan.read)  # what is wrong with the source shows here, not the lake's
    with reading(source, "source.events"):
        rows = intake.mark_rows(mapped, source)
    items = people = None
    try:
        held = Held(*(lake.own(name) if lake.exists(name) else None for name in ("events", "events_quarantine")))
        taken = intake.take_rows(ignore_erased(lake, rows), plan, held, source)
        _check_whole(context, looked, plan, taken)
        late = _too_late(context, looked, held)
        said = (*looked.missing, *warn_of_late(late, plan, source), *_unusual(context, nights, taken.counts.last_day))
        written, items, people = {"event_date": taken.written}, read_items(context), read_users(context)  # all is read
        quarantine = lake.replace(taken.quarantine, "events_quarantine", written, context.run_id)
        events = lake.replace(taken.events, "events", written, context.run_id)
        if items is None:
            items = named_by_events(of_days(lake.own("events"), None, context.date))
        catalogued = lake.replace(items, "items", {}, context.run_id)
        if people is not None:
            lake.replace(people, "user_attributes", {}, context.run_id)
        if all(night.event_date <= context.date for night in nights):  # else the newest is to see them as new ones
            remember(context, looked)  # last: what a crash has cut short is new to the next run
    finally:
        for read in (rows, items, people):
            if read is not None:
                read.unpersist()
    written_rows = Written(events.rows, quarantine.rows, catalogued.rows)
    counted = _counted(taken, plan, looked, written_rows, late, said)
    of_logs = {key: schema.json() for key, schema in {**known, **columns}.items()}
    return StageResult(msgspec.structs.replace(counted, columns=of_logs), events.content_hash)


def _columns(context: Context, nights: Sequence[RunRecord]) -> dict[str, StructType]:
    """Give the columns that each log had in earlier nights, by its key: a day may lack one that is rarely given."""
    before = [night.metrics.columns for night in nights if night.event_date < context.date]
    return {key: StructType.fromJson(json.loads(columns)) for key, columns in (before[-1] if before else {}).items()}


def _mapped(context: Context, looked: Looked, days: Days) -> tuple[dict[str, DataFrame], dict[str, StructType]]:
    """Map the rows of each log: of its files those that the night opens; and give the columns of files."""
    mapped, columns = dict[str, DataFrame](), dict[str, StructType]()
    for key, log in context.config.source.events.logs.items():
        view = looked.logs.get(key)
        if log.path is not None and (view is None or not view.listing.files):
            continue
        with reading(log, key):
            records = read_records(context.spark, log, key, view and view.listing)
            columns |= {key: records.drop(CORRUPT).schema} if view else {}
            mapped[key] = intake.map_rows(rows_of(records, log, key), log, days, key, view is not None and view.dense)
    return mapped, columns


def _check_whole(context: Context, looked: Looked, plan: IntakePlan, taken: Intake) -> None:
    """Raise ContractError where files, of which alone the logs are, have not the rows that were counted in them."""
    logs = context.config.source.events.logs
    counted = sum(rows for day, rows in looked.rows.items() if day is None or plan.read.has(day))
    if taken.counts.read != counted and all(log.path is not None for log in logs.values()):
        place = " or ".join(log.place for log in logs.values())
        raise ContractError(
            f"source.events.path: a file of {place} changed while it was read, from {counted} rows to "
            f"{taken.counts.read}; make the night again when all files are whole"
        )


def _too_late(context: Context, looked: Looked, held: Held) -> Counter[dt.date]:
    """Count the rows of days before those that are read that no night has taken, by day."""
    late: Counter[dt.date] = Counter()
    for key, view in looked.logs.items():
        if view.behind:
            log = context.config.source.events.logs[key]
            with reading(log, key):
                rows = map_events(read_source(context.spark, log, key, view.late), log, key)
                late.update(intake.count_not_held(rows, log, view.behind, held, key))
    return late


def _unusual(context: Context, nights: Sequence[RunRecord], rows: int) -> tuple[str, ...]:
    """Warn where the night's day has few rows, or many, next to those before; if that is to end it, ContractError."""
    usual = context.config.source.events.usual_rows
    metrics = [night.metrics for night in nights if night.event_date < context.date]
    before = [night.day_rows for night in metrics if night.day_rows is not None]
    said = warn_of_rows(rows, before[-usual.nights :], context.date, usual)
    if said and usual.otherwise == "end":
        raise ContractError(f"{said[0]}; if it is so, set source.events.usual_rows.otherwise: warn")
    return said


def _counted(
    taken: Intake, plan: IntakePlan, looked: Looked, written: Written, late: Counter[dt.date], said: Sequence[str]
) -> Ingest:
    """Say what became of the rows. late: too late, by day; said: warnings besides those of the rows."""
    counts, new, bad = taken.counts, written.events - taken.held_events, written.quarantined - taken.held_bad
    if counts.rows != counts.good + bad or new > counts.good:
        raise AssertionError(f"rows lost: {counts.rows} in, {counts.good} good, {new} events, {bad} quarantined")
    others = {day: rows for day, rows in looked.rows.items() if day is not None and not plan.read.has(day)}
    later, before = (
        sum(rows for day, rows in others.items() if (day > plan.read.last) == is_later) for is_later in (True, False)
    )
    return Ingest(
        rows_in=counts.rows,
        events=new,
        duplicates=counts.good - new,
        quarantined=bad,
        items=written.items,
        reasons=counts.reasons,
        days=taken.written.iso,
        late=counts.late if plan.late else None,
        rows_read=counts.read + later + before,
        ignored=counts.ignored,
        held=counts.read - counts.ignored - counts.rows,
        later=later,
        earlier=before - late.total(),
        too_late=late.total(),
        day_rows=counts.last_day,
        files=looked.files,
        files_skipped=looked.skipped,
        seen=looked.seen(plan.read),
        versions=looked.versions,
        warnings=(*taken.warnings, *said),
    )


def _days(context: Context, nights: Sequence[RunRecord]) -> IntakePlan:
    """Give the days that the night takes, by what earlier nights have recorded."""
    taken = [night.event_date for night in nights if night.event_date < context.date]
    return plan_days(max(taken, default=None), context.date, context.config.source.events.late_days)


def seen_now(context: Context) -> str:
    """Hash the source's files as `run` would record it; files that no night has seen are opened. Writes nothing."""
    try:
        return _events_seen(context) + searches_seen(context)
    except ContractError:  # for `run` to say
        return "none"


def _events_seen(context: Context) -> str:
    if context.config.source.event_log is None:
        return ""
    nights = context.history("ingest")
    plan = _days(context, nights)
    return look(context, plan, _columns(context, nights)).seen(plan.read)


def estimate(context: Context) -> str:
    """Say what the night would read: files, and rows before anything is cleaned. Writes nothing.

    Only files that no night has seen are opened. Raises NoRowsError as `run` does.
    """
    if context.config.source.event_log is None:
        return "no events to ingest"
    nights = context.history("ingest")
    plan = _days(context, nights)
    looked = look(context, plan, _columns(context, nights))
    rows = sum(number for day, number in looked.rows.items() if day is not None and plan.new.has(day))
    rows += sum(seen.days.get(None, 0) for view in looked.logs.values() for seen in view.own)
    for key, log in context.config.source.events.logs.items():
        if log.path is None:
            with reading(log, key):
                rows += intake.map_rows(read_source(context.spark, log, key), log, plan.new, key).count()
    files = f"{looked.files:,} of {looked.files + looked.skipped:,} files, " if looked.logs else ""
    return f"{files}{rows:,} rows to ingest"
