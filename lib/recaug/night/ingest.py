"""Stage 1: the source's rows that the lake does not hold yet become events, or go to quarantine with their reasons."""

from recaug.clickstream import intake
from recaug.clickstream.days import IntakePlan, of_days, plan_days
from recaug.clickstream.intake import Held
from recaug.clickstream.items import catalogue, named_by_events
from recaug.clickstream.source import number_rows, read_source, reading
from recaug.lake.tables import Commit
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
    with reading(source, "source.events"):  # and nothing of the lake: what is wrong with the source shows here
        read = intake.map_rows(read_source(context.spark, source, "source.events"), source, plan.read)
        rows = intake.mark_rows(read, source)
    try:
        held = Held(*(lake.read(name) if lake.exists(name) else None for name in ("events", "events_quarantine")))
        taken = intake.take_rows(rows, plan, held, source)
        written = {"event_date": taken.written}
        quarantine = lake.replace(taken.quarantine, "events_quarantine", written, context.run_id)
        events = lake.replace(taken.events, "events", written, context.run_id)
    finally:
        rows.unpersist()
    counts, new, bad = taken.counts, events.rows - taken.held_events, quarantine.rows - taken.held_bad
    if counts.rows != counts.good + bad or new > counts.good:
        raise AssertionError(f"rows lost: {counts.rows} in, {counts.good} good, {new} events, {bad} quarantined")
    metrics = Ingest(
        rows_in=counts.rows,
        events=new,
        duplicates=counts.good - new,
        quarantined=bad,
        items=_write_items(context).rows,
        reasons=counts.reasons,
        days=taken.written.iso,
        late=counts.late if plan.late else None,
    )
    return StageResult(metrics, events.content_hash)


def days(context: Context) -> IntakePlan:
    """Give the days that the night takes, by what earlier nights have recorded."""
    taken = [night.event_date for night in context.history("ingest") if night.event_date < context.date]
    return plan_days(max(taken, default=None), context.date, context.config.source.events.late_days)


def estimate(context: Context) -> int:
    """Count the source's rows that the night would take, before anything is cleaned. Writes nothing."""
    source = context.config.source.events
    with reading(source, "source.events"):
        rows = read_source(context.spark, source, "source.events")
        return intake.map_rows(rows, source, days(context).new).count()


def _write_items(context: Context) -> Commit:
    """Write the catalogue of the items source, or of all events that the lake holds up to the night."""
    lake, source = context.lake, context.config.source.items
    if source is None:
        events = of_days(lake.read("events"), None, context.date)
        return lake.replace(named_by_events(events), "items", {}, context.run_id)
    with reading(source, "source.items"):
        items = catalogue(number_rows(read_source(context.spark, source, "source.items")), source).persist()
        items.count()
    try:
        return lake.replace(items, "items", {}, context.run_id)
    finally:
        items.unpersist()
