"""Gives the columns of a log their roles, each with its evidence; what is unsure names both candidates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.propose.actions import known, meaning
from recaug.propose.amounts import Amount, read_amount
from recaug.propose.clock import times_of, weight
from recaug.propose.columns import NULLS, Column, Table, tie
from recaug.propose.people import Pair, People, Scored
from recaug.propose.times import Time
from recaug.propose.words import Idea, ideas

USER, ITEM, TIMELESS = 3.0, 1.7, 4.0  # what must speak for a user, an item, and an item where there is no time
CLOSE = 0.8  # candidates whose scores are so near are both shown
TYPES = 40  # values that an event type may have
NO_PRICE = (
    "disc",
    "rabatt",
    "tax",
    "vat",
    "mwst",
    "ship",
    "versand",
    "remise",
    "descuento",
    "sconto",
    "скидк",
    "fee",
    "lat",
    "lon",
)


class Choice(NamedTuple):
    """What a role is read from. sql: over the source's columns. names: of the columns. unsure: the other candidate."""

    sql: str
    names: tuple[str, ...]
    evidence: str
    unsure: str = ""


@dataclass
class Roles:
    """The roles of a table's columns. actions: types by the source's value, with their rows. score: how sure it is."""

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
    def user(self) -> Column:
        """The column of the user."""
        return self.pair.user.column

    @property
    def item(self) -> Column:
        """The column of the item."""
        return self.pair.item.column


def find_roles(table: Table) -> Roles | str:
    """Give the columns their roles; in words, what a table lacks that is no event log."""
    if table.rows < 3:
        return "it has fewer than 3 rows"
    times = times_of(table)
    time = times[0] if times and weight(times[0], table) > 1.5 else None
    pair = People(table, times, time).pair()
    if pair is None:
        return "it has no two columns of ids that come again"
    if (lack := _lack(table, pair, time)) is not None:
        return lack
    roles = Roles(table, pair, time, score=pair.score + (2.0 if time else 0.0))
    roles.choices["user_id"] = _id("user", pair.user, pair.users, pair.item)
    roles.choices["item_id"] = _id("item", pair.item, pair.items, pair.user)
    if time is not None:
        roles.choices["event_time"] = _time(time, times)
    _find_type(roles)
    _find_amounts(roles)
    _find_session(roles)
    _find_query(roles)
    return roles


def _lack(table: Table, pair: Pair, time: Time | None) -> str | None:
    """Say what is missing of an event log: who, what, when."""
    user, item = pair.user, pair.item
    heard = {idea for column in table.columns for idea in ideas(column.name)}
    if time is None and {"query", "rating"} <= heard and "user" not in heard:
        return "it has a query, an item and a grade, but no user and no time: judgements, not events"
    unique = next((column.name for column in table.columns if column.is_unique and column.is_code), None)
    keyed = f"; each row is one {unique}: a table of them, such as a catalogue" if unique else ""
    if item.score < ITEM or (time is None and item.score < TIMELESS):
        return f"no column is an item that several users have{keyed}"
    named = ideas(user.column.name).keys() & {"user", "session", "order"}
    if user.score < USER or (time is None and not named) or user.column.is_unique:
        return f"no column is a user or a session with several rows{keyed}"
    return None


def _id(role: Idea, chosen: Scored, others: Sequence[Scored], taken: Scored) -> Choice:
    """Read an id; numbers that a program wrote with .0 without it."""
    column, why = chosen.column, chosen.why
    sql = column.sql
    if column.native == "text" and column.share(r"\d+\.0") > 0.9:
        sql, why = f"regexp_replace({sql}, '[.]0$', '')", f"{why}; written as {column.given[0]}"
    if column.filled < 0.995:
        why = f"{why}; filled in {column.filled:.0%} of the rows"
    rival = next((other for other in others if _rivals(chosen, other, taken, role)), None)
    if rival is None:
        return Choice(sql, (column.name,), why)
    unsure = f"could be {_filled(column)} or {_filled(rival.column)}"
    return Choice(sql, (column.name,), why, unsure)


def _rivals(chosen: Scored, other: Scored, taken: Scored, role: Idea) -> bool:
    """Whether another column may as well be what is looked for: as much speaks for it, or its name does."""
    if other.column.name in (chosen.column.name, taken.column.name) or other.column.is_unique:
        return False
    heard = ideas(other.column.name)
    named = heard.get(role, 0.0) >= 0.9 and not heard.keys() & {"label", "group", "session"}
    return named or other.score > max(chosen.score - CLOSE, USER)


def _filled(column: Column) -> str:
    return f"{column.name} (filled in {column.filled:.0%})"


