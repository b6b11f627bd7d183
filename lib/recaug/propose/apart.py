"""Finds what tells rows of one user, item and time apart, what orders them, and which of them are no events."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.propose.columns import NULLS, Column, tie
from recaug.propose.roles import Roles, counts_up
from recaug.propose.words import ideas

SAME = 0.02  # share of rows that agree in user, item, time and type, from which times are too coarse
GUESTS = 0.02  # share of rows without a user, from which a rule names them
NOBODY = re.compile(
    r"-?[019]|0+|(?i:anon\w*|guest\w*|gast|invit[eé]\w*|unknown|unbekannt|null|none|nobody|undefined|гость|游客|ゲスト)"
)


class Order(NamedTuple):
    """What orders rows of one time."""

    column: Column
    sql: str
    why: str


def marks_of(roles: Roles) -> list[str]:
    """Other texts than the usual ones that mean that nothing is said, in the columns that have a role."""
    marks = (column.marks for column in roles.table.columns if column.name in roles.taken)
    return sorted(set().union(*marks) - set(NULLS))


def same_events(roles: Roles, places: NDArray[np.int64], more: Sequence[Column] = ()) -> int:
    """Count the rows that agree with another in user, item, time, type and more columns.

    places: of each row in the array that it is an element of, by which two alike are told apart.
    """
    keys = [roles.user.codes, roles.item.codes, places, *(column.codes for column in more)]
    if roles.time is not None:
        keys.append(roles.time.moments.to_numpy().astype("datetime64[ns]").astype(np.int64))
    if roles.type_column is not None:
        keys.append(roles.type_column.codes)
    there = (roles.user.codes >= 0) & (roles.item.codes >= 0)
    return int(there.sum()) - len(np.unique(np.stack([key[there] for key in keys], axis=1), axis=0))


def find_unique(
    roles: Roles, explode: str | None, records: NDArray[np.int64], order: Order | None
) -> tuple[list[Column], str]:
    """Find the columns that tell events apart, and say why; no words where nothing agrees.

    records: number of the record of each row.
    """
    places = _places(records)
    same = same_events(roles, places)
    ids = [column for column in roles.free if _is_row_id(column, explode, records)]
    baskets = [column for column in roles.free if _is_basket(column, roles)]
    unique = ids[:1] or baskets[:1]
    left = same_events(roles, places, unique)
    if left and order is not None and order.column not in unique:  # its place in the session, say
        unique, left = _with(roles, places, unique, order.column)
    if left and "quantity" in roles.amounts:
        unique, left = _with(roles, places, unique, roles.amounts["quantity"].column)
    if not same:
        return unique, "tells rows apart" if unique else ""
    if not unique:
        return [], f"rows that agree in user, item, time and type: {same:,}; such copies are counted once"
    return unique, f"rows that agree in user, item, time and type: {same:,}, with it {left:,}"


def _places(records: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each row within its record: 0 where a record is one row."""
    rows = np.arange(len(records))
    begins = np.r_[True, records[1:] != records[:-1]] if len(records) else np.zeros(0, dtype=bool)
    return rows - np.maximum.accumulate(np.where(begins, rows, 0))


def _with(roles: Roles, places: NDArray[np.int64], unique: list[Column], column: Column) -> tuple[list[Column], int]:
    """Add a column, if fewer rows agree with it."""
    left, fewer = (same_events(roles, places, columns) for columns in (unique, [*unique, column]))
    return ([*unique, column], fewer) if fewer < left else (unique, left)


def _is_row_id(column: Column, explode: str | None, records: NDArray[np.int64]) -> bool:
    """Whether a column names each row, or each record whose array is exploded."""
    if column.filled < 0.98 or column.name.startswith("_c") or not column.is_code or column.has_fractions:
        return False
    if explode is not None and column.name.startswith(f"{explode}."):
        return False
    return column.distinct >= 0.995 * len(np.unique(records)) and not ideas(column.name).keys() & {
        "time",
        "price",
        "label",
    }


