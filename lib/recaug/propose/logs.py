"""Writes the roles of a table as the keys of a log, each with its evidence."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.propose.apart import find_order, find_rules, find_unique, marks_of
from recaug.propose.columns import NULLS, Column, tie
from recaug.propose.roles import Roles
from recaug.propose.traits import types_of
from recaug.propose.words import Idea, ideas

ORDER_ONLY = dt.date(2020, 1, 1)  # the day that stands for a log that knows the order alone
NOTHING = "none"  # what rows without a type are called
NO_ITEM = 0.02  # share of a type's rows with an item, below which it is no event of items
FEW_TYPES = 12  # words in which a column may say what was done, though none of them is known
ROLES = ("user_id", "item_id", "event_time", "event_type", "price", "quantity", "query", "session_id")


class Entry(NamedTuple):
    """A key of the YAML. comment: its evidence. unsure: what it may be else."""

    value: Any
    comment: str = ""
    unsure: str = ""


@dataclass
class Log:
    """A log's keys. explode: the array whose elements its rows are. ours: the types that its events have."""

    roles: Roles
    explode: str | None
    columns: dict[str, Entry] = field(default_factory=dict)
    keys: dict[str, Entry] = field(default_factory=dict)
    rules: list[tuple[dict[str, str], str]] = field(default_factory=list)
    ours: tuple[str, ...] = ()


def make_log(roles: Roles, explode: str | None, records: NDArray[np.int64]) -> Log:
    """Write the roles of a table as the keys of a log. records: number of the record of each row."""
    log = Log(roles, explode)
    if explode is not None:
        log.keys["explode"] = Entry(explode, "each element of this array is a row")
    columns = {role: Entry(choice.sql, choice.evidence, choice.unsure) for role, choice in roles.choices.items()}
    if roles.time is None:
        columns["event_time"] = _order_only(roles)
    columns["event_type"] = _set_types(roles, log, columns.get("event_type"))
    if untyped := _without_type(roles, log):
        columns["event_type"] = untyped
    log.columns = {role: columns[role] for role in ROLES if role in columns}
    order = None if "position" in log.columns["event_time"].value else find_order(roles, records)
    unique, why = find_unique(roles, explode, records, order)
    if why:
        log.keys["unique_by"] = Entry([column.sql for column in unique], why)
    if order is not None:
        log.keys["order_by"] = Entry(order.sql, order.why)
    if marks := marks_of(roles):
        log.keys["nulls"] = Entry([*NULLS, *marks], f"{', '.join(marks)} mean that nothing is said")
    log.rules = [({"name": name, "when": when}, why) for name, when, why in find_rules(roles)]
    return log


def _order_only(roles: Roles) -> Entry:
    """Make a time of what orders the rows of a user."""
    day = f"timestamp '{ORDER_ONLY}'"
    if any(column.name == column.sql == "position" for column in roles.table.columns):
        return Entry(f"timestamp_seconds(unix_seconds({day}) + position)", "no time is known, only the order")
    return Entry(day, "no column is a time: the rows keep the order of their file", "may be in another file")


def _set_types(roles: Roles, log: Log, given: Entry | None) -> Entry:
    """Set what the types mean, and give the column: the one that says what was done, or what all rows are."""
    types = types_of(roles)
    if not types or given is None:
        ours, why, unsure = default_type(roles)
        log.keys["event_types"], log.ours = Entry({ours: ours}), (ours,)
        return Entry(f"'{ours}'", why, unsure)
    ignored = [value for value, (*_, share) in types.items() if share < NO_ITEM]
    kept = {value: ours for value, (ours, *_) in types.items() if value not in ignored}
    strange = [value for value, (_, sure, *_) in types.items() if not sure and value in kept]
    unsure = f"do not say what {', '.join(strange[:6])} mean{'s' * (len(strange) == 1)}" if strange else ""
    log.keys["event_types"] = Entry(kept, "" if strange else "by their words", unsure)
    if ignored:
        rows = sum(types[value][2] for value in ignored)
        log.keys["ignore_types"] = Entry(ignored, f"{rows:,} rows, none of which has an item")
    log.ours = tuple(dict.fromkeys(kept.values()))
    return given


