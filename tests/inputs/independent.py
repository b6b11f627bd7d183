"""Reads a made log and judges its rows without Spark and without recaug: what the one rule is held against."""

import csv
import datetime as dt
import gzip
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

NIGHT = dt.date(2025, 6, 3)
NULLS = {"", "NA", "N/A", "null", "NULL", "None", "nan", "NaN", "\\N"}
TYPES = {"look": "view", "basket": "cart", "order": "purchase"}
Event = tuple[str, str, dt.datetime, str]


class Fates(NamedTuple):
    """What becomes of a log's rows.

    events: each with how many rows say it. amounts: sums of price and quantity over these rows.
    """

    rows: int
    events: Counter[Event]
    ignored: int
    later: int
    quarantined: int
    amounts: tuple[float, float]


def judge(folder: Path) -> Fates:
    """Read every file below a folder and count."""
    rows = [row for path in sorted(folder.rglob("*.*")) if path.is_file() for row in _read(path)]
    fates = [_fate(row) for row in rows]
    good = [row for row, fate in zip(rows, fates, strict=True) if isinstance(fate, tuple)]
    price, quantity = (sum(_number(row.get(name)) or 0.0 for row in good if row) for name in ("cost", "n"))
    events = Counter(fate for fate in fates if isinstance(fate, tuple))
    counted = Counter(fate for fate in fates if isinstance(fate, str))
    return Fates(len(rows), events, counted["ignored"], counted["later"], counted["quarantined"], (price, quantity))


def _read(path: Path) -> Iterator[dict[str, Any] | None]:
    """The rows of a file; None for one that cannot be read."""
    if path.suffix == ".parquet":
        yield from pq.ParquetFile(path).read().to_pylist()
        return
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    if "json" in path.name:
        yield from _json(text)
        return
    separator = ";" if path.suffix == ".gz" else "\t" if path.suffix == ".tsv" else ","
    head, *lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for line in lines:
        if line:
            yield dict(zip(head, line, strict=True)) if len(line) == len(head) else None


def _json(text: str) -> Iterator[dict[str, Any] | None]:
    if text.startswith("["):
        yield from json.loads(text)
        return
    for line in text.splitlines():
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                yield None


def _fate(row: dict[str, Any] | None) -> Event | str:
    """An event, or what else a row is."""
    if row is None:
        return "quarantined"
    said = {
        name: None if value is None or value.strip(" ") in NULLS else value.strip(" ") for name, value in row.items()
    }
    time = _time(said["at"])
    if time is not None and time.date() > NIGHT:
        return "later"
    if said.get("how") == "scroll":
        return "ignored"
    user, item, type_ = said.get("who"), said.get("what"), TYPES.get(said.get("how") or "")
    readable = user is not None and item is not None and "\ufffd" not in user + item
    if not readable or time is None or time.year < 1990 or type_ is None:
        return "quarantined"
    price, quantity = (_number(row.get(name)) for name in ("cost", "n"))
    if price is False or quantity is False or (price is not None and price < 0):
        return "quarantined"
    assert user is not None
    assert item is not None
    return user, item, time, type_


def _time(text: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def _number(text: str | None) -> float | bool | None:
    """A value; None where nothing is said, False where it is no number."""
    if text is None or text.strip(" ") in NULLS:
        return None
    try:
        value = float(text)
    except ValueError:
        return False
    return value if math.isfinite(value) else False
