"""What init proposes for logs in many dialects; none of them is known to it by a name."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.propose.dialects import DIALECTS, Dialect, rows
from tests.propose.shop import EVENTS, proposed, table

from recaug.config import Items
from recaug.errors import ContractError
from recaug.propose.command import Paths, make_proposal


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda made: made.__name__)
def test_a_dialect_is_mapped(dialect: Callable[[], Dialect], tmp_path: Path) -> None:
    files, roles, types, options = dialect()
    made = proposed(tmp_path, files)
    events = made.sources.events
    assert {role: events.columns[role] for role in roles} == roles
    assert dict(events.event_types) == types
    if options is not None:
        assert events.options == options
    assert len(made.text.splitlines()) <= 40
    assert max(map(len, made.text.splitlines())) <= 120


def test_what_is_no_log_is_told_what_to_do(tmp_path: Path) -> None:
    rows_of_arrays = [[number, event.user, event.at, '["1", "2"]'] for number, event in enumerate(EVENTS)]
    arrays = table(["order", "customer", "made", "lines"], rows_of_arrays, ";")
    for content, line in {
        "{'user': 'u', 'new': False}\n" * 3: "as Python prints them",
        "<log><event/></log>\n": "is XML or a page",
        arrays: r"lines holds lists: cut them by source.events.sql",
    }.items():
        with pytest.raises(ContractError, match=line):
            proposed(tmp_path, {"log": content.encode()})
    body = [[e.session, e.user, e.at, f"{e.item}|{other.item}"] for e, other in pairwise(EVENTS)]
    made = proposed(tmp_path, {"log": table(["order", "customer", "created", "products"], body).encode()})
    assert "item_id holds lists, such as 2" in made.text


def catalogued(folder: Path, items: str) -> Items:
    """The section items that is proposed for a catalogue of the log's items."""
    log = table(["user", "item", "time", "type"], rows(lambda e: [e.user, e.item, e.at, e.action]))
    (folder / "log.csv").write_text(log)
    (folder / "items").write_text(items)
    made = make_proposal(Paths(str(folder / "log.csv"), str(folder / "items")), Path("shop.yaml"))
    assert made.sources.items is not None
    return made.sources.items


def test_catalogues_of_feeds_and_of_properties(tmp_path: Path) -> None:
    items = sorted({event.item for event in EVENTS})
    tags = ["|".join(letter for bit, letter in enumerate("abcde") if n + 1 >> bit & 1) for n in range(len(items))]
    feed = [
        [item, f"Thing {item}", f"A nice thing of kind {item[-1]}", tag] for item, tag in zip(items, tags, strict=True)
    ]
    read = catalogued(tmp_path, table(["id", "title", "description", "tags"], feed))
    assert (read.item_id, read.title) == ("id", "title")
    lists = catalogued(tmp_path, table(["item", "tags", "colours"], [[row[0], row[3], "red|blue"] for row in feed]))
    assert (lists.item_id, "tags" in lists.multi_valued) == ("item", True)
    packs = [[row[0], row[1], f"{n % 7 + 1},000", f"{n},50"] for n, row in enumerate(feed)]
    weighed = catalogued(tmp_path, table(["id", "title", "quantity", "price"], packs, ";"))
    assert weighed.numeric == {name: f"cast(replace({name}, ',', '.') AS double)" for name in ("quantity", "price")}
    pairs = [[item, name, value] for item in items for name, value in (("category", item[-1]), ("790", f"n{item}"))]
    with pytest.raises(ContractError, match=r"^--items: .* has a property and its value a row: .* source.items.sql"):
        catalogued(tmp_path, table(["itemid", "property", "value"], pairs))
    with pytest.raises(ContractError, match="has objects by their ids; write an object a line"):
        catalogued(tmp_path, json.dumps({item: {"name": f"Thing {item}"} for item in items}))


def test_rows_without_a_type_are_left_out_by_name(tmp_path: Path) -> None:
    body = rows(lambda e: [e.user, e.item, e.at, e.action if int(e.price) % 3 else ""])
    made = proposed(tmp_path, {"log.csv": table(["user", "item", "time", "action"], body).encode()})
    assert made.sources.events.columns["event_type"] == "coalesce(action, 'none')"
    assert made.sources.events.ignore_types == ("none",)
    assert "have an item and no type" in made.text


def test_a_time_that_stands_in_the_first_row_of_an_order_is_told(tmp_path: Path) -> None:
    first = {event.session: number for number, event in reversed([*enumerate(EVENTS)])}
    body = [[f"#{e.session}", e.user, e.at if first[e.session] == n else "", e.item, 1] for n, e in enumerate(EVENTS)]
    made = proposed(tmp_path, {"log.csv": table(["Name", "Email", "Created at", "Lineitem sku", "Qty"], body).encode()})
    assert "unsure: event_time stands in one row of each Name: fill it by" in made.text
