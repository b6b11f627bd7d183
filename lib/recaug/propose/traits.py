"""Finds what else the columns of a log say: what was done, for how much, how many, in which session."""

import numpy as np

from recaug.propose.actions import known, meaning
from recaug.propose.amounts import Amount, read_amount, usual_mark
from recaug.propose.columns import Column, Table, tie
from recaug.propose.roles import Choice, Roles, counts_up, find_people
from recaug.propose.words import Idea, ideas

TYPES = 40  # values that an event type may have
SHOWN = 4  # of them that are shown with their rows
PRICE, QUANTITY, SESSION = 2.0, 1.0, 1.0  # what must speak for a column in that role
NO_PRICE: tuple[str, ...] = (
    "disc",
    "rabatt",
    "tax",
    "vat",
    "mwst",
    "ship",
    "versand",
    "remise",
    "descuent",
    "scont",
    "скидк",
    "fee",
)
NO_PRICE += ("latitude", "longitude", "weight", "gewicht", "poids", "peso", "вес")


def find_roles(table: Table) -> Roles | str:
    """Give the columns their roles; in words, what a table lacks that is no event log."""
    roles = find_people(table)
    if isinstance(roles, Roles):
        find_type(roles)
        find_amounts(roles)
        _find_session(roles)
        _find_query(roles)
    return roles


def find_type(roles: Roles) -> None:
    """Find the event type: few values, of which words say what was done, or whose name does."""
    scored = [(_type(roles, column), column) for column in roles.free]
    score, best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or score <= 0:
        return
    counts = ", ".join(f"{value} {rows:,}" for value, rows in list(best.counts.items())[:SHOWN])
    more = f" and {best.distinct - SHOWN} more" if best.distinct > SHOWN else ""
    roles.type_column = best
    roles.choices["event_type"] = Choice(best.sql, (best.name,), f"rows: {counts}{more}")


def _type(roles: Roles, column: Column) -> float:
    """What speaks for a column as the event type; 0 where it cannot be."""
    filled = float((column.codes[roles.item.codes >= 0] >= 0).mean())  # rows without an item need no type
    if not 1 <= column.distinct <= TYPES or filled < 0.5 or column.has_fractions or counts_up(column, roles.user):
        return 0.0
    if column.native in ("time", "real") or (column.is_integer and bool((column.numbers < 0).any())):
        return 0.0
    heard, sure = ideas(column.name), known(column.counts.to_dict())
    others: tuple[Idea, ...] = ("group", "rating", "order", "item", "time")
    named = heard.get("type", 0.0) - max(heard.get(idea, 0.0) for idea in others)
    if (column.distinct == 1 and (sure < 1 or named <= 0)) or (sure <= 0.3 and named <= 0.4):
        return 0.0
    decided = max(tie(roles.item.codes, column.codes), tie(roles.user.codes, column.codes) if sure < 0.3 else 0.0)
    attribute = decided > 0.9 and column.distinct > 1
    return max(3 * sure + 1.5 * max(named, 0) - 2 * attribute - 0.5 * (filled < 0.9), 0.0)


def find_amounts(roles: Roles) -> None:
    """Find the price, which an item mostly keeps, and the quantity, which is mostly 1."""
    told = (column for column in roles.free if not column.is_unique or len(column.given) < 20 or _is_paid(column))
    usual = usual_mark(roles.table.columns)
    amounts = [amount for column in told if (amount := read_amount(column, usual)) is not None]
    _find_price(roles, amounts)
    scored = [(_quantity(roles, amount), amount) for amount in amounts if amount.column.name not in roles.taken]
    score, best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if best is not None and score >= QUANTITY:
        named = ideas(best.column.name).get("quantity", 0) > 0
        why = f"{(best.numbers == 1).mean():.0%} are 1, up to {np.nanmax(best.numbers):g}"
        _take(roles, "quantity", best, why, "" if named else "is so by small numbers, by no name")


def _is_paid(column: Column) -> bool:
    """Whether a column is called a price, such as the sum of a basket, of which each may be another."""
    return ideas(column.name).get("price", 0.0) >= 1.0 and not column.is_integer


def _find_price(roles: Roles, amounts: list[Amount]) -> None:
    scored = sorted(((_price(roles, amount), amount) for amount in amounts), key=lambda pair: -pair[0])
    if not scored or scored[0][0] < PRICE:
        return
    score, amount = scored[0]
    kept = tie(roles.item.codes, amount.column.codes)
    why = f"an item keeps it in {kept:.0%} of its rows" if kept > 0.3 else "by its name"
    rivals = [other.column.name for points, other in scored[1:] if points > max(score - 0.5, PRICE)]
    unsure = f"could be {amount.column.name} or {rivals[0]}" if rivals else ""
    _take(roles, "price", amount, f"{amount.words}; {why}" if amount.words else why, unsure)


