"""Lays records with fields of fields and arrays out as tables: one without, and one for each array that is exploded."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recaug.propose.columns import Column, Native, Table, quoted, texts, without_marks

Record = dict[str, Any]
Path = tuple[str, ...]
MOST = 60_000  # rows of a view
WAYS = 12  # arrays that are tried


class View(NamedTuple):
    """Records as rows. explode: the array whose elements the rows are; None: a row a record.

    records: number of the record of each row.
    """

    explode: str | None
    table: Table
    records: "np.ndarray[Any, np.dtype[np.int64]]"


def views(records: Sequence[Record], places: Sequence[int], nulls: Sequence[str]) -> Iterator[View]:
    """Lay records out in each way: as they are, then by each array of them that is mostly filled.

    places: number of the file of each record.
    """
    yield _view(records, places, None, nulls)
    for path in _arrays(records[:2000]):
        yield _view(records, places, path, nulls)


def _arrays(records: Sequence[Record]) -> list[Path]:
    """Paths of the arrays in records, those within arrays included; short ones first."""
    seen: dict[Path, int] = {}
    for record in records:
        for path in set(_arrays_of(record, ())):
            seen[path] = seen.get(path, 0) + 1
    often = (path for path, times in seen.items() if times >= 0.02 * len(records))
    return sorted(often, key=lambda path: (len(path), -seen[path]))[:WAYS]


def _arrays_of(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _arrays_of(inner, (*path, name))
    elif isinstance(value, list) and value:
        yield path
        for inner in value[:5]:
            if isinstance(inner, dict):
                yield from _arrays_of(inner, path)


def _view(records: Sequence[Record], places: Sequence[int], explode: Path | None, nulls: Sequence[str]) -> View:
    rows: list[dict[Path, Any]] = []
    numbers: list[int] = []
    for number, record in enumerate(records):
        for row in _rows(record, explode):
            rows.append(row)
            numbers.append(number)
        if len(rows) > MOST:
            break
    of_records = np.array(numbers, dtype=np.int64)
    paths = list(dict.fromkeys(path for row in rows for path in row))
    laid = (_column(path, [row.get(path) for row in rows], nulls) for path in paths)
    columns = tuple(column for whole in laid for column in with_fields(whole))
    table = Table(columns, np.array(places, dtype=np.int64)[of_records])
    return View(".".join(explode) if explode else None, table, of_records)


def _rows(record: Record, explode: Path | None) -> Iterator[dict[Path, Any]]:
    """Give the rows of a record: its fields by their paths, and those of each element of the array."""
    base = dict(_leaves(record, (), explode))
    if explode is None:
        yield base
        return
    for inner in _elements(record, (), explode):
        yield {**base, **inner}


def _elements(value: Any, done: Path, ahead: Path) -> Iterator[dict[Path, Any]]:
    """Walk along a path through arrays; an array that is empty, or not there, is one row in which nothing is said."""
    if isinstance(value, list):
        if not value:
            yield {}
        for inner in value:
            yield from _elements(inner, done, ahead)
        return
    here = dict(_leaves(value, done, (*done, *ahead) if ahead else None)) if done else {}
    if not ahead:
        yield here if isinstance(value, dict) else {done: value}
        return
    below = value.get(ahead[0]) if isinstance(value, dict) else None
    for inner in _elements(below, (*done, ahead[0]), ahead[1:]) if below is not None else iter([{}]):
        yield {**here, **inner}


def _leaves(value: Any, path: Path, explode: Path | None) -> Iterator[tuple[Path, Any]]:
    """Fields that are no array, by their paths; an array that is exploded, or leads to it, is left to _elements."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)), explode)
    elif not isinstance(value, list) and path:
        yield path, value


def _column(path: Path, values: list[Any], nulls: Sequence[str]) -> Column:
    native = _native(values)
    moments = pd.Series(pd.to_datetime(values, utc=True, errors="coerce")) if native == "time" else None
    return without_marks(Column(".".join(path), quoted(path), native, texts(values, nulls), moments=moments))


def with_fields(column: Column) -> Iterator[Column]:
    """Give a column of text, and where its values are JSON objects also what their fields are."""
    yield column
    if column.native != "text" or column.share(r"(?s)\{.*\}") < 0.9 or not column.given:
        return
    records = [_object(value) for value in column.values]
    leaves = [dict(_leaves(record, (), None)) for record in records]
    for path in dict.fromkeys(path for row in leaves for path in row):
        place = "$" + "".join(f".{name}" if name.isidentifier() else f"['{name}']" for name in path)
        quote = '"' if "'" in place else "'"
        sql = f"get_json_object({column.sql}, {quote}{place}{quote})"
        yield Column(".".join((column.name, *path)), sql, "text", texts([row.get(path) for row in leaves]))


def _object(text: str | None) -> Record:
    with suppress(ValueError):
        value = json.loads(text or "{}")
        return value if isinstance(value, dict) else {}
    return {}


def _native(values: Sequence[Any]) -> Native:
    """The type that Spark gives a column of these values."""
    kinds = {type(value) for value in values if value is not None and value is not pd.NaT}
    if kinds and all(issubclass(kind, dt.date | pd.Timestamp | np.datetime64) for kind in kinds):
        return "time"
    if kinds == {bool}:
        return "boolean"
    if kinds and kinds <= {int}:
        return "integer"
    return "real" if kinds and kinds <= {int, float, Decimal} else "text"