def _time(time: Time, times: Sequence[Time]) -> Choice:
    """Read the time; with the other reading, or the other column, where it is as good."""
    if time.other is not None:
        return Choice(time.sql, time.names, time.evidence, f"may be {time.other[0]}: no value tells day from month")
    rival = next((other for other in times[1:] if not set(other.names) & set(time.names)), None)
    if (
        rival is not None
        and rival.has_clock
        and ideas(rival.names[0]).get("time")
        and rival.moments.notna().mean() > 0.9
    ):
        return Choice(time.sql, time.names, f"{time.evidence}; {', '.join(rival.names)} is a time as well")
    return Choice(time.sql, time.names, time.evidence)


def _find_type(roles: Roles) -> None:
    """Find the event type: few values, of which words say what was done, or whose name does."""
    best, most = None, 0.0
    for column in roles.table.columns:
        heard = ideas(column.name)
        if (
            column.name in roles.taken
            or not 1 <= column.distinct <= TYPES
            or column.filled < 0.5
            or column.has_fractions
        ):
            continue
        if column.is_integer and (column.numbers < 0).any() or column.native in ("time", "real"):
            continue
        sure = known([*map(str, column.given[:5000])])
        named = heard.get("type", 0.0) - max(
            (heard.get(idea, 0.0) for idea in ("group", "rating", "order", "item", "time")), default=0
        )
        if column.distinct == 1 and (sure < 1 or named <= 0):
            continue
        decided = max(tie(roles.item.codes, column.codes), tie(roles.user.codes, column.codes) if sure < 0.3 else 0.0)
        score = (
            3 * sure + 1.5 * max(named, 0) - 2 * (decided > 0.9 and column.distinct > 1) - 0.5 * (column.filled < 0.9)
        )
        if (sure > 0.3 or named > 0.4) and score > most:
            best, most = column, score
    if best is not None:
        roles.type_column = best
        counts = ", ".join(f"{value} {rows:,}" for value, rows in list(best.counts.items())[:4])
        more = f" and {best.distinct - 4} more" if best.distinct > 4 else ""
        roles.choices["event_type"] = Choice(best.sql, (best.name,), f"rows: {counts}{more}")


def _find_amounts(roles: Roles) -> None:
    """Find the price, which an item mostly keeps, and the quantity, which is mostly 1."""
    amounts = [
        amount
        for column in roles.table.columns
        if column.name not in roles.taken and (amount := read_amount(column)) is not None and not column.is_unique
    ]
    scored = sorted(((_price(roles, amount), amount) for amount in amounts), key=lambda pair: -pair[0])
    if scored and scored[0][0] >= 2.0:
        amount = scored[0][1]
        kept = tie(roles.item.codes, amount.column.codes)
        why = f"an item keeps it in {kept:.0%} of its rows" if kept > 0.3 else "decimal, by its name"
        why = f"{amount.words}; {why}" if amount.words else why
        rival = scored[1][1].column.name if len(scored) > 1 and scored[1][0] > scored[0][0] - 0.5 else ""
        _set_amount(roles, "price", amount, why, f"could be {amount.column.name} or {rival}" if rival else "")
    for amount in sorted(amounts, key=lambda amount: -_quantity(roles, amount)):
        if _quantity(roles, amount) >= 1 and amount.column.name not in roles.taken:
            ones = float((amount.numbers == 1).mean())
            named = ideas(amount.column.name).get("quantity", 0) > 0
            why = f"{ones:.0%} are 1, up to {np.nanmax(amount.numbers):g}"
            _set_amount(roles, "quantity", amount, why, "" if named else "is so by small numbers, by no name")
            break


def _set_amount(roles: Roles, role: str, amount: Amount, why: str, unsure: str = "") -> None:
    roles.amounts[role] = amount
    roles.choices[role] = Choice(amount.sql, (amount.column.name,), why, unsure)


def _price(roles: Roles, amount: Amount) -> float:
    """What speaks for a number as the price."""
    heard, numbers = ideas(amount.column.name), amount.numbers[~np.isnan(amount.numbers)]
    if not len(numbers) or (numbers < 0).mean() > 0.3 or any(word in amount.column.name.lower() for word in NO_PRICE):
        return 0.0
    against: tuple[Idea, ...] = ("quantity", "rating", "group", "rank", "time", "order", "user", "label")
    score = 2.2 * heard.get("price", 0.0) - 2 * max(
        heard.get(idea, 0.0) - heard.get("price", 0.0) / 2 for idea in against
    )
    kept = tie(roles.item.codes, amount.column.codes)
    decimal = amount.fractions > 0.2 or bool(amount.words)
    score += 1.3 * kept * decimal + 0.8 * decimal + 0.3 * kept
    return score - 2.0 * (amount.column.distinct < 3) - 3.0 * (amount.column.share(r"-?\d*\.\d{5,}") > 0.5)


