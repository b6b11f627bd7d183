"""Stage 1: the source's rows that the lake does not hold yet become events, or go to quarantine with their reasons."""

import datetime as dt
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.clean import deduplicate, find_robots, mark, suspect_robots
from recaug.clickstream.items import catalogue, named_by_events
from recaug.clickstream.sessions import identify_sessions
from recaug.clickstream.source import map_events, name_files, number_rows, read_source, unreadable
from recaug.config import Events
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.tables import condition
from recaug.night.context import Context, StageResult
from recaug.results import Ingest


def run(context: Context) -> StageResult:
    """Write the night's events, events_quarantine and the items.

    The night takes what lies after the last recorded ingest night before its date D, up to the end of D; a first night
    takes the whole history. A rerun takes the same rows and replaces what it wrote. Of the late_days before, it takes
    the rows that the lake does not hold, and leaves all others as they are.
    metrics: rows_in, events, duplicates, quarantined, items, late (rows that came after their night), reasons (reason
    -> rows), days [first, last].
    Raises ContractError, and writes nothing, where D has no row or no row is an event.
    """
    source = context.config.source.events
    try:
        return _ingest(context)
    except (Py4JJavaError, PySparkException) as error:
        raise unreadable(error, source, "source.events") from error


def interval(context: Context) -> tuple[dt.date | None, dt.date]:
    """Give the first and the last day that the night takes; None for everything before."""
    before = [run.event_date for run in runs.history(context.lake, "ingest") if run.event_date < context.date]
    return (max(before) + dt.timedelta(days=1) if before else None), context.date


def estimate(context: Context) -> int:
    """Count the source's rows that the night would take, before anything is cleaned. Writes nothing."""
    events = context.config.source.events
    try:
        mapped = map_events(read_source(context.spark, events, "source.events"), events)
        return mapped.where(_in(interval(context), "_event.event_time")).count()
    except (Py4JJavaError, PySparkException) as error:
        raise unreadable(error, events, "source.events") from error


def _ingest(context: Context) -> StageResult:
    events, lake, spark = context.config.source.events, context.lake, context.spark
    days = interval(context)
    late = _late(days, events.late_days)
    mapped = (
        map_events(read_source(spark, events, "source.events"), events)
        .where(_in((late[0], days[1]) if late else days, "_event.event_time"))
        .transform(name_files)
    )
    persisted = _without_robots(mapped, events)
    marked = _but_held(persisted, context, late) if late else persisted
    try:
        undated = marked.where("event_time IS NULL").transform(_not_yet_there, context, days)
        quarantine = _quarantine(marked.where("event_time IS NOT NULL"), undated, context.date)
        good = marked.where("size(reasons) = 0")
        counted = _count(marked, context, undated, days)
        _check(counted, days, events.path)
        before = _before(context, late or days, days, events.session_gap_minutes)
        found = (
            good.drop("reasons", "raw", "source")
            .transform(deduplicate)
            .transform(identify_sessions, events.session_gap_minutes, before)
            .withColumn("event_date", F.to_date("event_time"))
        )
        held, held_bad = 0, 0
        if late and counted["late"]:  # their days are written again, with what they held
            there, bad_there = (
                lake.read(name).where(condition({"event_date": late})) for name in ("events", "events_quarantine")
            )
            held, held_bad = there.count(), bad_there.count()
            found, quarantine = found.unionByName(there), quarantine.unionByName(bad_there)
            days = (late[0], days[1])
        kept = lake.replace(quarantine, "events_quarantine", {"event_date": days}, context.run_id)
        written = lake.replace(found, "events", {"event_date": days}, context.run_id)
    finally:
        persisted.unpersist()
    new, bad = written.rows - held, kept.rows - held_bad
    duplicates = counted["good"] - new
    if counted["rows_in"] != new + duplicates + bad or duplicates < 0:
        raise AssertionError(f"rows lost: {counted['rows_in']} in, {new} events, {bad} quarantined")
    items = lake.replace(_items(context), "items", {}, context.run_id)
    return StageResult(
        metrics=Ingest(
            rows_in=counted["rows_in"],
            events=new,
            duplicates=duplicates,
            quarantined=bad,
            late=counted["late"] if late else None,
            items=items.rows,
            reasons=counted["reasons"],
            days=(days[0].isoformat() if days[0] else None, days[1].isoformat()),
        ),
        content_hash=written.content_hash,
    )


def _late(days: tuple[dt.date | None, dt.date], late_days: int) -> tuple[dt.date, dt.date] | None:
    """Give the days before the interval that are read again; None where there are none."""
    first = days[0]
    if first is None or late_days == 0:
        return None
    return first - dt.timedelta(days=late_days), first - dt.timedelta(days=1)


def _but_held(marked: DataFrame, context: Context, late: tuple[dt.date, dt.date]) -> DataFrame:
    """Leave out the rows of the late days that the lake holds, as events or in quarantine."""
    is_late = F.coalesce(F.to_date("event_time") <= F.lit(late[1].isoformat()).cast("date"), F.lit(False))
    events, quarantine = (
        context.lake.read(name).where(condition({"event_date": late})) for name in ("events", "events_quarantine")
    )
    good = marked.where(is_late & (F.size("reasons") == 0))
    bad = marked.where(is_late & (F.size("reasons") > 0))
    return (
        marked.where(~is_late)
        .unionByName(good.join(events.select("event_id"), "event_id", how="left_anti"))
        .unionByName(bad.join(quarantine.select("raw"), "raw", how="left_anti"))
    )