def _without_type(roles: Roles, log: Log) -> Entry | None:
    """Leave rows that have no type out, under a type of their own; None where there are few."""
    column = roles.type_column
    if column is None or column.native != "text" or column.marks:
        return None
    untyped = column.codes < 0
    rows, with_item = int(untyped.sum()), int((untyped & (roles.item.codes >= 0)).sum())
    if rows < NO_ITEM * roles.table.rows:
        return None
    ignored = log.keys["ignore_types"].value if "ignore_types" in log.keys else []
    unsure = f"leaves {with_item:,} rows out that have an item and no type" if with_item > NO_ITEM * rows else ""
    log.keys["ignore_types"] = Entry([*ignored, NOTHING], f"{rows:,} rows without a type", unsure)
    entry = roles.choices["event_type"]
    return Entry(f"coalesce({column.sql}, '{NOTHING}')", entry.evidence, entry.unsure)


def default_type(roles: Roles) -> tuple[str, str, str]:
    """Say what rows are that name no type: (ours, why, what it may be else)."""
    graded = [column for column in roles.table.columns if _is_grade(column, roles)]
    session = "session" in ideas(roles.user.name) or "session_id" in roles.choices
    bought = [*(name for name in roles.choices.get("quantity", ("", ()))[1]), *_called(roles, "order")]
    dated = roles.time is not None and not roles.time.has_clock
    if graded and "quantity" not in roles.choices:
        named = "rating" in ideas(graded[0].name)
        prose = any(column.is_prose and column.name not in roles.taken for column in roles.table.columns)
        ours, why = ("review" if prose else "rating"), f"{graded[0].name} grades"
        unsure = "" if named else "may be view or purchase"
    elif session and "quantity" not in roles.choices:
        ours, why, unsure = "view", "rows of sessions are views", "may be purchase"
    elif bought:
        ours, why, unsure = "purchase", f"{bought[0]} is of purchases", ""
    elif "price" in roles.choices or dated:
        ours, why = "purchase", f"{'a price' if 'price' in roles.choices else 'a day without a time'} is of purchases"
        unsure = "may be view"
    else:
        ours, why, unsure = "view", "nothing says what was done", "may be purchase"
    if unsure and (words := _in_unknown_words(roles)) is not None:
        counts = ", ".join(f"{value} {rows:,}" for value, rows in words.counts.items())
        unsure += f", or be said by {words.name}: {counts}"
    return ours, f"no column is a type; {why}", unsure


def _in_unknown_words(roles: Roles) -> Column | None:
    """A column of a few words, none of them known, that go neither by the user nor by the item."""
    few = [column for column in roles.free if column.native == "text" and 2 <= column.distinct <= FEW_TYPES]
    for column in sorted(few, key=lambda column: "type" not in ideas(column.name)):
        by_whom = max(tie(by.codes, column.codes) for by in (roles.item, roles.user))
        if by_whom < 0.5 and not column.is_number and not ideas(column.name).keys() - {"type"}:
            return column
    return None


def _called(roles: Roles, idea: Idea) -> list[str]:
    """Columns whose name is about something."""
    return [column.name for column in roles.table.columns if ideas(column.name).get(idea, 0.0) >= 0.9]


def _is_grade(column: Column, roles: Roles) -> bool:
    """Whether a column holds grades: it is called so, or has few numbers up to 10, mostly high ones."""
    heard = ideas(column.name)
    if column.name in roles.taken or not column.is_number or not 3 <= column.distinct <= 21:
        return False
    if heard:
        return heard.get("rating", 0.0) > 0.4
    numbers = column.numbers[~np.isnan(column.numbers)]
    within = bool((numbers >= 0).all() and (numbers <= 10).all())
    apart = max(tie(by.codes, column.codes) for by in (roles.item, roles.user)) < 0.5
    return within and apart and float(np.median(numbers)) > (numbers.min() + numbers.max()) / 2
