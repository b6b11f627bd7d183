"""Times as people and programs write them: cut into parts, and written as a pattern of Spark's."""

import datetime as dt
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

Order = Literal["ymd", "dmy", "mdy"]

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG = re.compile("january|february|march|april|may|june|july|august|september|october|november|december")
_WEEKDAY = r"(?:(?P<weekday>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*),?\s+)?"
_MONTH = r"(?P<name>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*)\.?"
_CLOCK = (
    r"(?:(?P<glue>T|\s+|:|,\s*|_|-|\s+at\s+)(?P<hour>\d{1,2})(?:(?P<colon>[:.時时시h])(?P<minute>\d{2})[分분]?)?"
    r"(?:(?P<colon2>[:.])?(?P<second>\d{2})[秒초]?(?P<point>[.,])?(?P<fraction>(?<=[.,])\d{1,9})?)?"
    r"(?P<gap>\s*)(?P<half>[AaPp]\.?[Mm]\.?)?(?P<word>\s*(?:Uhr|h))?)?"
)
_ZONE = r"(?P<space>\s*)(?P<zone>Z|UTC|GMT|UT|(?:UTC|GMT)?[+-]\d{1,2}:?(?:\d{2})?|[A-Z][a-z]+/[A-Z]\w+|[A-Z]{3,4})?"
_DATES = (
    r"(?P<y>\d{4})(?P<sep>[-/.年년])\s?(?P<m>\d{1,2})(?P<sep2>[-/.月월])\s?(?P<d>\d{1,2})[日일.]?",
    r"(?P<a>\d{1,2})(?P<sep>[-/.])\s?(?P<b>\d{1,2})(?P<sep2>[-/.])\s?(?P<y>\d{4}|\d{2})",
    rf"(?P<d>\d{{1,2}})(?P<sep>[-/. ]|\.\s){_MONTH}(?P<sep2>[-/. ]|,\s)(?P<y>\d{{4}}|\d{{2}})",
    rf"{_MONTH}(?P<sep>\s)(?P<d>\d{{1,2}})(?P<sep2>,?\s)(?P<y>\d{{4}})",
)
_TEXTS = tuple(re.compile(rf"{_WEEKDAY}{date}{_CLOCK}{_ZONE}", re.IGNORECASE) for date in _DATES)
_PACKED = re.compile(r"(?P<y>(?:19|20)\d{2})(?P<m>[01]\d)(?P<d>[0-3]\d)"
    r"(?:(?P<glue>[T_ -]?)(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?P<fraction>\.?\d{3,6})?)?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?")  # fmt: skip
_UNIX = re.compile(
    rf"(?P<weekday>[A-Z][a-z]{{2}})\s+{_MONTH}\s+(?P<d>\d{{1,2}})\s+(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"\s+(?:(?P<zone>[A-Z]{3,4}|[+-]\d{4})\s+)?(?P<y>\d{4})"
)


class Parts(NamedTuple):
    """The parts of a time. shape: of its pattern. order: None where the first two numbers may be either.

    first, second: numbers, of the day and the month in the order of the text.
    """

    text: str
    shape: str
    order: Order | None
    groups: dict[str, str]
    first: int
    second: int

    @property
    def separator(self) -> str:
        """Between the numbers of the date."""
        return self.groups.get("sep", "")

    @property
    def half(self) -> str:
        """AM or PM."""
        return self.groups.get("half", "")

    @property
    def zone(self) -> str:
        """As it is written."""
        return self.groups.get("zone", "")

    def moment(self, order: Order) -> Any:
        """The time, of UTC where it has an offset; NaT where there is no such day."""
        groups = self.groups
        day, month = (self.first, self.second) if order == "dmy" else (self.second, self.first)
        year = int(groups["y"]) + (2000 if len(groups["y"]) == 2 else 0)
        hour, minute, second = (int(groups.get(name) or 0) for name in ("hour", "minute", "second"))
        if self.half:
            hour = hour % 12 + (12 if self.half[0] in "Pp" else 0)
        micros = int((groups.get("fraction") or "0").lstrip(".")[:6].ljust(6, "0"))
        try:
            moment = dt.datetime(year, month, day, hour, minute, second, micros)
        except ValueError:
            return pd.NaT
        return moment - _offset(self.zone, moment)


