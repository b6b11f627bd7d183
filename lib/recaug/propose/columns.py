"""A sample of a log as columns of text, and what its values say by themselves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Native = Literal["text", "integer", "real", "boolean", "time", "array"]

NULLS = ("NA", "N/A", "null", "NULL", "None", "nan", "NaN", "\\N")  # the configuration's own default
# Other marks that shops write where nothing is known; taken as such only beside other values.
MARKS = {"-", "--", "?", "n/a", "#n/a", "na", "nil", "null", "none", "nan", "(null)", "(none)", "(not set)", "<na>"}
WORDS = MARKS - {"na", "nil", "none", "nan"} | {"undefined"}  # those that no text means otherwise
MARKS |= {"undefined", "(not provided)", "\\n", "n.a.", "k.a.", "nul", "nd", "n/d", "s/d", "missing", "[null]", "#nv"}
INTEGER = r"[+-]?\d+"
REAL = r"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?"
TIED = 12_000  # rows in which columns are held against each other
UUID = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"


@dataclass(frozen=True)
class Column:
    """A column of the sample.

    name: of the source, a dotted path where it is nested. sql: how Spark's SQL reads it. native: what type it has
    there; a CSV's is text. values: text of each row, None where nothing is said. marks: the texts that stand there.
    moments: of a native time, the values as timestamps.
    """

    name: str
    sql: str
    native: Native
    values: NDArray[np.object_]
    marks: frozenset[str] = frozenset()
    moments: "pd.Series[Any] | None" = field(default=None, compare=False)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """A number for each distinct value, -1 for none."""
        return pd.factorize(self.values)[0].astype(np.int64)

    @cached_property
    def counts(self) -> "pd.Series[int]":
        """Rows of each value, the commonest first."""
        return pd.Series(self.values).value_counts()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.values)

    @cached_property
    def filled(self) -> float:
        """Share of the rows in which something is said."""
        return float((self.codes >= 0).mean()) if self.rows else 0.0

    @property
    def distinct(self) -> int:
        """How many values there are."""
        return len(self.counts)

    @cached_property
    def given(self) -> list[str]:
        """The values of the rows that have any, in order."""
        return [value for value in self.values if value is not None]

    @cached_property
    def looked_at(self) -> list[str]:
        """Some thousand of the given values, from all over the sample."""
        return self.given[:: max(len(self.given) // 3000, 1)]

    def share(self, pattern: str) -> float:
        """Share of the given values that match a pattern from end to end."""
        some = self.looked_at
        return sum(re.fullmatch(pattern, value) is not None for value in some) / len(some) if some else 0.0

    @cached_property
    def is_integer(self) -> bool:
        """Whether all values but a few are whole numbers."""
        return self.share(INTEGER) > 0.98

    @cached_property
    def is_number(self) -> bool:
        """Whether all values but a few are numbers as programs write them."""
        return self.share(REAL) > 0.98

    @cached_property
    def has_fractions(self) -> bool:
        """Whether it has numbers some of which are not whole, other than by `.0`."""
        return self.is_number and self.share(r"[+-]?\d*\.\d*[1-9]\d*(?:[eE].*)?") > 0.01

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The values as numbers, nan where they are none."""
        return pd.to_numeric(pd.Series(self.values), errors="coerce").to_numpy(dtype=np.float64)

    @cached_property
    def is_code(self) -> bool:
        """Whether the values look like codes: without blanks, with digits, or all hexadecimal."""
        return self.share(r"(?=.*\d)\S+|[0-9a-fA-F-]{8,}") > 0.9

    @cached_property
    def is_prose(self) -> bool:
        """Whether many values are several words."""
        return self.native == "text" and self.share(r"(?s)\S*[^\W\d].*\s.*[^\W\d].*") > 0.3

    @cached_property
    def is_unique(self) -> bool:
        """Whether hardly a value comes twice."""
        return len(self.given) >= 2 and self.distinct >= 0.995 * len(self.given)

    @cached_property
    def ascends(self) -> bool:
        """Whether numbers, or the digits at the end of codes, grow from row to row."""
        ends = [re.search(r"\d{1,18}$", value) for value in self.looked_at]
        steps = np.diff([int(end[0]) for end in ends if end is not None])
        return len(steps) > 2 and float((steps > 0).mean()) > 0.97

    def only(self, rows: NDArray[np.bool_]) -> "Column":
        """Keep some rows."""
        moments = None if self.moments is None else self.moments[rows].reset_index(drop=True)
        return Column(self.name, self.sql, self.native, self.values[rows], self.marks, moments)


