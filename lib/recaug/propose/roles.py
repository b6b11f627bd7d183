"""Finds who did what, when, in the columns of a log; what is unsure names both candidates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from recaug.propose.amounts import Amount
from recaug.propose.clock import times_of, weight
from recaug.propose.columns import Column, Table
from recaug.propose.people import Pair, People, Scored
from recaug.propose.times import Time
from recaug.propose.words import Idea, ideas

USER, ITEM, TIMELESS = 3.0, 1.7, 4.0  # what must speak for a user, an item, and an item where there is no time
TIME = 1.5  # what must speak for a time
CLOSE = 0.8  # candidates whose scores are so near are both shown
CUT = "cut them by source.events.sql (docs/logs.md, Lists in a cell)"
FILL = "fill it by source.events.sql (docs/logs.md, Once an order)"
FEWEST = 3  # rows that say anything


class Choice(NamedTuple):
    """What a role is read from. sql: over the source's columns. names: of the columns. unsure: what it may be else."""

    sql: str
    names: tuple[str, ...]
    evidence: str
    unsure: str = ""


@dataclass
class Roles:
    """The roles of a table's columns, by the names that the YAML has for them. score: how sure the log is one."""

    table: Table
    pair: Pair
    time: Time | None
    choices: dict[str, Choice] = field(default_factory=dict)
    type_column: Column | None = None
    amounts: dict[str, Amount] = field(default_factory=dict)
    score: float = 0.0

    @property
    def taken(self) -> set[str]:
        """Names of the columns that have a role."""
        return {name for choice in self.choices.values() for name in choice.names}

    @property
    def free(self) -> list[Column]:
        """The columns that have none."""
        return [column for column in self.table.columns if column.name not in self.taken]

    @property
    def user(self) -> Column:
        """The column of the user."""
        return self.pair.user.column

    @property
    def session(self) -> Column | None:
        """The column of the session, if there is one."""
        return self.table[self.choices["session_id"].names[0]] if "session_id" in self.choices else None

    @property
    def item(self) -> Column:
        """The column of the item."""
        return self.pair.item.column


def find_people(table: Table) -> Roles | str:
    """Find user, item and time; in words, what a table lacks that is no event log."""
    if table.rows < FEWEST:
        return f"it has fewer than {FEWEST} rows"
    times = times_of(table)
    time = times[0] if times and weight(times[0], table) > TIME else None
    pair = People(table, times, time).pair()
    if pair is None:
        return "it has no two columns of ids that come again"
    if (lack := _lack(table, pair, time, {name for read in times for name in read.names})) is not None:
        return lack
    roles = Roles(table, pair, time, score=pair.score + (2.0 if time else 0.0))
    roles.choices["user_id"] = _id("user", pair.user, pair.users, pair.item)
    roles.choices["item_id"] = _id("item", pair.item, pair.items, pair.user)
    if time is not None:
        roles.choices["event_time"] = when(time, times)
        if (whole := _filled_once(table, time)) is not None:
            unsure = f"stands in one row of each {whole}: {FILL}"
            roles.choices["event_time"] = roles.choices["event_time"]._replace(unsure=unsure)
    return roles


def _lack(table: Table, pair: Pair, time: Time | None, timed: set[str]) -> str | None:
    """Say what is missing of an event log: who, what, when. timed: columns that are times."""
    user, item = pair.user, pair.item
    heard = {idea for column in table.columns for idea in ideas(column.name)}
    if time is None and {"query", "rating"} <= heard and "user" not in heard:
        return "it has a query, an item and a grade, but no user and no time: judgements, not events"
    ids = (column.name for column in table.columns if column.is_unique and column.is_code and column.name not in timed)
    unique = next(ids, None)
    keyed = f"; each row is one {unique}: a table of them, such as a catalogue" if unique else ""
    lists = next((column.name for column in table.columns if column.native == "text" and _is_list(column)), None)
    keyed += f"; {lists} holds lists: {CUT}" if lists else ""
    if item.score < ITEM or (time is None and item.score < TIMELESS):
        return f"no column is an item that several users have{keyed}"
    named = ideas(user.column.name).keys() & {"user", "session", "order"}
    if user.score < USER or (time is None and not named) or user.column.is_unique:
        return f"no column is a user or a session with several rows{keyed}"
    return None