@lru_cache(maxsize=100_000)
def parse(text: str) -> Parts | None:
    """Cut a time into its parts; None where it is no time."""
    if not any(map(str.isdigit, text)) or len(text) > 60:
        return None
    if match := _PACKED.fullmatch(text):
        return _parts(text, "packed", match)
    for number, pattern in enumerate(_TEXTS):
        if match := pattern.fullmatch(text.strip()):
            return _parts(text, str(number), match)
    match = _UNIX.fullmatch(text)
    return _parts(text, "unix", match) if match else None


def _parts(text: str, kind: str, match: re.Match[str]) -> Parts | None:
    groups = {name: value for name, value in match.groupdict().items() if value}
    order: Order | None
    month = _month(groups["name"]) if "name" in groups else int(groups.get("m") or 0)
    if kind == "1":
        first, second, order = int(groups["a"]), int(groups["b"]), None
        within = 1 <= first <= 31 and 1 <= second <= 31 and min(first, second) <= 12
    else:
        first, second, order = int(groups["d"]), month, "dmy"
        within = 1 <= first <= 31 and 1 <= second <= 12
    if not within or int(groups.get("hour", "0")) > 24 or int(groups.get("minute", "0")) > 59:
        return None
    kept = ("sep", "sep2", "glue", "colon", "colon2", "second", "point", "half", "word", "weekday")
    shape = [
        kind,
        *(f"{name}{groups[name] if name in ('sep', 'sep2', 'glue') else ''}" for name in kept if name in groups),
    ]
    shape += [name for name in ("zone", "hour", "minute") if name in groups] + [str(len(groups["y"]))]
    return Parts(text, "|".join(shape), order, groups, first, second)


def _month(name: str) -> int:
    return MONTHS.index(name[:3].lower()) + 1


def _offset(zone: str, moment: dt.datetime) -> dt.timedelta:
    """How far a zone is ahead of UTC then; 0 where it is not known."""
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", zone)
    if match is not None:
        offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return -offset if match[1] == "-" else offset
    if "/" in zone:
        try:
            return ZoneInfo(zone).utcoffset(moment) or dt.timedelta(0)
        except (OSError, ValueError):
            return dt.timedelta(0)
    return dt.timedelta(0)


def pattern_sql(sql: str, parts: Sequence[Parts], order: Order) -> tuple[str, str]:
    """Write how Spark reads texts of one shape: an expression over the column `sql`, and what they are in words."""
    sample = parts[0]
    if sample.shape.startswith("unix"):
        kept = "$1 $2 $5 $3 $4" if sample.zone else "$1 $2 $5 $3"  # Spark reads no blank at the end
        cut = f"'^... (...) +([0-9]+) ([0-9:]+) (.*?) ?([0-9]{{4}})$', '{kept}'"
        zone = "" if not sample.zone else " xx" if sample.zone[0] in "+-" else " z"
        return f"to_timestamp(regexp_replace({sql}, {cut}), 'MMM d yyyy HH:mm:ss{zone}')", "dates with words"
    pattern = _pattern(parts, order)
    if _is_iso(sample):
        return sql, f"ISO times{', with ' + sample.zone if sample.zone else ''}"
    if "weekday" in sample.groups:
        sql = f"regexp_replace({sql}, '^[A-Za-z]+,? +', '')"
    if sample.shape.startswith("packed") and "fraction" in sample.groups and "." not in sample.groups["fraction"]:
        sql = f"regexp_replace({sql}, '^(.{{14}})', '$1.')"  # Spark reads no fraction that follows a digit
    if sample.half and "." in sample.half:
        sql = f"replace(replace({sql}, 'p.m.', 'PM'), 'a.m.', 'AM')"
    quote = '"' if "'" in pattern else "'"
    return f"to_timestamp({sql}, {quote}{pattern}{quote})", pattern


