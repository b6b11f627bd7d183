"""Tells who acted, and on what: by how the values of columns hang together, and by their names."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.propose.columns import Column, Table, tie
from recaug.propose.times import Time
from recaug.propose.words import Idea, ideas

# What speaks against a column, by what its name is about.
NO_USER: dict[Idea, float] = {"item": 2, "label": 1.5, "group": 2, "time": 2, "price": 3, "quantity": 3, "type": 1.5}
NO_USER |= {"query": 3, "rating": 3, "rank": 2, "order": 1}
NO_ITEM: dict[Idea, float] = {"user": 2, "label": 0.8, "group": 2, "time": 2, "price": 3, "quantity": 3, "type": 1.5}
NO_ITEM |= {"query": 3, "rating": 3, "rank": 2, "order": 2, "session": 2}
OWNER = 3.0  # what must speak for a user in whose name sessions are
GRADES = 11  # numbers of a scale from 0 to 10
MOST = 0.3  # share of the rows that one user may have
NEAR = 0.1  # of the rows that lie on average between two rows of one value: what is nearer comes in bursts


class Scored(NamedTuple):
    """A column in a role, what speaks for it, and why in words."""

    column: Column
    score: float
    why: str


class Pair(NamedTuple):
    """Who acted on what. users, items: the candidates, the best first."""

    user: Scored
    item: Scored
    score: float
    users: tuple[Scored, ...]
    items: tuple[Scored, ...]


class People:
    """Looks for the user and the item of a table.

    times: of the columns that are no ids. time: when rows happened; None where that is not known.
    """

    def __init__(self, table: Table, times: Sequence[Time], time: Time | None) -> None:
        """Choose the columns that can be ids."""
        self.table = table
        self.time = time
        timed = {name for one_time in times for name in one_time.names if _is_time(one_time, time)}
        self.ids = [column for column in table.columns if column.name not in timed and may_be_id(column)]

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The rows in order of time, or as they lie in the files."""
        if self.time is None:
            return np.arange(self.table.rows)
        return np.argsort(self.time.moments.to_numpy(), kind="stable")

    def bursts(self, column: Column) -> float:
        """Share of the steps from a value to its next row that are short: of users many, of items few."""
        rows = np.arange(self.table.rows)
        return max(self._near(column, self.order), self._near(column, rows) if self._is_grouped(column) else 0.0)

    def _is_grouped(self, column: Column) -> bool:
        """Whether the rows of one value stand together in the files."""
        codes = column.codes[column.codes >= 0]
        runs = 1 + int((codes[1:] != codes[:-1]).sum()) if len(codes) else 0
        return column.distinct > 2 and runs <= 1.1 * column.distinct + len(set(self.table.places)) * 2

    def _near(self, column: Column, order: NDArray[np.int64]) -> float:
        codes = column.codes[order]
        at = np.flatnonzero(codes >= 0)
        codes = codes[at]
        by_code = np.argsort(codes, kind="stable")
        same = codes[by_code][1:] == codes[by_code][:-1]
        if not same.any():
            return 0.0
        gaps = np.diff(by_code)[same]
        usual = len(codes) / np.bincount(codes)[codes[by_code][1:]][same]
        return float((gaps <= np.maximum(NEAR * usual, 1)).mean())

    def pair(self) -> Pair | None:
        """Find the likeliest user and item, which do not name each other; None where there is no such pair."""
        users = sorted((self.as_user(column) for column in self.ids), key=lambda scored: -scored.score)
        items = sorted((self.as_item(column) for column in self.ids), key=lambda scored: -scored.score)
        pairs = [
            Pair(user, item, user.score + item.score + self._apart(user.column, item.column), (), ())
            for user in users[:6]
            for item in items[:8]
            if user.column.name != item.column.name
        ]
        if not pairs:
            return None
        best = max(pairs, key=lambda pair: pair.score)
        if "user" not in ideas(best.user.column.name):
            best = best._replace(user=self._owner(best.user, best.item, users))
        return best._replace(users=tuple(users), items=tuple(items))

    def _owner(self, user: Scored, item: Scored, users: Sequence[Scored]) -> Scored:
        """Who has several of what comes in bursts but is not called a user, as a user has sessions."""
        for other in users:
            column = other.column
            ours = column.name in (user.column.name, item.column.name) or "group" in ideas(column.name)
            if ours or not column.is_code or column.distinct < 8 or column.counts.iloc[0] > MOST * column.rows:
                continue
            filled = column.filled >= 0.9 * user.column.filled
            coarser = filled and column.distinct < user.column.distinct and tie(user.column.codes, column.codes) > 0.97
            if (
                coarser
                and other.score >= OWNER
                and self.bursts(column) > 0.3
                and tie(item.column.codes, column.codes) < 0.5
            ):
                return other
        return user

    def as_user(self, column: Column) -> Scored:
        """What speaks for a column as the user: its name, bursts, and that it comes again."""
        heard, bursts = ideas(column.name), self.bursts(column)
        score = 3 * max(heard.get("user", 0.0), 0.4 * heard.get("session", 0.0), 0.15 * heard.get("order", 0.0))
        score -= 0.5 if heard.get("session", 0.0) > heard.get("user", 0.0) else 0.0
        score -= _against(heard, NO_USER, "user") + 1.5 * _is_few(column) + 2.0 * column.is_prose
        score += 2.5 * column.filled + 2 * bursts + 0.3 * column.is_code + _again(column)
        score -= 0.6 * (column.share(r"[^@\s]+@[^@\s]+") > 0.5)  # an id serves as well, and is nobody's address
        again = len(column.given) / max(column.distinct, 1)
        why = f"{column.distinct:,} values, {again:.1f} rows each"
        return Scored(column, score, f"{why}, {bursts:.0%} of them in bursts" if bursts > 0.3 else why)

    def as_item(self, column: Column) -> Scored:
        """What speaks for a column as the item: its name, that it comes again at many times, and what it decides."""
        heard, bursts = ideas(column.name), self.bursts(column)
        score = 3 * heard.get("item", 0.0) - _against(heard, NO_ITEM, "item") - 1.5 * _is_few(column)
        score += 1.5 * column.filled - bursts + 0.3 * column.is_code - 0.7 * column.is_prose + _again(column)
        decides, finer = self._decides(column), self._finer(column)
        score += 1.0 * (heard.get("group", 0.0) > 0 and len(decides) >= 3 and finer is None)
        score += 0.4 * min(len(decides), 3) - (1.2 if finer is not None else 0.0)
        why = f"{column.distinct:,} values, {len(column.given) / max(column.distinct, 1):.1f} rows each"
        return Scored(column, score, f"{why}; decides {', '.join(decides[:3])}" if decides else why)

    def _decides(self, column: Column) -> list[str]:
        """Other columns that a value of this one goes with, as a product goes with its name and category."""
        return [
            other.name
            for other in self.table.columns
            if other.name != column.name
            and not (self.time is not None and other.name in self.time.names)
            and 1 < other.distinct <= 1.05 * column.distinct
            and other.filled > 0.3
            and not other.is_unique
            and other.native != "time"
            and tie(column.codes, other.codes) > 0.97
        ]

    def _finer(self, column: Column) -> str | None:
        """An id of more values that decides this one, as a product decides its category."""
        for other in self.ids:
            finer = other.distinct > 1.5 * column.distinct and not other.is_unique and not other.is_prose
            if finer and tie(other.codes, column.codes) > 0.99 and tie(column.codes, other.codes) < 0.8:
                return None if self.bursts(other) > 0.5 else other.name
        return None

    def _apart(self, user: Column, item: Column) -> float:
        """What speaks for two columns as user and item: a user has several items, an item several users."""
        both = (user.codes >= 0) & (item.codes >= 0)
        if both.sum() < 2:
            return -6.0
        u, i = user.codes[both], item.codes[both]
        pairs = len(np.unique(u * (int(i.max()) + 1) + i))
        score = 1.0 * (pairs > 1.3 * len(np.unique(u))) + 1.0 * (pairs > 1.3 * len(np.unique(i)))
        return score - 4.0 * (tie(u, i) > 0.95) - 4.0 * (tie(i, u) > 0.95 and pairs > len(np.unique(i)) * 0.9)


