"""Finds when rows happened: a column, a date and a clock, or year, month and day apart."""

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from recaug.propose.columns import Column, Table
from recaug.propose.times import Time, read_serial, read_time
from recaug.propose.words import ideas, split

CLOCK = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?(?:\s*[AaPp]\.?[Mm]\.?)?"
PARTS = {
    "year": "year yr jahr annee ano anno rok jaar yil aar ar год рік 年 년 έτος",
    "month": "month mon monat mois mes mese maand miesiac ay maned manad месяц місяць 月 월 μήνας",
    "day": "day tag jour dia giorno dag dzien den gun nap день число 日 일 ημέρα",
    "hour": "hour hr stunde heure hora ora uur godzina saat час 时 時 시",
    "minute": "minute min minuto minuut dakika минута 分 분",
}
RANGES = {"year": (1995, 2040), "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59)}
UNKNOWN = "2020-01-01"  # the day that 0 stands for, where nothing says which
ODD: tuple[str, ...] = (
    "birth",
    "geburt",
    "naiss",
    "expir",
    "deliver",
    "ship",
    "due",
    "regist",
    "signup",
    "updat",
    "modif",
    "end",
    "until",
)
ODD += ("release", "publish", "valid", "load", "ingest", "export", "import", "process", "receiv", "sent", "partition")


def times_of(table: Table) -> list[Time]:
    """Everything in the table that can be when its rows happened, the likeliest first."""
    read = [time for column in table.columns if (time := _read(column)) is not None]
    read += _with_clock(table, read)
    apart = _apart(table)
    if apart is None and not any(time.moments.nunique() > 1 for time in read):
        apart = _without_year(table) or _days_since(table)
    if apart is not None:
        read += [apart, *_with_clock(table, [apart])]
    return sorted(read, key=lambda time: -weight(time, table))


def _read(column: Column) -> Time | None:
    time = read_time(column)
    return time if time is not None or "time" not in ideas(column.name) else read_serial(column)


def weight(time: Time, table: Table) -> float:
    """How likely it is that rows happened then."""
    heard = max((ideas(name).get("time", 0.0) for name in time.names), default=0.0)
    filled = float(time.moments.notna().mean())
    odd = any(word in " ".join(split(name)) for name in time.names for word in ODD)
    spread = time.moments.nunique() > 1 or table.rows < 3
    named = heard > 0 or len(time.names) > 1
    steps = ascending(time.moments, table)
    score = 2 * filled + 1.5 * heard + 1.2 * time.has_clock + 0.8 * (steps > 0.95) - 1.5 * odd + 1.0 * spread
    if time.is_number and not named:  # numbers that may be ids
        years = (time.moments.max() - time.moments.min()).days / 365
        column, others = time.columns[0], _texts(table)
        sorted_ = steps > 0.9
        score -= 0.0 if sorted_ or (years < 4 and column.distinct > 10 and not column.is_unique) else 4.0
        score -= 4.0 * (not sorted_ and (others or column.distinct < 0.3 * len(column.given)))
    return score - 0.1 * (time.other is not None)


def _texts(table: Table) -> bool:
    """Whether a column has times as texts, which no ids look like."""
    return any(
        not column.is_number and (read := read_time(column)) and read.moments.nunique() > 1 for column in table.columns
    )


def ascending(moments: "pd.Series[pd.Timestamp]", table: Table) -> float:
    """Share of the steps from row to row of a file that do not go back."""
    stamps, places = moments.to_numpy(), table.places
    known = ~np.isnat(stamps)
    stamps, places = stamps[known], places[known]
    inside = places[1:] == places[:-1]
    forward = stamps[1:] >= stamps[:-1]
    return float(forward[inside].mean()) if inside.any() else 0.0


def _with_clock(table: Table, read: list[Time]) -> Iterator[Time]:
    """Dates together with a column of times of day."""
    clocks = [clock for column in table.columns if (clock := _clock(column)) is not None]
    for clock in clocks:
        for date in read:
            if date.has_clock or len(date.columns) > 1 or date.columns[0].native == "time":
                continue
            if any(clock.name in other.names for other in read):  # 01.06.25 is a date
                continue
            column = _as_texts(date)
            values = [
                None if day is None or hour is None else f"{day} {hour}"
                for day, hour in zip(column.values, clock.values, strict=True)
            ]
            joined = Column(
                f"{column.name} and {clock.name}",
                f"concat_ws(' ', {column.sql}, {clock.sql})",
                "text",
                np.array(values, dtype=object),
            )
            if (time := read_time(joined)) is not None:
                yield time._replace(columns=(date.columns[0], clock), other=date.other or time.other)


def _as_texts(date: Time) -> Column:
    """The column of a date; of days that were counted, the dates."""
    (column,) = date.columns
    if not date.is_counted:
        return column
    days = [None if day is pd.NaT else f"{day:%Y-%m-%d}" for day in date.moments]
    return Column(column.name, date.sql, "text", np.array(days, dtype=object))


def _clock(column: Column) -> Column | None:
    """A column of times of day; None where it is none. Of digits alone, such as 1435 or 93015, with colons."""
    if not column.given:
        return None
    if column.share(CLOCK) > 0.95:
        return column
    digits = 6 if column.share(r"\d{5,6}") > 0.5 else 4
    named = "time" in ideas(column.name) and column.share(r"\d{3,}") > 0.5
    if not (named and column.is_integer and column.share(rf"\d{{1,{digits}}}") > 0.95):
        return None
    padded = [None if value is None else value.zfill(digits) for value in column.values]
    texts = [None if value is None else ":".join(re.findall("..", value)) for value in padded]
    read = [re.fullmatch(r"(?:[01]\d|2[0-3])(?::[0-5]\d)+", text) for text in texts if text is not None]
    if sum(match is not None for match in read) < 0.95 * len(read):
        return None
    pairs = digits // 2
    sql = f"lpad({column.sql}, {digits}, '0')"
    with_colons = ":".join(f"${number + 1}" for number in range(pairs))
    sql = f"regexp_replace({sql}, '^{'(..)' * pairs}$', '{with_colons}')"
    return Column(column.name, sql, "text", np.array(texts, dtype=object))


def _apart(table: Table) -> Time | None:
    """Year, month and day in columns of their own, with the hour and the minute where they are there."""
    parts = {part: column for part in PARTS if (column := _part(table, part)) is not None}
    if not {"year", "month", "day"} <= parts.keys():
        return None
    kept = [part for part in PARTS if part in parts]
    if "hour" not in kept:
        kept = kept[:3]
    frame = pd.DataFrame({part: parts[part].numbers for part in kept})
    moments = pd.Series(pd.to_datetime(frame, errors="coerce"))
    columns = tuple(parts[part] for part in kept)
    names = [column.sql for column in columns]
    sql = f"make_date({', '.join(names)})"
    if "hour" in kept:
        sql = f"make_timestamp({', '.join([*names, '0'][:5] if 'minute' not in kept else names)}, 0)"
    words = ", ".join(column.name for column in columns)
    has_clock = "hour" in kept
    return Time(columns, sql, moments, float(moments.notna().mean()), has_clock, None, f"{words} are apart")


def _without_year(table: Table) -> Time | None:
    """A column of months and days, such as 511 or 1112, of a year that nobody knows."""
    for column in table.columns:
        if "time" not in ideas(column.name) or column.share(r"\d{3,4}") < 0.99 or column.distinct < 3:
            continue
        year = UNKNOWN[:4]
        texts = pd.Series([None if value is None else year + value.zfill(4) for value in column.values])
        moments = pd.Series(pd.to_datetime(texts, format="%Y%m%d", errors="coerce"))
        if moments.notna().sum() >= 0.99 * len(column.given):
            sql = f"to_timestamp(concat('{year}', lpad({column.sql}, 4, '0')), 'yyyyMMdd')"
            time = Time((column,), sql, moments, column.filled, False, None, "months and days of no year")
            return time._replace(other=(f"{sql} with the log's own year", "nothing says which it is"))
    return None


def _days_since(table: Table) -> Time | None:
    """A column called day that counts days since one that nobody knows."""
    for column in table.columns:
        words = split(column.name)
        if words and words[-1] in PARTS["day"].split() and column.is_integer and column.distinct > 7:
            numbers = column.numbers
            goes_on = np.nanmax(numbers) > 31 or float((np.diff(numbers) >= 0).mean()) > 0.95
            if np.nanmin(numbers) < 0 or np.nanmax(numbers) > 20_000 or not goes_on:
                continue
            moments = pd.Series(pd.Timestamp(UNKNOWN) + pd.to_timedelta(numbers, unit="D"))
            sql = f"date_add(date '{UNKNOWN}', cast({column.sql} AS int))"
            why = f"counts days, up to {np.nanmax(numbers):g}"
            time = Time((column,), sql, moments, column.filled, False, None, why, is_counted=True)
            return time._replace(other=(f"{sql} with the day that 0 stands for", "nothing says which it is"))
    return None


def _part(table: Table, part: str) -> Column | None:
    """The column of whole numbers that is named as a part of a time, and keeps to its range."""
    low, high = RANGES[part]
    for column in table.columns:
        words = split(column.name)
        if not words or words[-1] not in PARTS[part].split() or not column.is_integer:
            continue
        numbers = column.numbers[~np.isnan(column.numbers)]
        if len(numbers) and ((numbers >= low) & (numbers <= high)).mean() > 0.99:
            return column
    return None
