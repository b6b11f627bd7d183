"""Reads lines of text: fields with a separator, or a user and its items a line."""

from collections.abc import Sequence

import numpy as np

from recaug.errors import ContractError
from recaug.propose.columns import NULLS, Column, Table, quoted, texts, without_marks
from recaug.propose.delimited import Fields, cut_lines, sequence_lines, spark_names, split_rows
from recaug.propose.encodings import Encoding
from recaug.propose.nested import View, with_fields
from recaug.propose.samples import ROWS, Sample
from recaug.propose.slices import Slices

WIDE = 300  # columns that are looked at
PADDED = 0.9  # share of values with blanks about them, from which a column is written so
TRIMMED = {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}


def read_lines(slices: Sequence[Slices], decoded: Sequence[str], encoding: Encoding, key: str) -> Sample:
    """Read text files. Raises ContractError for text without columns."""
    if (rows := sequence_lines(decoded[0])) is not None:
        return _sequences(slices, rows)
    fields, name = cut_lines(decoded), slices[0].file.inside
    if fields is None:
        raise ContractError(f"{key}: {name} is text without columns; write CSV or JSON lines")
    if fields.header is not None and fields.header[0].lower().startswith("sep="):
        raise ContractError(f"{key}: the first line of {name} is {fields.header[0]}, which no reader skips; remove it")
    table, padded = _table(fields, slices, encoding)
    if not table.rows:
        raise ContractError(f"{key}: {name} has no rows")
    sample = Sample([part.file for part in slices], "csv", [View(None, table, np.arange(table.rows))])
    sample.parts = {part.file: part for part in slices}
    sample.is_whole = all(part.is_whole for part in slices)
    sample.options = {"header": "true" if fields.header else "false"} | fields.cut.options | (TRIMMED if padded else {})
    sample.evidence = {"format": f"{fields.even:.0%} of lines have {fields.width} fields", "options": fields.evidence}
    if not fields.header:
        sample.names = tuple(column.name for column in table.columns if "." not in column.name)
        sample.evidence["names"] = "no header, so they are numbered"
    sample.set_encoding(encoding)
    return sample


def _table(fields: Fields, slices: Sequence[Slices], encoding: Encoding) -> tuple[Table, bool]:
    """Lay the fields out as columns; say whether blanks stand about them."""
    body: list[list[str]] = []
    places: list[int] = []
    for number, (rows, part) in enumerate(zip(fields.rows, slices, strict=True)):
        more = [tail.decode(encoding.python, "replace").splitlines()[1:-1] for tail in part.tails]
        tails = [row for lines in more for row in split_rows("\n".join(lines), fields.cut)]
        whole = [row for row in (*rows[: ROWS // len(slices)], *tails) if len(row) == fields.width]
        body += whole
        places += [number] * len(whole)
    numbered = [f"c{number + 1}" for number in range(fields.width)]
    names = [name.strip(" \t\ufeff") for name in spark_names(fields.header)] if fields.header else numbered
    columns: list[Column] = []
    padded = 0
    for name, values in zip(names[:WIDE], zip(*body, strict=True), strict=False):
        marks = frozenset(NULLS).intersection(value.strip() for value in values)
        column = Column(name, quoted([name]), "text", texts(values), marks)
        columns += with_fields(without_marks(column))
        padded += float(np.mean([value != value.strip() for value in values[:500]])) > PADDED
    return Table(tuple(columns), np.array(places, dtype=np.int64)), padded >= fields.width / 2


def _sequences(slices: Sequence[Slices], rows: Sequence[Sequence[str]]) -> Sample:
    """Lay lines out as user, position and item."""
    rows = rows[: ROWS // 4]
    values = {
        "user": [row[0] for row in rows for _ in row[1:]],
        "item": [item for row in rows for item in row[1:]],
        "position": [str(place) for row in rows for place in range(len(row) - 1)],
    }
    columns = tuple(Column(name, name, "text", texts(given)) for name, given in values.items())
    table = Table(columns, np.zeros(len(values["user"]), dtype=np.int64))
    sample = Sample([part.file for part in slices], "sequences", [View(None, table, table.places)])
    sample.evidence["format"] = "each line is a user and its items, in the order of time"
    sample.parts = {part.file: part for part in slices}
    return sample
