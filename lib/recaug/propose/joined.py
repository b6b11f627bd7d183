"""Finds what was searched for among the files of a folder: in one kind of them, or in two that go together by an id."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from recaug.errors import ContractError
from recaug.propose.answers import of_cells
from recaug.propose.columns import Column, Table, quoted
from recaug.propose.groups import kinds
from recaug.propose.logs import Entry
from recaug.propose.nested import View
from recaug.propose.places import File, Place, look, pattern_of
from recaug.propose.read import read_sample
from recaug.propose.samples import Sample
from recaug.propose.searches import query_of
from recaug.propose.words import ideas

SHARED = 0.5  # share of one's ids that the other has, of two that go together


class Sampled(NamedTuple):
    """What was looked at of a place: files of one kind, and a sample of some of them."""

    place: Place
    files: tuple[File, ...]
    sample: Sample

    @property
    def said(self) -> str:
        """Such as: 24,000 rows of 2 of 91 files."""
        seen = f"{len(self.sample.files)} of {len(self.files)} files" if len(self.files) > 1 else "1 file"
        return f"{self.sample.views[0].table.rows:,} rows of {seen}"

    def keys(self) -> dict[str, Entry]:
        """Where it is, and how it is read, as the YAML has it."""
        sample, said = self.sample, self.sample.evidence
        keys = {"path": Entry(pattern_of(self.place, self.files, False))}
        keys["format"] = Entry(sample.format, said.get("format", ""))
        if sample.options:
            keys["options"] = Entry(sample.options, said.get("options", ""), sample.unsure.get("options", ""))
        if sample.names:
            keys["names"] = Entry([*sample.names], "no header")
        return keys


class Searched(NamedTuple):
    """Searches. parts: what was looked at, by the name that the query `sql` has for it; None: there is one part.

    sample: its rows, or those of the two together.
    """

    parts: Mapping[str, Sampled]
    sample: Sample
    sql: str | None = None

    @property
    def said(self) -> str:
        """As of Sampled."""
        return next(iter(self.parts.values())).said

    def keys(self) -> dict[str, Entry]:
        """Where it is, and how it is read, as the YAML has it."""
        if self.sql is None:
            return next(iter(self.parts.values())).keys()
        inputs = {name: {key: entry.value for key, entry in part.keys().items()} for name, part in self.parts.items()}
        return {"inputs": Entry(inputs), "sql": Entry(self.sql)}


def sampled_of(path: str, key: str) -> Sampled:
    """Look at the largest kind of files at a path."""
    place = look(path, key)
    files = kinds(place)[0]
    return Sampled(place, files, read_sample(place, files, key, is_catalogue=key == "--items"))


def look_for_searches(path: str, key: str) -> Searched:
    """Look at the files at a path: at those that have queries, with those that name these by an id, if there are any.

    Raises ContractError where nothing can be read.
    """
    place = look(path, key)
    read = list(_read(place, key))
    asked = [part for part in read if _has_query(part, key)]
    for told in asked:
        for other in (part for part in read if part is not told):
            if (ids := _ids(other.sample.views[0].table, told.sample.views[0].table)) is not None:
                return _joined(other, told, *ids)
    part = (asked or read)[0]
    if (answers := of_cells(part.sample.views[0].table)) is not None:
        name, rows = _name(part.files[0]), np.arange(answers.table.rows)
        sample = Sample(part.sample.files, part.sample.format, [View(None, answers.table, rows)])
        sql = f"SELECT *, {answers.sql} FROM {name}"  # nosec B608: columns of the sample
        return Searched({name: part}, sample, sql)
    return Searched({"searches": part}, part.sample)


def _read(place: Place, key: str) -> Iterator[Sampled]:
    """Each kind of files that can be read; of the only one the error."""
    groups = kinds(place)
    for files in groups:
        try:
            yield Sampled(place, files, read_sample(place, files, key))
        except ContractError:
            if len(groups) == 1:
                raise


def _has_query(part: Sampled, key: str) -> bool:
    try:
        return query_of(part.sample.views[0].table, key) is not None
    except ContractError:
        return False


def _ids(many: Table, one: Table) -> tuple[Column, Column] | None:
    """The columns by which rows of `many` name one of `one`; None where there are none, or `one` names items itself."""
    if any(ideas(column.name).get("item", 0.0) > 0.4 and not column.is_prose for column in one.columns):
        return None
    for key in (column for column in one.columns if column.is_unique and not column.is_prose):
        values = set(key.counts.index)
        for column in many.columns:
            known = float(np.mean([value in values for value in column.counts.index])) if column.given else 0.0
            if column.name == key.name and not column.is_unique and known > SHARED:
                return column, key
    return None


def _joined(many: Sampled, one: Sampled, left: Column, right: Column) -> Searched:
    """Give each row of `many` what `one` says of its id; a row whose id is unknown stays, without a query."""
    names = [_name(many.files[0]), _name(one.files[0])]
    table, other = many.sample.views[0].table, one.sample.views[0].table
    row_of = {value: row for row, value in enumerate(right.values)}
    rows = np.array([row_of.get(value, -1) for value in left.values], dtype=np.int64)
    there = {column.name for column in table.columns}
    more = [column for column in other.columns if column.name not in there]
    added = tuple(_placed(column, rows) for column in more)
    both = Table((*table.columns, *added), table.places)
    taken = ", ".join([f"{names[0]}.*", *(f"{names[1]}.{column.sql}" for column in more)])
    on = f"{names[0]}.{left.sql} = {names[1]}.{right.sql}"
    sql = f"SELECT {taken} FROM {names[0]} LEFT JOIN {names[1]} ON {on}"  # nosec B608: columns of the sample
    sample = Sample(many.sample.files, many.sample.format, [View(None, both, np.arange(table.rows))])
    return Searched(dict(zip(names, (many, one), strict=True)), sample, sql)


def _placed(column: Column, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Column:
    """A column's values in these rows, None for -1."""
    values = np.array([*column.values, None], dtype=object)[rows]
    return Column(column.name, column.sql, column.native, values, column.marks)


def _name(file: File) -> str:
    """What a query calls a file: its name without its ending."""
    return quoted([re.sub(r"\W+", "_", PurePosixPath(file.inside).name.split(".")[0])])
