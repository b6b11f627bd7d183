"""Searches whose answer is a list: in a cell with marks between, or in an array of JSON; and what came of each item."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from recaug.propose.actions import meaning
from recaug.propose.columns import Column, Table, quoted
from recaug.propose.nested import Record, View
from recaug.propose.times import read_time
from recaug.propose.words import ideas

MARKS = "|;, "  # that stand between items; items have none
ITEM, PLACE = "shown_item", "pos"  # what the query calls an item of a list, and its place from 0
WITHIN = 0.95  # of a list's items that the list of what was shown has as well


class Answers(NamedTuple):
    """Rows of a search each, made rows of an item each. sql: what a query selects to make them."""

    table: Table
    sql: str


def of_cells(table: Table) -> Answers | None:
    """Make each item of a list in a cell a row; None where no cell holds a list of items.

    The longest lists are what was shown; others, of some of these items, become columns that say whether a row's item
    is in them, such as whether it was clicked.
    """
    lists = {column.name: cut for column in table.columns if (cut := _cut(column)) is not None}
    if not lists:
        return None
    shown, (mark, cells) = max(lists.items(), key=lambda named: sum(map(len, named[1][1])))
    rows = np.repeat(np.arange(table.rows), [len(cell) for cell in cells])
    items = np.array([item for cell in cells for item in cell], dtype=object)
    places = np.array([str(place) for cell in cells for place in range(len(cell))], dtype=object)
    columns = [Column(ITEM, ITEM, "text", items), Column(PLACE, PLACE, "integer", places)]
    for column in table.columns:
        if column.name == shown:
            continue
        if column.name not in lists:
            columns.append(Column(column.name, column.sql, column.native, column.values[rows], column.marks))
            continue
        sign, others = lists[column.name]
        inside = [item in others[row] for row, item in zip(rows, items, strict=True)]
        sql = f"array_contains(split({column.sql}, '[{sign}] *'), {ITEM})"
        columns.append(_flag(column.name, sql, inside))
    split = f"posexplode(split({table[shown].sql}, '[{mark}] *')) AS ({PLACE}, {ITEM})"
    return Answers(Table(tuple(columns), table.places[rows]), split)


def _cut(column: Column) -> tuple[str, list[list[str]]] | None:
    """The lists of items that a column holds, and what stands between them; None where it holds none.

    It is called items, or what was done to them; what was searched for and titles are words, which are no items.
    """
    heard = ideas(column.name)
    named = (heard.get("item", 0.0) > 0.4 or meaning(column.name).sure) and not heard.keys() & {"query", "label"}
    if column.native != "text" or not named or column.is_prose or read_time(column) is not None:
        return None
    for mark in MARKS:
        cells = [[] if value is None else [part.strip() for part in value.split(mark)] for value in column.values]
        parts = [part for cell in cells for part in cell]
        several = np.mean([len(cell) > 1 for cell in cells])
        if several > 0.2 and not any(not part or set(part) & set(MARKS) for part in parts):
            return mark, cells
    return None


def flags_of(view: View, records: Sequence[Record], item: Column) -> Iterator[Column]:
    """Columns that say whether a row's item is in another array of its record, such as of what was clicked.

    view: whose rows are the elements of an array of the records.
    """
    kind = {"text": str, "integer": int}.get(item.native)
    names = dict.fromkeys(name for record in records for name, value in record.items() if isinstance(value, list))
    for name in names:
        lists = [record.get(name) or [] for record in records]
        elements = [element for some in lists for element in some]
        if name == (view.explode or "").split(".")[0] or not all(type(element) is kind for element in elements):
            continue
        texts = [{str(element) for element in some} for some in lists]
        inside = [value in texts[record] for record, value in zip(view.records, item.values, strict=True)]
        if elements and sum(inside) >= WITHIN * sum(map(len, texts)):
            yield _flag(name, f"array_contains({quoted([name])}, {item.sql})", inside)


def _flag(name: str, sql: str, inside: Sequence[bool]) -> Column:
    return Column(name, sql, "boolean", np.array([str(each).lower() for each in inside], dtype=object))