def _filled_once(table: Table, time: Time) -> str | None:
    """The column of orders of which each names its time in one row, as exports of several rows an order do."""
    given = time.moments.notna().to_numpy()
    if given.mean() > 0.9:
        return None
    for column in table.columns:
        if column.name not in time.names and column.filled > 0.99 and column.is_code:
            times_each = np.bincount(column.codes[column.codes >= 0], weights=given[column.codes >= 0])
            if len(times_each) > 1 and float((times_each == 1).mean()) > 0.95:
                return column.name
    return None


def _id(role: Idea, chosen: Scored, others: Sequence[Scored], taken: Scored) -> Choice:
    """Read an id; numbers that a program wrote with .0 without it."""
    column, why = chosen.column, chosen.why
    if column.filled < 0.995:
        why = f"{why}; filled in {column.filled:.0%} of the rows"
    sql = whole_id(column)
    if sql != column.sql:
        why = f"{why}; written as {column.given[0]}"
    rival = next((other for other in others if _rivals(role, chosen, other, taken)), None)
    unsure = "" if rival is None else f"could be {_filled(column)} or {_filled(rival.column)}"
    if _is_list(column):
        unsure = f"holds lists, such as {column.given[0][:16]}: {CUT}"
    return Choice(sql, (column.name,), why, unsure)


def _is_list(column: Column) -> bool:
    """Whether a cell holds several ids, which come again as whole cells do not; or an array as JSON."""
    if column.share(r"(?s)\s*\[.*\]\s*") > 0.5:
        return True
    for mark in "|;,":
        parts = [value.split(mark) for value in column.looked_at]
        several = sum(len(cut) > 1 for cut in parts) > 0.3 * len(parts)
        of_lists = [part.strip() for cut in parts for part in cut]
        if several and len(set(of_lists)) < 0.5 * len(of_lists) and len(set(of_lists)) < column.distinct:
            return True
    return False


def whole_id(column: Column) -> str:
    """Read an id as SQL, without the .0 that a program wrote behind each."""
    written = column.native == "text" and column.share(r"\d+\.0") > 0.9
    return f"regexp_replace({column.sql}, '[.]0$', '')" if written else column.sql


def counts_up(column: Column, user: Column) -> bool:
    """Whether numbers grow by 1 from row to row of a user, mostly."""
    if not column.is_integer:
        return False
    frame = pd.DataFrame({"user": user.codes, "number": column.numbers})
    steps = frame.groupby("user")["number"].diff().dropna()
    return len(steps) > 0 and float((steps == 1).mean()) > 0.7


def _rivals(role: Idea, chosen: Scored, other: Scored, taken: Scored) -> bool:
    """Whether another column may as well be what is looked for: as much speaks for it, or its name does."""
    if other.column.name in (chosen.column.name, taken.column.name) or other.column.is_unique:
        return False
    heard = ideas(other.column.name)
    named = heard.get(role, 0.0) >= 0.9 and not heard.keys() & {"label", "group", "session"}
    return named or other.score > max(chosen.score - CLOSE, USER)


def _filled(column: Column) -> str:
    return f"{column.name} (filled in {column.filled:.0%})"


def when(time: Time, times: Sequence[Time]) -> Choice:
    """Read the time; with the other reading where it is as good, and the other time where there is one."""
    if time.other is not None:
        return Choice(time.sql, time.names, time.evidence, f"may be {time.other[0]}: {time.other[1]}")
    for other in times[1:]:
        apart = not set(other.names) & set(time.names)
        if apart and other.has_clock and ideas(other.names[0]).get("time") and other.moments.notna().mean() > 0.9:
            return Choice(time.sql, time.names, f"{time.evidence}; {', '.join(other.names)} is a time as well")
    return Choice(time.sql, time.names, time.evidence)
