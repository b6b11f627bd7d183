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
    name = slices[0].file.inside
    try:
        fields = cut_lines(decoded)
    except ValueError as error:
        raise ContractError(f"{key}: {name} has {error}; remove what stands above them") from error
    if fields is None:
        raise ContractError(f"{key}: {name} is text without columns; write CSV or JSON lines")
    if fields.headers is not None and fields.headers[0][0].lower().startswith("sep="):
        raise ContractError(
            f"{key}: {name} begins with {fields.headers[0][0]}, which no reader skips; remove that line"
        )
    table, padded = _table(fields, slices, encoding)
    if not table.rows:
        raise ContractError(f"{key}: {name} has no rows")
    sample = Sample([part.file for part in slices], "csv", [View(None, table, np.arange(table.rows))])
    sample.parts = {part.file: part for part in slices}
    sample.is_whole = all(part.is_whole for part in slices)
    named = fields.headers is not None
    sample.options = {"header": str(named).lower()} | fields.cut.options | (TRIMMED if padded else {})
    width = len(fields.rows[0][0])
    sample.evidence = {"format": f"{fields.even:.0%} of lines have {width} fields", "options": fields.evidence}
    if not named:
        sample.names = tuple(f"c{number + 1}" for number in range(width))
        sample.evidence["names"] = "no header, so they are numbered"
    sample.set_encoding(encoding)
    return sample


def _table(fields: Fields, slices: Sequence[Slices], encoding: Encoding) -> tuple[Table, bool]:
    """Lay the fields of all files out as columns, by their names; say whether blanks stand about them."""
    body: dict[str, list[str]] = {}
    places: list[int] = []
    for number, (rows, part) in enumerate(zip(fields.rows, slices, strict=False)):
        some = rows[: ROWS // len(slices)]
        width = len(rows[0]) if rows else 0
        for tail in part.tails:
            lines = tail.decode(encoding.python, "replace").splitlines()[1:-1]
            some += [row for row in split_rows("\n".join(lines), fields.cut) if len(row) == width]
        header = spark_names(fields.headers[number]) if fields.headers else [f"c{n + 1}" for n in range(width)]
        for name, cells in zip(header, zip(*some, strict=True), strict=False):
            column = body.setdefault(name.strip(" \t\ufeff"), [])
            column += [""] * (len(places) - len(column)) + list(cells)
        places += [number] * len(some)
    columns: list[Column] = []
    padded = 0
    for name, column in [*body.items()][:WIDE]:
        values = column + [""] * (len(places) - len(column))
        marks = frozenset(NULLS).intersection(value.strip() for value in values)
        columns += with_fields(without_marks(Column(name, quoted([name]), "text", texts(values), marks)))
        padded += float(np.mean([value != value.strip() for value in values[:500]])) > PADDED
    return Table(tuple(columns), np.array(places, dtype=np.int64)), padded >= len(body) / 2


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
