"""Rows of a log become events, or go to quarantine with their reasons: of a batch, or of a micro-batch of a stream."""

import datetime as dt
from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.clean import ROBOTS, deduplicate, find_robots, mark, order_events, suspect_robots
from recaug.clickstream.columns import EVENT, POSITION
from recaug.clickstream.counts import RowCounts, check_counts, check_trouble, count_rows
from recaug.clickstream.days import Days, IntakePlan, in_days, is_of_days, of_days
from recaug.clickstream.mapping import event_of
from recaug.clickstream.positions import name_files, number_rows
from recaug.clickstream.sessions import identify_sessions
from recaug.clickstream.warnings import warn_of
from recaug.config import Events, Log


class Held(NamedTuple):
    """What was taken before, as the tables events and events_quarantine have it; None where there is no table yet."""

    events: DataFrame | None
    quarantine: DataFrame | None

    def days(self, first: dt.date | None, last: dt.date) -> tuple[DataFrame, DataFrame]:
        """Both, of some days."""
        assert self.events is not None
        assert self.quarantine is not None
        return of_days(self.events, first, last), of_days(self.quarantine, first, last)


class Intake(NamedTuple):
    """What rows became: events and quarantine, all that the tables are to hold of the days `written`.

    held_events, held_bad: how many of them were there before. warnings: what is odd about the rows, a line each.
    """

    events: DataFrame
    quarantine: DataFrame
    counts: RowCounts
    written: Days
    held_events: int = 0
    held_bad: int = 0
    warnings: tuple[str, ...] = ()


def map_rows(rows: DataFrame, log: Log, days: Days, key: str = "source.events", spread: bool = False) -> DataFrame:
    """Map a log's rows by the YAML; keep those of the days and those without a time. See mapping.map_events.

    spread: over all tasks before they are mapped, where few tasks read them.
    """
    event = event_of(rows, log, key)
    time = F.expr(log.columns["event_time"]).cast("timestamp")  # what files and Delta know the bounds of
    early = time < F.lit(f"{log.earliest} 00:00:00").cast("timestamp")
    read = rows.where(in_days(days, time) | early).transform(name_files).transform(number_rows)
    spread_rows = read.repartition(f"{POSITION}.block", f"{POSITION}.row") if spread else read
    return spread_rows.withColumn(EVENT, event)


def take_rows(rows: DataFrame, plan: IntakePlan, held: Held, source: Events) -> Intake:
    """Make events of the rows that are not held yet, and a quarantine of the bad ones.

    rows: of mark_rows, of the days that the plan reads. Raises ContractError where the last day has no row or no event,
    and where more rows are odd than max_quarantine.
    """
    late = plan.late
    judged = rows.where("NOT ignored")
    marked = without_held(judged, late, *held.days(*late)) if late else judged
    good, bad = split_bad(marked, plan.new, held.quarantine)
    rules = frozenset([*(rule.name for log in source.logs.values() for rule in log.rules), *ROBOTS.values()])
    counts = count_rows(rows, marked, bad, plan.new, rules)
    check_counts(counts, plan.new.last, " and ".join(log.place for log in source.logs.values()))
    check_trouble(counts, marked, source.max_quarantine, rules)
    warnings = warn_of(rows, counts, source)
    events = events_of(good, source.session_gap_minutes, _before(plan, held, source.session_gap_minutes))
    if late is None or counts.late == 0:
        return Intake(events, bad, counts, plan.new, warnings=warnings)
    there, bad_there = held.days(*late)  # the late days are written again, with what they held
    return Intake(
        events.unionByName(there),
        bad.unionByName(bad_there),
        counts,
        plan.read,
        there.count(),
        bad_there.count(),
        warnings,
    )


