"""Reads columns as times: numbers since an epoch by their digits, texts by their pattern."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.propose.amounts import read_amount
from recaug.propose.columns import Column
from recaug.propose.patterns import Order, Parts, parse, pattern_sql

Moments: TypeAlias = "pd.Series[Any]"
EARLIEST, LATEST = pd.Timestamp("1995-01-01"), pd.Timestamp("2040-01-01")
DOT_NET = r"\\?/Date\(-?\d+(?:[+-]\d{4})?\)\\?/"
BACK = 3  # rows that go back in time, which are no accident
# Digits of whole numbers since 1970: unit, and how Spark's SQL reads them.
UNITS = (
    ("seconds", 1, (9, 10), "timestamp_seconds({})"),
    ("milliseconds", 1_000, (12, 13), "timestamp_millis({})"),
    ("microseconds", 1_000_000, (15, 16), "timestamp_micros({})"),
    ("nanoseconds", 1_000_000_000, (18, 19), "timestamp_micros({} div 1000)"),
)


class Time(NamedTuple):
    """A column read as a time.

    sql: an expression that Spark reads as a timestamp. moments: without zone, of UTC where the values have an offset.
    read: share of the given values that are times. has_clock: whether some are not midnight. zone: how the values name
    one, None where they name none. is_number: since 1970. is_counted: days since a day that nobody knows. other: sql of
    a reading that is as good, and why.
    """

    columns: tuple[Column, ...]
    sql: str
    moments: Moments
    read: float
    has_clock: bool
    zone: str | None
    evidence: str
    other: tuple[str, str] | None = None
    is_number: bool = False
    is_counted: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns that it is made of."""
        return tuple(column.name for column in self.columns)


def read_time(column: Column) -> Time | None:
    """Read a column as a time; None where it is none."""
    if len(column.given) == 0 or column.native == "boolean":
        return None
    if column.native == "time" and column.moments is not None:
        moments = column.moments.dt.tz_convert(None)
        return _time(column, column.sql, moments, None, "a timestamp in the files")
    if column.share(DOT_NET) > 0.98:
        digits = pd.Series(column.values).str.extract(r"(-?\d+)", expand=False)
        sql = f"timestamp_millis(cast(regexp_extract({column.sql}, '-?[0-9]+', 0) AS bigint))"
        told = since(pd.to_numeric(digits).to_numpy(dtype=float) / 1000)
        return _time(column, sql, told, "UTC", "milliseconds as .NET writes them")
    if column.is_number:
        return _epoch(column) or (_text(column) if column.share(r"\d{8}|\d{12}|\d{14}|\d{17}") > 0.95 else None)
    return _text(column)


def since(seconds: NDArray[np.float64]) -> Moments:
    """Seconds since 1970 as timestamps; NaT where they are none."""
    sane = pd.Series(seconds).where(lambda numbers: numbers.abs() < 1e11)
    return pd.Series(pd.to_datetime(sane, unit="s", errors="coerce"))


def _time(column: Column, sql: str, moments: Moments, zone: str | None, evidence: str) -> Time | None:
    """Make a time of what was read, unless too little of it is a time of this age."""
    sane = moments.where((moments > EARLIEST) & (moments < LATEST))
    given = len(column.given)
    read = float(sane.notna().sum() / given) if given else 0.0
    if read < 0.8:
        return None
    clock = sane.dropna()
    has_clock = bool((clock != clock.dt.normalize()).mean() > 0.02)
    return Time((column,), sql, sane, read, has_clock, zone, evidence)


def _epoch(column: Column) -> Time | None:
    """Read numbers as time since 1970, by the digits before the point."""
    whole = [value.split(".")[0].lstrip("-") for value in column.looked_at if "e" not in value.lower()]
    digits, often = Counter(map(len, whole)).most_common(1)[0] if whole else (0, 0)
    share = often / max(len(whole), 1)
    for unit, per_second, lengths, sql in UNITS:
        if digits not in lengths or share < 0.6:
            continue
        fractions = column.has_fractions
        moments = since(column.numbers / per_second)
        if column.native == "integer":
            inner = column.sql
        else:
            inner = f"cast({column.sql} AS {'double' if fractions and unit == 'seconds' else 'bigint'})"
        why = f"{share:.0%} of values have {digits} digits: {unit}"
        time = _time(column, sql.format(inner), moments, "UTC", why)
        return time and time._replace(is_number=True)
    return None


