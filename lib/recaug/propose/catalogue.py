"""Proposes the section items: which column of a catalogue is the item, its title, and what its attributes are."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recaug.errors import ContractError
from recaug.propose.amounts import read_amount, usual_mark
from recaug.propose.columns import Column, Table, tie
from recaug.propose.logs import Entry
from recaug.propose.roles import whole_id
from recaug.propose.samples import Sample
from recaug.propose.words import ideas, split

ATTRIBUTES = 10  # that are proposed, of each kind
DECIDED = 0.7  # how far an item decides what is its own
VOCABULARY = 100  # words, of which lists of categories with blanks between them are made
DESCRIPTION = re.compile(r"(?i)descri|beschreib|omschrij|body|text|detail|описан|说明|説明")
PROPERTY = re.compile(r"(?i)prop(?:erty|erties)?|attr(?:ibute)?(?:_?name)?|feature|merkmal|eigenschaft")
LONG = 60  # letters on average, from which a text is a description


def propose_items(
    sample: Sample, place: Mapping[str, Entry], known: Sequence[str], key: str
) -> tuple[dict[str, Entry], Column]:
    """Propose the keys of the catalogue, and give the column of its items.

    place: the keys that say where it is. known: items of the events, by which its column is told. Raises ContractError
    where none is like them.
    """
    keys = dict(place)
    table = sample.views[0].table
    item, why = _item(table, set(known), key)
    _refuse_properties(table, item, key)
    keys["item_id"] = Entry(whole_id(item), why)
    if sample.format == "json_object":
        keys["title"] = Entry("cast(null AS string)", "an object of lists has no titles")
        keys["multi_valued"] = Entry({"values": "values"}, "the list of each entry")
        return keys, item
    free = [column for column in table.columns if column.name != item.name and column.filled > 0.01]
    if not item.is_unique:  # a log that names what it is of: what an item decides is the item's
        free = [column for column in free if tie(item.codes, column.codes) > DECIDED]
    title = _title(free)
    keys["title"] = _kind(free) if title is None else Entry(title.sql, f"{title.distinct:,} texts")
    return keys | _attributes([column for column in free if column is not title], sample), item


def _refuse_properties(table: Table, item: Column, key: str) -> None:
    """Raise ContractError for rows of an item, a property's name and its value, of which no column is an attribute."""
    value = next((column.name for column in table.columns if "value" in split(column.name)), None)
    named = next((column.name for column in table.columns if PROPERTY.fullmatch(column.name)), None)
    if value is not None and named is not None and not item.is_unique:
        what = f"has a {named} and its {value} a row"
        raise ContractError(f"{key} {what}: make a row an item by source.items.sql (docs/logs.md, Properties in rows)")


def _item(table: Table, known: set[str], key: str) -> tuple[Column, str]:
    """The column whose values are the items of the events."""
    scored = []
    for column in table.columns:
        values = {value.removesuffix(".0") for value in column.counts.index}
        shared = len(values & known) / max(min(len(known), len(values)), 1)
        named = ideas(column.name).get("item", 0.0) * (not column.is_prose) - ideas(column.name).get("label", 0.0)
        scored.append((shared + 0.3 * named + 0.3 * column.is_unique, shared, column))
    if not scored:
        raise ContractError(f"{key} has no columns")
    score, shared, column = max(scored, key=lambda each: each[0])
    if shared < 0.02 and score < 0.5:
        raise ContractError(f"{key} has no column of the items; it has {', '.join(c.name for c in table.columns[:8])}")
    return column, f"{shared:.0%} of the values are items of the sample"


def _title(columns: Sequence[Column]) -> Column | None:
    """The column of names: called so, of texts that mostly differ."""
    scored = []
    for column in columns:
        heard = ideas(column.name)
        if column.native != "text" or column.is_number or column.distinct < 2 or column.share(r"https?://.*") > 0.5:
            continue
        letters = float(np.mean([len(value) for value in column.looked_at]))
        differ = column.distinct / max(len(column.given), 1)
        score = 2 * heard.get("label", 0.0) + differ + column.is_prose - heard.get("group", 0.0)
        score -= DESCRIPTION.search(column.name) is not None  # where there is a title as well
        scored.append((score - 1.5 * (letters > 2 * LONG), column))
    best = max(scored, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] > 1.2 else None


def _kind(columns: Sequence[Column]) -> Entry:
    """What stands for a title where nothing is one: the words that say most closely what an item is."""
    kinds = [column for column in columns if column.is_prose and not column.is_number]
    if not kinds:
        return Entry("cast(null AS string)", "no column is a name")
    kind = max(kinds, key=lambda column: column.distinct)
    return Entry(kind.sql, f"{kind.distinct:,} kinds", "is a kind, since no column is a name")


def _attributes(columns: Sequence[Column], sample: Sample) -> dict[str, Entry]:
    """Sort the other columns into categories, lists of categories, numbers and one long text."""
    kinds: dict[str, dict[str, str]] = {"categorical": {}, "multi_valued": _arrays(sample), "numeric": {}}
    text, usual = None, usual_mark(columns)
    for column in columns:
        amount = read_amount(column, usual)
        letters = float(np.mean([len(value) for value in column.looked_at]))
        several = _separator(column)
        several = None if several == " " and letters > LONG else several  # a description of few words
        if column.native in ("time", "array") or column.share(r"https?://.*") > 0.5 or column.distinct < 2:
            continue
        if amount is not None and (amount.fractions > 0.01 or _is_amount(column)):
            kinds["numeric"][column.name] = amount.sql
        elif several:
            kinds["multi_valued"][column.name] = f"split({column.sql}, '[{several}] *')"
        elif column.is_prose and letters > LONG and not text:
            text = column
        elif column.distinct <= max(0.5 * len(column.given), 20):
            kinds["categorical"][column.name] = column.sql
    keys = {kind: Entry(dict([*named.items()][:ATTRIBUTES])) for kind, named in kinds.items() if named}
    return keys | ({"text": Entry(text.sql, f"texts of {LONG} letters and more")} if text else {})


def _is_amount(column: Column) -> bool:
    """Whether whole numbers are amounts rather than names: they are called so, or are many and spread."""
    heard = ideas(column.name)
    if heard.keys() & {"price", "quantity", "rating"}:
        return True
    return (
        not heard.keys() & {"group", "item", "label"}
        and not re.search(r"(?i)id$|code|nr$", column.name)
        and column.distinct > 50
    )


def _separator(column: Column) -> str | None:
    """What stands between several values of a text, such as genres."""
    if column.native != "text" or column.is_number:
        return None
    for sign in "|;,/ ":
        parts = [value.split(sign) for value in column.looked_at]
        many = float(np.mean([len(part) > 1 for part in parts]))
        short = float(np.mean([len(word.strip().split()) <= 3 for part in parts for word in part]))
        words = {word.strip() for part in parts for word in part}
        few = column.distinct > 2 * len(words) and (sign != " " or len(words) <= VOCABULARY)
        if many > 0.2 and short > 0.95 and few:
            return sign
    return None


def _arrays(sample: Sample) -> dict[str, str]:
    """Arrays of texts of the records."""
    arrays: dict[str, Any] = {}
    for record in sample.records[:500]:
        for name, value in record.items():
            if isinstance(value, list) and value and not isinstance(value[0], dict | list):
                arrays[name] = f"`{name}`" if not re.fullmatch(r"[A-Za-z_]\w*", name) else name
    return arrays
