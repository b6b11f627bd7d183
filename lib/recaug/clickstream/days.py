"""Which days an intake is about, and which rows are of them."""

import datetime as dt
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


class Days(NamedTuple):
    """Days from the first to the last, both included; first None: all before."""

    first: dt.date | None
    last: dt.date

    @property
    def iso(self) -> tuple[str | None, str]:
        """Both as text."""
        return self.first.isoformat() if self.first else None, self.last.isoformat()

    def has(self, day: dt.date) -> bool:
        """Say whether a day is one of them."""
        return (self.first is None or self.first <= day) and day <= self.last


class IntakePlan(NamedTuple):
    """Which days an intake is about.

    new: whose rows nobody has taken yet. late: before them, which are read again for rows that came late; None for no
    such days.
    """

    new: Days
    late: Days | None

    @property
    def read(self) -> Days:
        """The days whose rows are read."""
        return Days(self.late.first, self.new.last) if self.late else self.new


def plan_days(taken: dt.date | None, date: dt.date, late_days: int) -> IntakePlan:
    """Give the days up to `date` that follow the last one taken (None: nothing is), and the late days before them."""
    if taken is None:
        return IntakePlan(Days(None, date), None)
    first = taken + dt.timedelta(days=1)
    late = Days(first - dt.timedelta(days=late_days), taken) if late_days else None
    return IntakePlan(Days(first, date), late)


def in_days(days: Days, column: str | Column) -> Column:
    """Say whether a time is of these days, or missing."""
    time = F.col(column) if isinstance(column, str) else column
    end = F.lit(dt.datetime.combine(days.last + dt.timedelta(days=1), dt.time()).isoformat()).cast("timestamp")
    inside = time < end
    if days.first is not None:
        inside &= time >= F.lit(dt.datetime.combine(days.first, dt.time()).isoformat()).cast("timestamp")
    return inside | time.isNull()


def of_days(rows: DataFrame, first: dt.date | None, last: dt.date) -> DataFrame:
    """Keep the rows whose event_date is one of these days."""
    return rows.where(is_of_days(first, last))


def is_of_days(first: dt.date | None, last: dt.date) -> Column:
    """Say whether an event_date is one of these days."""
    until = F.col("event_date") <= F.lit(last)
    return until if first is None else until & (F.col("event_date") >= F.lit(first))