def mark_rows(mapped: Mapping[str, DataFrame], events: Events) -> DataFrame:
    """Mark the rows as clean.mark does, persisted; robots, which are rare, cost a second reading of the source.

    mapped: of map_rows, by the key of the log.
    """

    def marked_with(robots: DataFrame | None) -> DataFrame:
        logs = (mark(rows, events.logs[key], robots, key) for key, rows in mapped.items())
        return reduce(DataFrame.unionByName, logs).persist()

    marked = marked_with(None)
    suspects = suspect_robots(marked, events.robots)
    if not suspects:
        return marked
    robots = find_robots(marked.where(F.col("user_id").isin(suspects)), events.robots)
    caught = [tuple(row) for row in robots.collect()]
    if not caught:
        return marked
    again = marked_with(marked.sparkSession.createDataFrame(caught, robots.schema))
    marked.unpersist()
    return again


def without_held(marked: DataFrame, late: Days, events: DataFrame, quarantine: DataFrame) -> DataFrame:
    """Leave out the rows of the late days that are among the events or in the quarantine of those days."""
    is_late = F.coalesce(F.to_date("event_time") <= F.lit(late.last.isoformat()).cast("date"), F.lit(False))
    good = marked.where(is_late & (F.size("reasons") == 0))
    bad = marked.where(is_late & (F.size("reasons") > 0))
    return (
        marked.where(~is_late)
        .unionByName(good.join(events.select("event_id"), "event_id", how="left_anti"))
        .unionByName(bad.join(quarantine.select("raw"), "raw", how="left_anti"))
    )


def count_not_held(
    mapped: DataFrame, log: Log, days: Mapping[dt.date, int], held: Held, key: str
) -> dict[dt.date, int]:
    """Count a log's rows of these days that are neither held nor ignored, by day; those of no such row left out.

    mapped: of mapping.map_events. days: day -> how many rows it has at most that may not be held.
    """
    span = Days(min(days), max(days))
    rows = mapped.where(F.to_date(f"{EVENT}.event_time").isin([*days])).transform(name_files).transform(number_rows)
    # Kept, for they are read three times, and as one plan their code is more than Java takes.
    marked = mark(rows, log, key=key).select("event_time", "event_id", "raw", "reasons", "ignored").persist()
    try:
        left = without_held(marked.where("NOT ignored"), span, *held.days(*span))
        counted = left.groupBy(F.to_date("event_time").alias("day")).count().collect()
    finally:
        marked.unpersist()
    return {row["day"]: min(row["count"], days[row["day"]]) for row in counted}


def split_bad(marked: DataFrame, new: Days, quarantine: DataFrame | None) -> tuple[DataFrame, DataFrame]:
    """Split off the rows that are no events: (good as marked, bad as the table events_quarantine has them).

    Rows without a time count to the last new day, but for those that the quarantine has of other days; it is None
    where there is none yet.
    """
    undated = marked.where("event_time IS NULL")
    if quarantine is not None:
        there = quarantine.where("NOT dated").where(~is_of_days(*new))
        undated = undated.join(there.select("raw"), on="raw", how="left_anti").select(*undated.columns)
    bad = (
        marked.where("event_time IS NOT NULL AND size(reasons) > 0")
        .withColumns({"event_date": F.to_date("event_time"), "dated": F.lit(True)})
        .unionByName(undated.withColumns({"event_date": F.lit(new.last), "dated": F.lit(False)}))
        .select("raw", "reasons", "source", "event_date", "dated")
    )
    return marked.where("size(reasons) = 0"), bad


def events_of(good: DataFrame, gap_minutes: int, before: DataFrame | None) -> DataFrame:
    """Make events of good rows: each once, with its session and event_date.

    before: events whose sessions may go on in the first of these; None for no such events.
    """
    return (
        good.drop("reasons", "raw", "source", "ignored", "its_type")
        .transform(deduplicate)
        .transform(identify_sessions, gap_minutes, before)
        .transform(order_events)
        .withColumn("event_date", F.to_date("event_time"))
    )


def _before(plan: IntakePlan, held: Held, gap_minutes: int) -> DataFrame | None:
    """The events held before the new days, of the days read or so close that their sessions may go on."""
    if plan.new.first is None or plan.read.first is None or held.events is None:
        return None
    since = plan.read.first - dt.timedelta(days=1 + gap_minutes // 1440)
    return of_days(held.events, since, plan.new.first - dt.timedelta(days=1))