def _quantity(roles: Roles, amount: Amount) -> float:
    """What speaks for a number as the quantity."""
    heard, numbers = ideas(amount.column.name), amount.numbers[~np.isnan(amount.numbers)]
    if not len(numbers) or amount.fractions > 0.5:
        return 0.0
    score = 2 * heard.get("quantity", 0.0) - 2 * max(
        heard.get(idea, 0.0) for idea in ("rating", "group", "rank", "time")
    )
    if score > 0 or heard or "price" not in roles.amounts:
        return score
    shares = [float((numbers == number).mean()) for number in (1, 2, 3)]
    small = (
        shares[0] > 0.4 and shares[0] > shares[1] > shares[2] and (numbers < 1000).all() and (numbers >= -1000).all()
    )
    apart = max(tie(roles.item.codes, amount.column.codes), tie(roles.user.codes, amount.column.codes)) < 0.4
    return 1.0 * (small and apart and amount.column.distinct > 1)


def _find_session(roles: Roles) -> None:
    """Find the session: it belongs to one user, who has several, and its rows come in bursts."""
    best, most = None, 1.0
    for column in roles.table.columns:
        heard = ideas(column.name)
        if column.name in roles.taken or column.distinct < 2 or column.is_unique or column.filled < 0.5:
            continue
        if (
            column.has_fractions
            or heard.keys() & {"order", "group", "item", "time", "price", "quantity"}
            and "session" not in heard
        ):
            continue
        belongs = tie(column.codes, roles.user.codes)
        finer = column.distinct > 1.02 * roles.user.distinct
        score = 1.5 * heard.get("session", 0.0) + (belongs > 0.97) * 0.5 + 0.5 * finer - 2.0 * (belongs < 0.5)
        score += 0.6 * (column.is_code and belongs > 0.99 and finer and max(map(len, column.looked_at[:50])) >= 12)
        if score > most:
            best, most = column, score
    if best is not None:
        each = len(best.given) / best.distinct
        why = f"{best.distinct:,} values of {roles.user.distinct:,} users, {each:.1f} rows each"
        named = "session" in ideas(best.name)
        roles.choices["session_id"] = Choice(best.sql, (best.name,), why, "" if named else "is so by no name")


def _find_query(roles: Roles) -> None:
    """Find what users searched for: texts that an item does not decide."""
    for column in roles.table.columns:
        heard = ideas(column.name).get("query", 0.0)
        texts = column.native == "text" and not column.is_number and column.distinct > 3
        if heard < 0.5 or column.name in roles.taken or not texts or column.share(r"https?://.*") > 0.1:
            continue
        if tie(roles.item.codes, column.codes) < 0.9:
            words = float(np.mean([len(value.split()) for value in column.looked_at]))
            roles.choices["query"] = Choice(
                column.sql, (column.name,), f"{column.distinct:,} texts of {words:.1f} words"
            )
            return


def marks_of(roles: Roles) -> list[str]:
    """Other texts than the usual ones that mean that nothing is said, in the columns that have a role."""
    marks: set[str] = set()
    for column in roles.table.columns:
        if column.name in roles.taken:
            marks |= column.marks - set(NULLS)
    return sorted(marks)


def same_events(roles: Roles, more: Sequence[Column] = ()) -> int:
    """Count the rows that agree with another in user, item, time, type and more columns."""
    keys: list[NDArray[np.int64]] = [roles.user.codes, roles.item.codes]
    if roles.time is not None:
        keys.append(roles.time.moments.to_numpy().astype("datetime64[ns]").astype(np.int64))
    keys += [column.codes for column in ([roles.type_column] if roles.type_column else [])]
    keys += [column.codes for column in more]
    there = (roles.user.codes >= 0) & (roles.item.codes >= 0)
    stacked = np.stack([key[there] for key in keys], axis=1)
    return int(there.sum()) - len(np.unique(stacked, axis=0))


def types_of(roles: Roles) -> dict[str, tuple[str, bool, int, float]]:
    """By the source's type: ours, whether that is sure, its rows, and the share of them that have an item."""
    if roles.type_column is None:
        return {}
    column, items = roles.type_column, roles.item.codes >= 0
    types = {}
    for place, value in enumerate(column.counts.index):
        rows = column.values == value
        types[str(value)] = (*meaning(str(value)), int(column.counts.iloc[place]), float(items[rows].mean()))
    return types
