"""Stage 1: the source's rows that the lake does not hold yet become events, or go to quarantine with their reasons."""

from pyspark.sql import DataFrame

from recaug.clickstream import intake
from recaug.clickstream.days import IntakePlan, of_days, plan_days
from recaug.clickstream.failures import reading
from recaug.clickstream.intake import Held, Intake
from recaug.clickstream.items import catalogue, named_by_events
from recaug.clickstream.positions import number_rows
from recaug.clickstream.source import read_source
from recaug.night.context import Context, StageResult
from recaug.results import Ingest


def run(context: Context) -> StageResult:
    """Write the night's events, events_quarantine and the items.

    The night takes what lies after the last recorded ingest night before its date D, up to the end of D; a first night
    takes the whole history. A rerun takes the same rows and replaces what it wrote. Of the late_days before, it takes
    the rows that the lake does not hold, and leaves all others as they are.
    Raises ContractError, and writes nothing, where D has no row or no row is an event.
    """
    lake, plan, source = context.lake, days(context), context.config.source.events
    mapped = {}
    for key, log in source.logs.items():
        with reading(log, key):  # and nothing of the lake: what is wrong with the source shows here
            mapped[key] = intake.map_rows(read_source(context.spark, log, key), log, plan.read, key)
    with reading(source, "source.events"):
        rows = intake.mark_rows(mapped, source)
    items = None
    try:
        held = Held(*(lake.read(name) if lake.exists(name) else None for name in ("events", "events_quarantine")))
        taken = intake.take_rows(rows, plan, held, source)
        items = _read_items(context)  # before anything is written
        written = {"event_date": taken.written}
        quarantine = lake.replace(taken.quarantine, "events_quarantine", written, context.run_id)
        events = lake.replace(taken.events, "events", written, context.run_id)
        if items is None:
            items = named_by_events(of_days(lake.read("events"), None, context.date))
        catalogued = lake.replace(items, "items", {}, context.run_id)
    finally:
        rows.unpersist()
        if items is not None:
            items.unpersist()
    return StageResult(_counted(taken, plan, events.rows, quarantine.rows, catalogued.rows), events.content_hash)


def _counted(taken: Intake, plan: IntakePlan, events: int, quarantined: int, items: int) -> Ingest:
    """Say what became of the rows; the others: rows of the slices as they were written."""
    counts, new, bad = taken.counts, events - taken.held_events, quarantined - taken.held_bad
    if counts.rows != counts.good + bad or new > counts.good:
        raise AssertionError(f"rows lost: {counts.rows} in, {counts.good} good, {new} events, {bad} quarantined")
    return Ingest(
        rows_in=counts.rows,
        events=new,
        duplicates=counts.good - new,
        quarantined=bad,
        items=items,
        reasons=counts.reasons,
        days=taken.written.iso,
        late=counts.late if plan.late else None,
        rows_read=counts.read,
        ignored=counts.ignored,
        held=counts.read - counts.ignored - counts.rows,
        warnings=taken.warnings,
    )


def days(context: Context) -> IntakePlan:
    """Give the days that the night takes, by what earlier nights have recorded."""
    taken = [night.event_date for night in context.history("ingest") if night.event_date < context.date]
    return plan_days(max(taken, default=None), context.date, context.config.source.events.late_days)


def estimate(context: Context) -> int:
    """Count the source's rows that the night would take, before anything is cleaned. Writes nothing."""
    rows, new = 0, days(context).new
    for key, log in context.config.source.events.logs.items():
        with reading(log, key):
            rows += intake.map_rows(read_source(context.spark, log, key), log, new, key).count()
    return rows


def _read_items(context: Context) -> DataFrame | None:
    """Read the catalogue of the items source, persisted; None without one."""
    source = context.config.source.items
    if source is None:
        return None
    with reading(source, "source.items"):
        items = catalogue(number_rows(read_source(context.spark, source, "source.items")), source).persist()
        items.count()
    return items