def may_be_id(column: Column) -> bool:
    """Whether the values may name somebody or something."""
    if column.distinct < 2 or column.native in ("boolean", "array", "time") or column.filled < 0.02:
        return False
    if max(map(len, column.looked_at)) > 200 or column.share(r"(?s)\s*[{\[].*[}\]]\s*") > 0.5:
        return False
    if not column.has_fractions:
        return True
    named = ideas(column.name).keys() & {"user", "item"} and column.native == "text"
    alike = len({len(value) for value in column.looked_at}) == 1 and column.share(r"0.+") > 0  # 003.17, as a code
    return bool(named) or alike


def _is_time(read: Time, chosen: Time | None) -> bool:
    """Whether a column that reads as a time is one, and no id whose digits are as many."""
    if read is chosen or not read.is_number:
        return True
    return chosen is None or any(ideas(name).get("time") for name in read.names)


def _against(heard: dict[Idea, float], weights: dict[Idea, float], but: Idea) -> float:
    """How far a name speaks of something else, more than of what is looked for."""
    own = heard.get(but, 0.0)
    return max((weights[idea] * (loud - own / 2) for idea, loud in heard.items() if idea in weights), default=0.0)


def _is_few(column: Column) -> bool:
    """Whether there are too few values for ids: under five, or those of a scale of grades."""
    scale = column.is_number and column.distinct <= GRADES and bool(np.nanmin(column.numbers) >= 0)
    return column.distinct < 5 or (scale and bool(np.nanmax(column.numbers) < GRADES))


def _again(column: Column) -> float:
    """What it says that values come again."""
    if column.is_unique and len(column.given) > 20:
        return -3.0
    return 1.0 if len(column.given) >= 1.15 * column.distinct else -0.5
