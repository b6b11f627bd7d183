"""Says what is odd about a log's rows, though each of them is read: lines that a person sees in the morning."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.counts import RowCounts
from recaug.clickstream.days import IntakePlan
from recaug.config import Events, UsualRows

MANY = 0.01  # share of the rows, from which a type that the YAML lacks is told
ONE_USERS = 0.1  # share of the rows, from which a user is too many
FEW = 100  # rows, of which no share is told
NIGHTS = 3  # with rows, of which the mean is usual


def warn_of(rows: DataFrame, counts: RowCounts, events: Events) -> tuple[str, ...]:
    """Look at the rows of clean.mark, and what they count to: a line for each thing that is odd."""
    return (*_types(rows, counts, events), *_one_user(rows, counts), *_dates(counts, events))


def _types(rows: DataFrame, counts: RowCounts, events: Events) -> Iterator[str]:
    """Types that many rows have and the YAML has not, and those that no row has."""
    named = {name for log in events.logs.values() for name in (*log.event_types, *log.ignore_types)}
    if not named:
        return
    many = max(round(MANY * counts.read), 1)
    by_type = rows.where("its_type IS NOT NULL").groupBy("its_type").count()
    listed = by_type.where(F.col("its_type").isin(*named) | (F.col("count") >= many)).collect()
    there = {row["its_type"]: row["count"] for row in listed}
    for name in sorted(there.keys() - named, key=lambda name: (-there[name], name)):
        yield (
            f"{there[name]} of {counts.read} rows are of the event_type {name!r}, which source.events has neither in "
            "event_types nor in ignore_types: they are in quarantine"
        )
    if missing := sorted(named - there.keys()):
        yield f"no row is of the event_type {', '.join(map(repr, missing))}, which source.events names"


def _one_user(rows: DataFrame, counts: RowCounts) -> Iterator[str]:
    """A user of a tenth of all rows: a robot, or an id that stands for nobody."""
    if counts.read < FEW:
        return
    most = rows.where("user_id IS NOT NULL").groupBy("user_id").count().agg(F.max("count")).first()
    if most is not None and (most[0] or 0) >= ONE_USERS * counts.read:
        yield (
            f"one user has {most[0]} of {counts.read} rows: a robot, or an id that stands for nobody? A rule of "
            "source.events.rules leaves it out"
        )


def _dates(counts: RowCounts, events: Events) -> Iterator[str]:
    """Dates without a time, and no order among the events of a day."""
    if counts.dated and not counts.timed and any(log.order_by is None for log in events.logs.values()):
        yield (
            f"none of {counts.dated} times has a time of day: a user's events of a day keep the order of their file; "
            "source.events.order_by names a column that orders them, or 0 for no order"
        )


def warn_of_late(late: Mapping[dt.date, int], plan: IntakePlan, events: Events) -> tuple[str, ...]:
    """Rows that came after the night that could have taken them. late: rows by day."""
    if not late:
        return ()
    assert plan.new.first is not None
    days = f"{min(late)}" if len(late) == 1 else f"{min(late)} to {max(late)}"
    needed = (plan.new.first - min(late)).days
    return (
        f"{sum(late.values())} rows of {days} came too late: source.events.late_days is {events.late_days}, so no "
        f"night takes them; set it to {needed} and make this night again to have them",
    )


def warn_of_rows(rows: int, before: Sequence[int], date: dt.date, usual: UsualRows) -> tuple[str, ...]:
    """The rows of a night's day, next to those of the nights before."""
    mean = sum(before) / len(before) if before else 0
    if len(before) < NIGHTS or usual.at_least * mean <= rows <= usual.at_most * mean:
        return ()
    much = "fewer than" if rows < mean else "more than"
    bound = usual.at_least if rows < mean else usual.at_most
    why = "is a file missing, or not whole yet?" if rows < mean else "is a file there twice, or the mapping wrong?"
    return (
        f"source.events: {date} has {rows:,} rows, {much} {bound:g} times the {mean:,.0f} of a day of the last "
        f"{len(before)} nights: {why}",
    )
