"""Counts what rows of a log became, and refuses a log of which too little is events."""

import datetime as dt
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.clean import FRACTION
from recaug.clickstream.days import Days, in_days
from recaug.errors import ContractError, NoRowsError

JUDGED = 100  # rows, of which a share says something
SHOWN = 300  # characters of a row that an error shows


class RowCounts(NamedTuple):
    """Rows of an intake: all, good ones, those of the last day and the good of them, late ones, bad ones by reason.

    read: with those that were ignored, and those that the lake has had before; dated: with a time; timed: with
    a time of day. odd: bad ones that no rule of the YAML has caught.
    """

    read: int
    ignored: int
    dated: int
    timed: int
    rows: int
    good: int
    last_day: int
    last_day_good: int
    late: int
    odd: int
    reasons: dict[str, int]


def count_rows(read: DataFrame, marked: DataFrame, bad: DataFrame, new: Days, rules: frozenset[str]) -> RowCounts:
    """Count marked rows and the bad ones among them; rows without a time that are in no quarantine yet count alone.

    read: all rows of clean.mark; marked: those of them that are to be taken. rules: names of the YAML's.
    """
    timed = F.col("event_time") != F.date_trunc("day", "event_time")
    whole = read.agg(F.count("*"), F.count_if("ignored"), F.count("event_time"), F.count_if(timed)).first()
    assert whole is not None
    day = F.to_date("event_time")
    total = marked.agg(
        F.count_if(F.size("reasons") == 0).alias("good"),
        F.count_if(day == F.lit(new.last)).alias("last_day"),
        F.count_if((day == F.lit(new.last)) & (F.size("reasons") == 0)).alias("last_day_good"),
        F.count_if(~in_days(new, "event_time")).alias("late"),
    ).first()
    assert total is not None
    by_why = bad.select("reasons").groupBy("reasons").count().collect()
    reasons: dict[str, int] = {}
    for row in by_why:
        for reason in row["reasons"]:
            reasons[reason] = reasons.get(reason, 0) + row["count"]
    rows = total["good"] + sum(row["count"] for row in by_why)
    odd = sum(row["count"] for row in by_why if rules.isdisjoint(row["reasons"]))
    days = (total["last_day"], total["last_day_good"], total["late"])
    read_rows, ignored, dated, timed = whole
    return RowCounts(read_rows, ignored, dated, timed, rows, total["good"], *days, odd, dict(sorted(reasons.items())))


def check_counts(counts: RowCounts, last: dt.date, path: str) -> None:
    """Raise NoRowsError where there is no row of the last day, ContractError where no event, or a fraction as an id."""
    if counts.read == 0:
        raise NoRowsError(f"source.events.path: {path} has no row up to {last}")
    if counts.last_day == 0:
        raise NoRowsError(f"source.events.path: {path} has no row of {last}; give a date that the log covers")
    if broken := counts.reasons.get(FRACTION):
        raise ContractError(
            f"source.events.columns: in {broken} rows user_id or item_id is a number that is not whole, which names "
            "nobody; map a column of names, or cast it to text"
        )
    if counts.last_day_good == 0:
        worst = max(counts.reasons, key=lambda reason: counts.reasons[reason])
        raise ContractError(
            f"source.events: none of {counts.last_day} rows of {last} is an event; the commonest reason, in "
            f"{counts.reasons[worst]} of {counts.rows} rows: {worst}"
        )


def check_trouble(counts: RowCounts, marked: DataFrame, bound: float, rules: frozenset[str]) -> None:
    """Raise ContractError where more than this share of the rows is odd, with an example whose ids are hidden.

    A share of fewer rows than JUDGED says nothing.
    """
    if counts.rows < JUDGED or counts.odd <= bound * counts.rows:
        return
    worst = max(counts.reasons.keys() - rules, key=lambda reason: (counts.reasons[reason], reason))
    row = marked.where(F.array_contains("reasons", worst)).select("raw", "user_id", "item_id").first()
    example = "" if row is None else row["raw"]
    for name in ("user_id", "item_id"):
        if row is not None and row[name]:
            example = example.replace(row[name], "...")
    raise ContractError(
        f"source.events: {counts.odd / counts.rows:.1%} of {counts.rows} rows are no events, more than max_quarantine "
        f"{bound:.1%}; the commonest reason, in {counts.reasons[worst]} rows: {worst}, as in {example[:SHOWN]}; mend "
        "the mapping, or raise source.events.max_quarantine"
    )