def _is_iso(part: Parts) -> bool:
    """Whether Spark reads it as a timestamp by itself."""
    groups = part.groups
    if not part.shape.startswith("0|sep-|sep2-") or "half" in groups or "word" in groups:
        return False
    if groups.get("glue", "T") not in ("T", " ") or groups.get("colon", ":") != ":" or groups.get("point", ".") != ".":
        return False
    return "second" in groups or ("zone" not in groups and ("minute" in groups or "hour" not in groups))


def _pattern(parts: Sequence[Parts], order: Order) -> str:
    """Write a shape as a pattern of Spark's: letters for numbers, as many as each value has digits."""
    sample, text = parts[0], parts[0].text.strip()
    spans: list[tuple[int, int, str]] = []
    at = 0
    if "weekday" in sample.groups:
        at = re.match(r"[A-Za-z]+,?\s+", text).end()  # type: ignore[union-attr]
    fields = _letters(parts, order)
    start = at
    for name, letters in fields:
        value = sample.groups[name]
        place = text.index(value, at)
        spans.append((place, place + len(value), letters))
        at = place + len(value)
    written, at = "", start
    for begin, end, letters in spans:
        written += _literal(text[at:begin]) + letters
        at = end
    return written + _literal(text[at:])


def _letters(parts: Sequence[Parts], order: Order) -> list[tuple[str, str]]:
    """The groups of a shape in the order of the text, with the letters that Spark's pattern has for each."""
    sample = parts[0]

    def width(name: str, letter: str) -> str:
        return letter if any(len(part.groups.get(name, "00")) == 1 for part in parts) else letter * 2

    year = "y" * len(sample.groups["y"])
    long = all(_LONG.fullmatch(part.groups.get("name", "").lower()) for part in parts)
    long = long and any(len(part.groups["name"]) > 3 for part in parts)
    a, b = ("d", "M") if order == "dmy" else ("M", "d")
    dates: dict[str, list[tuple[str, str]]] = {
        "0": [("y", year), ("m", width("m", "M")), ("d", width("d", "d"))],
        "1": [("a", width("a", a)), ("b", width("b", b)), ("y", year)],
        "2": [("d", width("d", "d")), ("name", "MMMM" if long else "MMM"), ("y", year)],
        "3": [("name", "MMMM" if long else "MMM"), ("d", width("d", "d")), ("y", year)],
        "packed": [("y", "yyyy"), ("m", "MM"), ("d", "dd")],
    }  # fmt: skip
    fields = dates[sample.shape.split("|")[0]]
    if "hour" in sample.groups:
        fields.append(("hour", width("hour", "h" if sample.half else "H")))
    if "minute" in sample.groups:
        fields.append(("minute", "mm"))
    if "second" in sample.groups:
        fields.append(("second", "ss"))
    if "fraction" in sample.groups:
        longest = max(len(part.groups.get("fraction", "").lstrip(".")) for part in parts)
        fields.append(("fraction", ("." if sample.shape.startswith("packed") else "") + "S" * longest))
    if sample.half:
        fields.append(("half", "a"))
    if sample.zone:
        fields.append(("zone", _zone_letters(sample.zone)))
    return fields


def _zone_letters(zone: str) -> str:
    """The letters for a zone: X reads Z as well."""
    if "/" in zone:
        return "VV"
    if re.fullmatch(r"[+-]\d{2}:\d{2}", zone):
        return "XXX"
    if re.fullmatch(r"[+-]\d{4}", zone):
        return "xx"
    if re.fullmatch(r"[+-]\d{2}|Z", zone):
        return "X"
    return "z"


def _literal(text: str) -> str:
    """Text between the numbers; letters in quotes, as patterns have other letters for numbers."""
    return re.sub(r"[A-Za-z]+", lambda match: f"'{match[0]}'", text)