@dataclass(frozen=True)
class Table:
    """The sample's rows. places: number of the file of each row, in the order of the files."""

    columns: tuple[Column, ...]
    places: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.places)

    def __getitem__(self, name: str) -> Column:
        """Give the column of a name."""
        return next(column for column in self.columns if column.name == name)

    def only(self, rows: NDArray[np.bool_]) -> "Table":
        """Keep some rows."""
        return Table(tuple(column.only(rows) for column in self.columns), self.places[rows])


def tie(by: NDArray[np.int64], column: NDArray[np.int64]) -> float:
    """How far `by` decides the column: 1 if rows of one value of `by` agree in it, 0 if no more than any two rows.

    by, column: codes, -1 for none; of long ones the first TIED are looked at. 0 where no value of `by` comes twice.
    """
    both = (by[:TIED] >= 0) & (column[:TIED] >= 0)
    x, y = by[:TIED][both], column[:TIED][both]
    if len(x) < 2:
        return 0.0
    per_x, per_y = np.bincount(x), np.bincount(y)
    again = per_x >= 2
    if not again.any():
        return 0.0
    pairs, per_pair = np.unique(x * len(per_y) + y, return_counts=True)
    same = np.bincount(pairs // len(per_y), weights=per_pair * (per_pair - 1.0), minlength=len(per_x))
    agree = float(np.sum((same / np.maximum(per_x - 1, 1))[again]) / np.sum(per_x[again]))
    base = float(np.sum(per_y * (per_y - 1.0)) / (len(y) * (len(y) - 1.0)))
    return 1.0 if base >= 1 else max((agree - base) / (1 - base), 0.0)


def texts(values: Sequence[Any], marks: Sequence[str] = NULLS) -> NDArray[np.object_]:
    """Make values of a source texts; blanks and marks are None."""
    none = frozenset(marks) | {""}
    if all(type(value) is str for value in values):
        trimmed = [value.strip() for value in values]
        return np.array([None if value in none else value for value in trimmed], dtype=object)
    return np.array([_text(value, none) for value in values], dtype=object)


def _text(value: Any, marks: frozenset[str]) -> str | None:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        return str(int(value))
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    trimmed = str(value).strip()
    return None if trimmed in marks else trimmed


def without_marks(column: Column) -> Column:
    """Leave out other marks that mean that nothing is said: in numbers any, in texts those that mean nothing else."""
    marks = {value for value in column.counts.index if value.lower() in MARKS}
    if not marks or column.native != "text":
        return column
    rest = [value for value in column.looked_at if value not in marks]
    number = sum(re.fullmatch(r"[^\d]{0,4}[+-]?[\d.,]+[^\d]{0,4}", value) is not None for value in rest) > 0.98 * len(
        rest
    )
    marks = marks if number and rest else {value for value in marks if value.lower() in WORDS}
    values = np.array([None if value in marks else value for value in column.values], dtype=object)
    return Column(column.name, column.sql, column.native, values, column.marks | marks)


def quoted(path: Sequence[str]) -> str:
    """Write a column, or a field of nested ones, as SQL: names with odd characters in backticks."""
    return ".".join(_quoted(name) for name in path)


def _quoted(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in {"null", "true", "false"}:
        return name
    return "`" + name.replace("`", "``") + "`"
