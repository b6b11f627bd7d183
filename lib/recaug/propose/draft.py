"""Makes a proposal of what was read: one log, or two where some records keep their items elsewhere."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recaug.propose.clock import times_of
from recaug.propose.columns import Column, Table
from recaug.propose.logs import Entry, Log, make_log
from recaug.propose.roles import Choice, Roles
from recaug.propose.samples import Sample
from recaug.propose.traits import find_amounts, find_roles
from recaug.propose.windows import find_robots, find_windows, find_zone, last_whole_day, moments_of

EXPLODED = 0.5  # what speaks against a view that takes an array apart, where another one does as well
COVERED = 0.98  # share of the records with an item, from which no further log is looked for


@dataclass
class Draft:
    """A proposal. keys: of the events that are no log's own. score: how sure it is to be an event log."""

    sample: Sample
    log: Log
    more: list[Log]
    keys: dict[str, Entry]
    prepare: dict[str, Entry]
    last_day: dt.date
    score: float


def propose(sample: Sample, is_part: bool = False) -> Draft | str:
    """Propose what a sample is; in words, what it lacks that is no event log.

    is_part: whether there are more files than were looked at.
    """
    tried = [(view, find_roles(view.table)) for view in sample.views]
    good = [(view, roles) for view, roles in tried if isinstance(roles, Roles)]
    if not good:
        return next(roles for _, roles in tried if isinstance(roles, str))
    view, roles = max(good, key=lambda pair: pair[1].score - EXPLODED * (pair[0].explode is not None))
    log = make_log(roles, view.explode, view.records)
    more = _more(sample, view.records, log)
    types = tuple(dict.fromkeys((*log.ours, *(name for other in more for name in other.ours))))
    keys = {"time_zone": find_zone(roles)}
    if (robots := find_robots(roles, types)) is not None:
        keys["robots"] = robots
    moments = moments_of(roles)
    prepare = find_windows(moments, types, sample.is_whole and not is_part)
    return Draft(sample, log, more, keys, prepare, last_whole_day(moments, roles), roles.score)


def _more(sample: Sample, records: NDArray[np.int64], log: Log) -> list[Log]:
    """A further log, of the records that have no item so, but one in another array, or in none."""
    if len(sample.views) < 2:
        return []
    covered = np.zeros(len(sample.records), dtype=bool)
    covered[records[log.roles.item.codes >= 0]] = True
    if covered.mean() > COVERED:
        return []
    others = []
    for view in sample.views:
        rows = ~covered[view.records]
        if view.explode != log.explode and rows.any():
            part = view.table.only(rows)
            if (item := _like(part, log.roles.item)) is not None:
                others.append((len(item.given), view.explode or "", view, rows, part, item))
    if not others:
        return []
    *_, view, rows, part, item = max(others, key=lambda other: other[:2])
    second = make_log(_with_item(part, item, log.roles), view.explode, view.records[rows])
    _share_types(log, second)
    return [second]


def _like(table: Table, item: Column) -> Column | None:
    """A column whose values are items of another, or that is called the same."""
    known, leaf = set(item.counts.index), item.name.rsplit(".", 1)[-1]
    for column in table.columns:
        if column.name == item.name or not column.given:
            continue
        shared = float(np.mean([value in known for value in column.counts.index]))
        called = column.name.rsplit(".", 1)[-1] == leaf
        if (called or shared > 0.5) and (shared > 0.2 or column.distinct < 10):
            return column
    return None


def _with_item(table: Table, item: Column, first: Roles) -> Roles:
    """The roles of a further log: those of the first, with the item and the amounts of its own."""
    user = first.pair.user._replace(column=table[first.user.name])
    pair = first.pair._replace(user=user, item=first.pair.item._replace(column=item))
    names = () if first.time is None else first.time.names
    time = next((time for time in times_of(table) if time.names == names), None)
    roles = Roles(table, pair, time)
    if first.type_column is not None:
        roles.type_column = table[first.type_column.name]
    own = ("item_id", "price", "quantity")
    roles.choices = {role: choice for role, choice in first.choices.items() if role not in own}
    prefix = item.name.rsplit(".", 1)[0]
    roles.choices["item_id"] = Choice(item.sql, (item.name,), f"{item.distinct:,} values, of {prefix}")
    inside = tuple(column for column in table.columns if column.name.startswith(f"{prefix}."))
    amounts = Roles(Table(inside, table.places), pair, None, choices=dict(roles.choices))
    find_amounts(amounts)
    roles.amounts, roles.choices = amounts.amounts, roles.choices | amounts.choices
    return roles


def _share_types(log: Log, second: Log) -> None:
    """Let each log ignore the types that the other takes."""
    if second.roles.type_column is None:
        return
    own, nobody = second.keys["event_types"].value, log.keys.get("ignore_types", Entry([]))
    others = [value for value in (*log.keys["event_types"].value, *nobody.value) if value not in own]
    if nobody.value:
        log.keys["ignore_types"] = Entry(nobody.value, "the log below has their items")
    if others:
        second.keys["ignore_types"] = Entry(others)
