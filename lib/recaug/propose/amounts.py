"""Reads columns as amounts: numbers as countries write them, with signs of money around them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.propose.columns import Column

# Signs of money stand before or after: one or two signs, an ISO code, or a few small letters after the number.
_MONEY = re.compile(
    r"^(?:[^\w\s+.,-]{1,2}|[A-Z]{1,2}\$|[A-Z]{3}|[Kk]r\.?|Rs\.?)?\s?"
    r"([+-]?\d[\d.,' \u00a0\u202f]*|[+-]?\.\d+)"
    r"(?<=\d)\s?(?:[^\w\s]{1,2}|[^\W\d_]{1,5}\.?)?$"
)


class Amount(NamedTuple):
    """A column read as a number. sql: an expression that Spark reads as one. words: how it is written, if oddly."""

    column: Column
    sql: str
    numbers: NDArray[np.float64]
    words: str

    @property
    def fractions(self) -> float:
        """Share of the numbers that are not whole."""
        given = self.numbers[~np.isnan(self.numbers)]
        return float((given != np.floor(given)).mean()) if len(given) else 0.0


def usual_mark(columns: Sequence[Column]) -> str:
    """The decimal mark of a table, by a column that tells it: 1,000 is one where another column has 12,50."""
    texts = (column for column in columns if column.native == "text" and column.given and not column.is_number)
    return "," if any(column.share(r"[+-]?\d+,\d{1,2}") > 0.9 for column in texts) else "."


def read_amount(column: Column, usual: str = ".") -> Amount | None:
    """Read a column as a number; None where it is none. usual: decimal mark where the column does not tell it."""
    if column.native in ("boolean", "time", "array") or not column.given:
        return None
    if column.is_number:
        return Amount(column, column.sql, column.numbers, "")
    cores = [match[1] if (match := _MONEY.match(value)) else None for value in column.looked_at]
    if sum(core is not None for core in cores) < 0.95 * len(cores):
        return None
    written = [core for core in cores if core is not None]
    decimal, thousands = _marks(written, usual)
    bare = written == column.looked_at
    sql = column.sql if bare else f"regexp_replace({column.sql}, '[^0-9.,+-]', '')"
    if thousands and any(thousands in core for core in written):
        sql = f"replace({sql}, '{thousands}', '')" if bare or thousands in ".," else sql
    if decimal == ",":
        sql = f"replace({sql}, ',', '.')"
    odd = "" if bare else f" with signs around them, such as {column.looked_at[0]}"
    words = f"numbers written with a decimal {'comma' if decimal == ',' else 'point'}{odd}"
    return Amount(column, f"cast({sql} AS double)", _numbers(column, decimal), words)


def _marks(written: list[str], usual: str) -> tuple[str, str | None]:
    """Tell the decimal mark and the mark between thousands."""
    last: Counter[str] = Counter()
    for core in written:
        signs = re.findall(r"[.,]", core)
        if not signs:
            continue
        digits = len(core) - 1 - max(core.rfind(","), core.rfind("."))
        if len(set(signs)) == 2 or digits != 3:
            last[core[max(core.rfind(","), core.rfind("."))]] += 1
        elif len(signs) > 1:
            last["." if signs[0] == "," else ","] += 1
    decimal = last.most_common(1)[0][0] if last else usual
    between = ("." if decimal == "," else ",", "'", " ", "\u00a0", "\u202f")
    return decimal, next((sign for sign in between if any(sign in core for core in written)), None)


def _numbers(column: Column, decimal: str) -> NDArray[np.float64]:
    keep = "," if decimal == "," else "."
    cut = [None if value is None else re.sub(rf"[^0-9{keep}+-]", "", value) for value in column.values]
    numbers = pd.to_numeric(pd.Series([value and value.replace(",", ".") for value in cut]), errors="coerce")
    return numbers.to_numpy(dtype=np.float64)