def _take(roles: Roles, role: str, amount: Amount, why: str, unsure: str) -> None:
    roles.amounts[role] = amount
    roles.choices[role] = Choice(amount.sql, (amount.column.name,), why, unsure)


def _price(roles: Roles, amount: Amount) -> float:
    """What speaks for a number as the price."""
    column, numbers = amount.column, amount.numbers[~np.isnan(amount.numbers)]
    if not len(numbers) or (numbers < 0).mean() > 0.3 or any(word in column.name.lower() for word in NO_PRICE):
        return 0.0
    heard, named = ideas(column.name), ideas(column.name).get("price", 0.0)
    others: tuple[Idea, ...] = ("quantity", "rating", "group", "rank", "time", "order", "user", "item", "label")
    kept, decimal = tie(roles.item.codes, column.codes), amount.fractions > 0.2 or bool(amount.words)
    score = 2.2 * named - 2 * max(heard.get(idea, 0.0) - named / 2 for idea in others)
    score += 1.3 * kept * decimal + 0.8 * decimal + 0.3 * kept
    return score - 2.0 * (column.distinct < 3) - 3.0 * (column.share(r"-?\d*\.\d{5,}") > 0.5)


def _quantity(roles: Roles, amount: Amount) -> float:
    """What speaks for a number as the quantity."""
    heard, numbers = ideas(amount.column.name), amount.numbers[~np.isnan(amount.numbers)]
    if not len(numbers) or amount.fractions > 0.5:
        return 0.0
    others: tuple[Idea, ...] = ("rating", "group", "rank", "time")
    score = 2 * heard.get("quantity", 0.0) - heard.get("price", 0.0) - 2 * max(heard.get(idea, 0.0) for idea in others)
    if score > 0 or heard.keys() - {"price"} or "price" not in roles.amounts:
        return score
    shares = [float((numbers == number).mean()) for number in (1, 2, 3)]
    small = shares[0] > 0.4 and shares[0] > shares[1] > shares[2] and bool((np.abs(numbers) < 1000).all())
    apart = max(tie(by.codes, amount.column.codes) for by in (roles.item, roles.user)) < 0.4
    return 1.0 * (small and apart and amount.column.distinct > 1)


def _find_session(roles: Roles) -> None:
    """Find the session: it belongs to one user, who has several of them."""
    scored = [(_session(roles, column), column) for column in roles.free]
    score, best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or score <= SESSION:
        return
    why = f"{best.distinct:,} values of {roles.user.distinct:,} users, {len(best.given) / best.distinct:.1f} rows each"
    named = "session" in ideas(best.name)
    roles.choices["session_id"] = Choice(best.sql, (best.name,), why, "" if named else "is so by no name")


def _session(roles: Roles, column: Column) -> float:
    """What speaks for a column as the session."""
    heard = ideas(column.name)
    other = heard.keys() & {"order", "group", "item", "time", "price", "quantity"} and "session" not in heard
    if column.distinct < 2 or column.is_unique or column.filled < 0.5 or column.has_fractions or other:
        return 0.0
    belongs, finer = tie(column.codes, roles.user.codes), column.distinct > 1.02 * roles.user.distinct
    long = max(map(len, column.looked_at[:50])) >= 12
    score = 1.5 * heard.get("session", 0.0) + 0.5 * (belongs > 0.97) + 0.5 * finer - 2.0 * (belongs < 0.5)
    return score + 0.6 * (column.is_code and belongs > 0.99 and finer and long)


def _find_query(roles: Roles) -> None:
    """Find what users searched for: texts, called so, that an item does not decide."""
    for column in roles.free:
        texts = column.native == "text" and not column.is_number and column.distinct > 3
        if ideas(column.name).get("query", 0.0) < 0.5 or not texts or column.share(r"https?://.*") > 0.1:
            continue
        if tie(roles.item.codes, column.codes) < 0.9:
            words = float(np.mean([len(value.split()) for value in column.looked_at]))
            why = f"{column.distinct:,} texts of {words:.1f} words"
            roles.choices["query"] = Choice(column.sql, (column.name,), why)
            return


def types_of(roles: Roles) -> dict[str, tuple[str, bool, int, float]]:
    """By the source's type: ours, whether that is sure, its rows, and the share of them that have an item."""
    if roles.type_column is None:
        return {}
    column, there = roles.type_column, roles.item.codes >= 0
    types = {}
    for value, number in column.counts.items():
        rows = column.values == value
        types[str(value)] = (*meaning(str(value)), int(number), float(there[rows].mean()))
    return types
