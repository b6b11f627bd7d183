"""A made-up shop's log, in the dialects that shops write."""

import csv
import datetime as dt
import io
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from recaug.config import loads
from recaug.propose.command import Paths, Proposal, make_proposal

START = dt.datetime(2025, 3, 3)
DAYS = 20


class Event(NamedTuple):
    """Who did what with which item, when."""

    user: str
    item: str
    action: str
    at: dt.datetime
    session: str
    price: float
    quantity: int


def shop(users: int = 40, items: int = 50, sessions: int = 200, seed: int = 3) -> list[Event]:
    """Sessions of a few users over some weeks, in the order of time; an item keeps its price."""
    draw = random.Random(seed)
    prices = {f"{200000 + 37 * n}": round(draw.uniform(2, 2000), 2) for n in range(items)}
    events = []
    for n in range(sessions):
        user = str(90000 + 113 * draw.randrange(users))
        at = START + dt.timedelta(days=draw.randrange(DAYS), hours=draw.uniform(8, 22))
        for _ in range(draw.randint(2, 9)):
            item = draw.choice([*prices])
            action = draw.choices(["view", "cart", "purchase"], [80, 14, 6])[0]
            quantity = draw.choices([1, 2, 3, 5], [75, 15, 7, 3])[0]
            events.append(Event(user, item, action, at, f"{7**18 + n:x}", prices[item], quantity))
            at += dt.timedelta(seconds=draw.randint(5, 300), microseconds=draw.randrange(1000) * 1000)
    return sorted(events, key=lambda event: event.at)


def table(header: list[str] | None, rows: list[list[Any]], sep: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """Write rows as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=sep, quoting=quoting, lineterminator="\n")
    writer.writerows([header, *rows] if header else rows)
    return file.getvalue()


def comma(number: float) -> str:
    """Write a number as in Berlin: 1.234,50."""
    return f"{number:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


EVENTS = shop()


def lines(write: Callable[[Event], object], encoding: str = "utf-8") -> bytes:
    """Write an object a line."""
    return "\n".join(json.dumps(write(event), ensure_ascii=False) for event in EVENTS).encode(encoding)


def proposed(folder: Path, files: Mapping[str, bytes]) -> Proposal:
    """Write the files and propose their YAML, which the configuration reads."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    place = folder / next(iter(files)) if len(files) == 1 else folder
    made = make_proposal(Paths(str(place)), Path("shop.yaml"))
    loads(made.text)
    return made