def read_serial(column: Column) -> Time | None:
    """Read numbers as a spreadsheet's days since 1899-12-30."""
    amount = read_amount(column)
    if amount is None or not 0.9 < np.mean((amount.numbers > 36_000) & (amount.numbers < 55_000)) <= 1:
        return None
    moments = since((amount.numbers - 25_569) * 86_400)
    number = amount.sql if amount.sql.startswith("cast(") else f"cast({amount.sql} AS double)"
    sql = f"timestamp_seconds(({number} - 25569) * 86400)"
    return _time(column, sql, moments, None, "numbers of 36,000 to 55,000: a spreadsheet's days since 1899-12-30")


def _text(column: Column) -> Time | None:
    """Read texts by the commonest patterns of their parts; day before month, or after, by the values."""
    parts = [parse(value) for value in column.looked_at]
    shapes = Counter(part.shape for part in parts if part is not None)
    if not shapes or sum(shapes.values()) < 0.8 * len(parts):
        return None
    alike = [[part for part in parts if part is not None and part.shape == shape] for shape, _ in shapes.most_common(3)]
    order, why, other = _order(alike[0])
    forms = dict.fromkeys(pattern_sql(column.sql, some, order) for some in alike if len(some) >= 0.002 * len(parts))
    readings = list(dict.fromkeys(sql for sql, _ in forms))
    sql = readings[0] if len(readings) == 1 else f"coalesce({', '.join(readings)})"
    share, words = len(alike[0]) / len(parts), " or ".join(dict.fromkeys(words for _, words in forms))
    share = sum(shapes.values()) / len(parts) if len(forms) > 1 else share
    time = _time(column, sql, _moments(column, order), _zone(alike[0]), f"{share:.0%} are {words}{why}")
    if time is None or other is None:
        return time
    return time._replace(other=(pattern_sql(column.sql, alike[0], other)[0], "no value tells day from month"))


def _order(parts: list[Parts]) -> tuple[Order, str, Order | None]:
    """Tell which of the first two numbers is the day: (order, why, the other order where it is as good)."""
    if parts[0].order is not None:
        return parts[0].order, "", None
    first, second = [part.first for part in parts], [part.second for part in parts]
    if max(first) > 12 and max(second) <= 12:
        return "dmy", ", day first: numbers up to " + str(max(first)), None
    if max(second) > 12 and max(first) <= 12:
        return "mdy", ", month first: days up to " + str(max(second)), None
    numbers = len(set(first)), len(set(second))
    if max(numbers) >= 2 * min(numbers):  # a few days of a month, not the same day of some months
        order: Order = "dmy" if numbers[0] > numbers[1] else "mdy"
        named = "day" if order == "dmy" else "month"
        return order, f", {named} first: {numbers[0]} first numbers, {numbers[1]} second", None
    back = {"dmy": _steps_back(parts, "dmy"), "mdy": _steps_back(parts, "mdy")}
    if min(back.values()) == 0 and max(back.values()) >= BACK:
        day_first = back["dmy"] == 0
        return "dmy" if day_first else "mdy", f", {'day' if day_first else 'month'} first: so no row goes back", None
    dmy_first = parts[0].separator in ".-" or not any(part.half for part in parts)
    return ("dmy", "", "mdy") if dmy_first else ("mdy", "", "dmy")


def _steps_back(parts: Sequence[Parts], order: Order) -> int:
    """Count the values that are before the one above them."""
    stamps = pd.Series([part.moment(order) for part in parts]).dropna().to_numpy()
    return int((stamps[1:] < stamps[:-1]).sum())


def _moments(column: Column, order: Order) -> Moments:
    """The values as timestamps, of UTC where they have an offset; NaT where they are none."""
    known: dict[str, Any] = {}
    for value in column.counts.index:
        part = parse(value)
        known[value] = pd.NaT if part is None else part.moment(order)
    return pd.Series(pd.to_datetime([known.get(value, pd.NaT) for value in column.values], errors="coerce"))


def _zone(parts: list[Parts]) -> str | None:
    """How the values name their zone; None where most name none."""
    zones = Counter(part.zone for part in parts)
    zone, often = zones.most_common(1)[0]
    if not zone:
        return None
    return zone if often == len(parts) else f"{zone} and others"


def offset_of(zone: str) -> dt.timedelta | None:
    """The offset that a zone's text names; None for a zone by its name."""
    if zone.upper() in ("Z", "UTC", "GMT", "UT"):
        return dt.timedelta(0)
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", zone)
    if match is None:
        return None
    offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return -offset if match[1] == "-" else offset