def _is_basket(column: Column, roles: Roles) -> bool:
    """Whether a column names orders, which have one user each."""
    if ideas(column.name).get("order", 0) < 0.9 or column.has_fractions or column.distinct < 2 or column.filled < 0.5:
        return False
    return tie(column.codes, roles.user.codes) > 0.8


def find_order(roles: Roles, records: NDArray[np.int64]) -> Order | None:
    """Find what orders rows of one time, where times are days alone: a count within the user, or over the file."""
    by_day = roles.time is None or not roles.time.has_clock
    if not by_day and same_events(roles, _places(records)) < SAME * roles.table.rows:
        return None
    for column in roles.free:
        if not column.is_integer or column.filled < 0.98 or column.name.startswith("_c"):
            continue
        sql = column.sql if column.native == "integer" else f"cast({column.sql} AS bigint)"
        within = [by for by in (roles.user, roles.session) if by is not None and counts_up(column, by)]
        if within and (ideas(column.name).keys() & {"rank", "order"} or not by_day):
            return Order(column, sql, f"grows by 1 from row to row of a {within[0].name}")
        if by_day and column.is_unique and column.ascends:
            return Order(column, sql, "unique, and grows from row to row")
    return None


def find_rules(roles: Roles) -> Iterator[tuple[str, str, str]]:
    """Rules for rows that are no events though nothing is wrong with them: (name, when, why)."""
    user, there = roles.user, roles.item.codes >= 0
    missing = float((user.codes[there] < 0).mean()) if there.any() else 0.0
    nobody = _nobody(user)
    if missing > GUESTS:
        yield "guest", _is_null(user), f"{missing:.0%} have no {user.name}"
    if nobody is not None:
        yield (
            "nobody",
            f"{user.sql} = '{nobody[0]}'",
            f"{nobody[1]:.0%} have {user.name} {nobody[0]}, which is nobody's",
        )
    if (bare := _without_item(roles)) > GUESTS:
        yield "no item", _is_null(roles.item), f"{bare:.0%} have no {roles.item.name}, whatever their type"
    if "quantity" not in roles.amounts:
        return
    amount = roles.amounts["quantity"]
    typed = amount.column.native in ("integer", "real") or amount.sql.startswith("cast(")
    sql = amount.sql if typed else f"cast({amount.sql} AS double)"
    if negative := int((amount.numbers < 0).sum()):
        why = f"{negative:,} rows of negative {amount.column.name}: cancellations, no events"
        yield "cancelled", f"{sql} < 0", why
    if zero := int((amount.numbers == 0).sum()):
        yield "nothing bought", f"{sql} = 0", f"{zero:,} rows of {amount.column.name} 0"


def _without_item(roles: Roles) -> float:
    """Share of the rows without an item though others of their type have one."""
    missing = roles.item.codes < 0
    if roles.type_column is not None:
        types = roles.type_column.codes
        missing = missing & np.isin(types, np.unique(types[~missing & (types >= 0)]))
    return float(missing.mean())


def _is_null(column: Column) -> str:
    """Say in SQL that nothing stands in a column, or a mark of that."""
    marks = ", ".join("'" + mark.replace("\\", "\\\\") + "'" for mark in sorted(column.marks))
    return f"{column.sql} IS NULL OR {column.sql} IN ({marks})" if marks else f"{column.sql} IS NULL"


def _nobody(user: Column) -> tuple[str, float] | None:
    """A value that stands for nobody: it is called so, and has more rows than anybody."""
    counts = user.counts
    if len(counts) < 3 or counts.iloc[0] < max(2 * counts.iloc[1], 0.02 * user.rows):
        return None
    value = str(counts.index[0])
    usual = float(np.median([len(str(other)) for other in counts.index[1:]]))
    named = NOBODY.fullmatch(value) and (len(value) < usual or not value.isdigit())
    return (value, float(counts.iloc[0] / user.rows)) if named else None