def _without_robots(mapped: DataFrame, events: Events) -> DataFrame:
    """Mark the rows, persisted; robots, which are rare, cost a second reading of the source."""
    marked = mark(mapped, events).persist()
    suspects = suspect_robots(marked, events.robots)
    if not suspects:
        return marked
    robots = find_robots(marked.where(F.col("user_id").isin(suspects)), events.robots)
    found = [tuple(row) for row in robots.collect()]
    if not found:
        return marked
    again = mark(mapped, events, mapped.sparkSession.createDataFrame(found, robots.schema)).persist()
    marked.unpersist()
    return again


def _in(days: tuple[dt.date | None, dt.date], column: str) -> Any:
    """Keep the interval's rows and those without a time."""
    first, last = days
    end = F.lit(dt.datetime.combine(last + dt.timedelta(days=1), dt.time()).isoformat()).cast("timestamp")
    inside = F.col(column) < end
    if first is not None:
        inside &= F.col(column) >= F.lit(dt.datetime.combine(first, dt.time()).isoformat()).cast("timestamp")
    return inside | F.col(column).isNull()


def _not_yet_there(undated: DataFrame, context: Context, days: tuple[dt.date | None, dt.date]) -> DataFrame:
    """Leave out the rows without a time that an earlier night has put into quarantine."""
    if not context.lake.exists("events_quarantine"):
        return undated
    there = context.lake.read("events_quarantine").where("NOT dated").where(~condition({"event_date": days}))
    return undated.join(there.select("raw"), on="raw", how="left_anti").select(*undated.columns)


def _quarantine(dated: DataFrame, undated: DataFrame, date: dt.date) -> DataFrame:
    """Make the rows of events_quarantine."""
    night = F.lit(date.isoformat()).cast("date")
    return (
        dated.where("size(reasons) > 0")
        .withColumn("event_date", F.to_date("event_time"))
        .withColumn("dated", F.lit(True))
        .unionByName(undated.withColumn("event_date", night).withColumn("dated", F.lit(False)))
        .select("raw", "reasons", "source", "event_date", "dated")
    )


def _count(
    marked: DataFrame, context: Context, undated: DataFrame, days: tuple[dt.date | None, dt.date]
) -> dict[str, Any]:
    """Count the rows: in, good, of the night's own date, of days before `days`, and by reason."""
    has_time = F.col("event_time").isNotNull()
    today = F.to_date("event_time") == F.lit(context.date.isoformat()).cast("date")
    total = marked.agg(
        F.count_if(has_time).alias("dated"),
        F.count_if(~has_time).alias("undated"),
        F.count_if(F.size("reasons") == 0).alias("good"),
        F.count_if(today).alias("today"),
        F.count_if(~_in(days, "event_time")).alias("late"),
    ).first()
    more = undated.count() if total["undated"] else 0  # type: ignore[index]
    bad = marked.where(has_time & (F.size("reasons") > 0)).select("reasons")
    bad = bad.unionByName(undated.select("reasons")) if more else bad
    reasons = bad.select(F.explode("reasons").alias("reason")).groupBy("reason").count().collect()
    return {
        "rows_in": total["dated"] + more,  # type: ignore[index]
        "good": total["good"],  # type: ignore[index]
        "today": total["today"],  # type: ignore[index]
        "late": total["late"],  # type: ignore[index]
        "reasons": {row["reason"]: row["count"] for row in sorted(reasons)},
    }


def _check(counted: dict[str, Any], days: tuple[dt.date | None, dt.date], path: str) -> None:
    """Refuse a night without rows."""
    if counted["rows_in"] == 0:
        raise ContractError(f"source.events.path: {path} has no row up to {days[1]}")
    if counted["today"] == 0:
        raise ContractError(f"source.events.path: {path} has no row of {days[1]}; give a date that the log covers")
    if counted["good"] == 0:
        worst = max(counted["reasons"], key=lambda reason: counted["reasons"][reason])
        many = counted["reasons"][worst]
        raise ContractError(
            f"source.events: none of {counted['rows_in']} rows up to {days[1]} is an event; {many} of them: {worst}"
        )


def _before(
    context: Context, read: tuple[dt.date | None, dt.date], days: tuple[dt.date | None, dt.date], gap_minutes: int
) -> DataFrame | None:
    """Give the lake's events before `days` that are of the days read, or so close that their sessions may go on."""
    if read[0] is None or days[0] is None or not context.lake.exists("events"):
        return None
    since = read[0] - dt.timedelta(days=1 + gap_minutes // 1440)
    return context.lake.read("events").where(condition({"event_date": (since, days[0] - dt.timedelta(days=1))}))


def _items(context: Context) -> DataFrame:
    """Give the catalogue of the items source, or of all events that the lake holds up to the night."""
    items = context.config.source.items
    if items is None:
        events = context.lake.read("events").where(condition({"event_date": (None, context.date)}))
        return named_by_events(events)
    return catalogue(number_rows(read_source(context.spark, items, "source.items")), items)
