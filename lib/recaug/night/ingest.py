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


def run(context: Context) -> StageResult:
    """Write the night's events, events_quarantine and the items.

    The night takes what lies after the last recorded ingest night before its date D, up to the end of D; a first night
    takes the whole history. A rerun takes the same rows and replaces what it wrote.
    metrics: rows_in, events, duplicates, quarantined, items, reasons (reason -> rows), days [first, last].
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
    mapped = (
        map_events(read_source(spark, events, "source.events"), events)
        .where(_in(days, "_event.event_time"))
        .transform(name_files)
    )
    marked = _without_robots(mapped, events)
    try:
        undated = marked.where("event_time IS NULL").transform(_not_yet_there, context, days)
        quarantine = _quarantine(marked.where("event_time IS NOT NULL"), undated, context.date)
        good = marked.where("size(reasons) = 0")
        counted = _count(marked, context, undated)
        _check(counted, days, events.path)
        before = _before(context, days, events.session_gap_minutes)
        found = (
            good.drop("reasons", "raw", "source")
            .transform(deduplicate)
            .transform(identify_sessions, events.session_gap_minutes, before)
            .withColumn("event_date", F.to_date("event_time"))
        )
        kept = lake.replace(quarantine, "events_quarantine", {"event_date": days}, context.run_id)
        written = lake.replace(found, "events", {"event_date": days}, context.run_id)
    finally:
        marked.unpersist()
    duplicates = counted["good"] - written.rows
    if counted["rows_in"] != written.rows + duplicates + kept.rows or duplicates < 0:
        raise AssertionError(f"rows lost: {counted['rows_in']} in, {written.rows} events, {kept.rows} quarantined")
    items = lake.replace(_items(context), "items", {}, context.run_id)
    return StageResult(
        metrics={
            "rows_in": counted["rows_in"],
            "events": written.rows,
            "duplicates": duplicates,
            "quarantined": kept.rows,
            "items": items.rows,
            "reasons": counted["reasons"],
            "days": [day.isoformat() if day else None for day in days],
        },
        content_hash=written.content_hash,
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


def _count(marked: DataFrame, context: Context, undated: DataFrame) -> dict[str, Any]:
    """Count the rows: in, good, of the night's own date, and by reason."""
    has_time = F.col("event_time").isNotNull()
    today = F.to_date("event_time") == F.lit(context.date.isoformat()).cast("date")
    total = marked.agg(
        F.count_if(has_time).alias("dated"),
        F.count_if(~has_time).alias("undated"),
        F.count_if(F.size("reasons") == 0).alias("good"),
        F.count_if(today).alias("today"),
    ).first()
    late = undated.count() if total["undated"] else 0  # type: ignore[index]
    bad = marked.where(has_time & (F.size("reasons") > 0)).select("reasons")
    bad = bad.unionByName(undated.select("reasons")) if late else bad
    reasons = bad.select(F.explode("reasons").alias("reason")).groupBy("reason").count().collect()
    return {
        "rows_in": total["dated"] + late,  # type: ignore[index]
        "good": total["good"],  # type: ignore[index]
        "today": total["today"],  # type: ignore[index]
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


def _before(context: Context, days: tuple[dt.date | None, dt.date], gap_minutes: int) -> DataFrame | None:
    """Give the lake's events so close before the interval that their sessions may go on."""
    first = days[0]
    if first is None or not context.lake.exists("events"):
        return None
    since = first - dt.timedelta(days=1 + gap_minutes // 1440)
    return context.lake.read("events").where(condition({"event_date": (since, first - dt.timedelta(days=1))}))


def _items(context: Context) -> DataFrame:
    """Give the catalogue of the items source, or of all events that the lake holds up to the night."""
    items = context.config.source.items
    if items is None:
        events = context.lake.read("events").where(condition({"event_date": (None, context.date)}))
        return named_by_events(events)
    return catalogue(number_rows(read_source(context.spark, items, "source.items")), items)
