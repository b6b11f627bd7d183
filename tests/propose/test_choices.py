"""What init chooses beside the mapping: paths, arrays, rules, orders, splits; and what it is unsure of."""

import datetime as dt
import json
import random
from pathlib import Path

from tests.propose.shop import EVENTS, Event, lines, proposed, table

from recaug.config import loads


def test_days_in_folders_are_days_of_the_path(tmp_path: Path) -> None:
    days: dict[str, list[str]] = {}
    for event in EVENTS:
        row = {"u": event.user, "p": event.item, "a": event.action, "t": f"{event.at.isoformat()}Z"}
        days.setdefault(f"{event.at:%Y/%m/%d}", []).append(json.dumps(row))
    made = proposed(tmp_path, {f"{day}/part.json": "\n".join(rows).encode() for day, rows in days.items()})
    assert made.sources.events.path == f"{tmp_path}/{{date:%Y/%m/%d}}/*.json"


def test_a_name_of_a_day_that_its_rows_are_not_of_is_no_day_of_the_path(tmp_path: Path) -> None:
    """Exports of months, named by the day on which they were made."""
    files = {
        name: table(["user", "item", "event", "time"], [[e.user, e.item, e.action, e.at] for e in part]).encode()
        for name, part in (("export-2025-06-01.csv", EVENTS[:500]), ("export-2025-07-01.csv", EVENTS[500:]))
    }
    assert proposed(tmp_path, files).sources.events.path == str(tmp_path)


def test_arrays_within_arrays_are_exploded(tmp_path: Path) -> None:
    users: dict[str, list[Event]] = {}
    for event in EVENTS:
        users.setdefault(event.user, []).append(event)
    text = "\n".join(
        json.dumps(
            {
                "customer": int(user),
                "orders": [
                    {"placed": int(e.at.timestamp()), "items": [{"ean": e.item, "price": e.price}]} for e in events
                ],
            }
        )
        for user, events in users.items()
    )
    events = proposed(tmp_path, {"log.jsonl": text.encode()}).sources.events
    assert events.explode == "orders.items"
    assert events.columns["item_id"] == "orders.items.ean"
    assert events.columns["event_time"] == "timestamp_seconds(orders.placed)"


def test_records_with_their_items_elsewhere_are_a_further_log(tmp_path: Path) -> None:
    """As track calls have it: a view has a product, an order an array of them."""

    def call(event: Event) -> dict[str, object]:
        said = {"who": event.user, "at": f"{event.at.isoformat()}Z", "id": f"m{hash(event)}"}
        if event.action == "purchase":
            lines = [{"product_id": event.item, "price": event.price}]
            return said | {"event": "Order Completed", "properties": {"products": lines}}
        name = "Product Viewed" if event.action == "view" else "Product Added"
        return said | {"event": name, "properties": {"product_id": event.item, "price": event.price}}

    events = proposed(tmp_path, {"log.jsonl": lines(call)}).sources.events
    (more,) = events.more
    assert (events.explode, events.columns["item_id"]) == (None, "properties.product_id")
    assert (more.explode, more.columns["item_id"]) == ("properties.products", "properties.products.product_id")
    assert events.event_types == {"Product Viewed": "view", "Product Added": "cart"}
    assert events.ignore_types == ("Order Completed",)
    assert more.event_types == {"Order Completed": "purchase"}
    assert set(more.ignore_types) == {"Product Viewed", "Product Added"}


def test_what_is_unsure_shows_both(tmp_path: Path) -> None:
    body = [
        [e.user, f"a{e.user}" if n % 3 else "", e.item, {"view": "7", "cart": "8", "purchase": "9"}[e.action], e.at]
        for n, e in enumerate(EVENTS)
    ]
    made = proposed(tmp_path, {"log.csv": table(["visitor_id", "account", "item", "action", "time"], body).encode()})
    unsure = [line for line in made.text.splitlines() if "unsure" in line]
    assert any("user_id could be visitor_id (filled in 100 %) or account (filled in 67 %)" in line for line in unsure)
    assert any("event_types do not say what 7, 8, 9 mean" in line for line in unsure)
    assert any("time_zone may be the shop's own" in line for line in unsure)


def test_words_of_a_language_that_is_not_known_are_shown(tmp_path: Path) -> None:
    """Basque; a column of a few words that go by nobody and nothing may say what was done."""
    words = {"view": "ikusi", "cart": "saskira", "purchase": "erosi"}
    body = [[e.user, e.item, words[e.action], "etxea", e.at] for e in EVENTS]
    made = proposed(tmp_path, {"log.csv": table(["user", "item", "ekintza", "tokia", "time"], body).encode()})
    (line,) = [line for line in made.text.splitlines() if "event_type:" in line]
    assert "unsure: event_type may be purchase, or be said by ekintza: ikusi " in line


def test_a_price_is_one_by_its_name_though_no_row_repeats_it(tmp_path: Path) -> None:
    """As the sum of a basket, which is no order's number either."""
    body = [[e.user, e.item, e.at, f"{n + 0.25:.2f}".replace(".", ",")] for n, e in enumerate(EVENTS)]
    events = proposed(tmp_path, {"log.csv": table(["klant", "artikel", "tijd", "bedrag"], body, ";").encode()}).sources
    assert "bedrag" in events.events.columns["price"]
    assert not events.events.unique_by


def test_the_last_whole_day_is_one_of_the_shops_clock(tmp_path: Path) -> None:
    """The evening of the last day in Hanoi is its early afternoon in UTC."""
    hours = [dt.datetime(2025, 3, day, hour) for day in range(1, 9) for hour in range(24 if day < 8 else 21)]
    body = [[f"u{n % 7}", f"i{n % 11}", f"{at:%Y-%m-%dT%H:%M:%S}+07:00"] for n, at in enumerate(hours)]
    made = proposed(tmp_path, {"log.csv": table(["user", "item", "time"], body).encode()})
    assert made.sources.events.time_zone == "Etc/GMT-7"
    assert made.last_day == dt.date(2025, 3, 8)


def test_a_day_and_a_month_that_no_value_tells_apart_are_both_shown(tmp_path: Path) -> None:
    """Neither is above 12, neither varies more, and in neither reading the rows go on in time."""
    days = random.Random(1)
    times = [e.at.replace(day=days.randint(1, 12), month=days.randint(1, 12)) for e in EVENTS]
    body = [[e.user, e.item, f"{at:%d/%m/%Y}"] for e, at in zip(EVENTS, times, strict=True)]
    made = proposed(tmp_path, {"log.csv": table(["user", "item", "date"], body).encode()})
    assert made.sources.events.columns["event_time"] == "to_timestamp(date, 'dd/MM/yyyy')"
    assert "# unsure: event_time may be to_timestamp(date, 'MM/dd/yyyy')" in made.text


def test_rows_that_go_on_in_time_tell_a_day_from_a_month(tmp_path: Path) -> None:
    early = [e for e in EVENTS if e.at.day <= 12]
    times = [(e, e.at.replace(month=month)) for month in range(1, 8) for e in early]
    body = [[e.user, e.item, f"{at:%m/%d/%Y %H:%M}"] for e, at in times]
    made = proposed(tmp_path, {"log.csv": table(["user", "item", "date"], body).encode()})
    assert made.sources.events.columns["event_time"] == "to_timestamp(date, 'MM/dd/yyyy HH:mm')"


def test_cancellations_guests_and_marks_get_rules(tmp_path: Path) -> None:
    body = [
        ["" if n % 9 == 0 else e.user, e.item, e.at, -1 if n % 50 == 0 else e.quantity, "-" if n % 7 == 0 else e.price]
        for n, e in enumerate(EVENTS)
    ]
    made = proposed(tmp_path, {"log.csv": table(["customer", "product", "time", "qty", "price"], body).encode()})
    events = made.sources.events
    assert {rule.name: rule.when for rule in events.rules} == {
        "guest": "customer IS NULL",
        "cancelled": "cast(qty AS double) < 0",
    }
    assert "-" in events.nulls and "NA" in events.nulls


def test_what_orders_a_day_and_tells_its_rows_apart_is_taken(tmp_path: Path) -> None:
    body = [[n, e.user, e.item, f"{e.at:%Y-%m-%d}", e.quantity] for n, e in enumerate(EVENTS, 1)]
    made = proposed(tmp_path, {"log.csv": table(["Row ID", "Customer", "Product", "Date", "Qty"], body).encode()})
    assert made.sources.events.unique_by == ["`Row ID`"]
    assert made.sources.events.order_by == "cast(`Row ID` AS bigint)"


def test_an_order_without_times_holds_out_each_users_last(tmp_path: Path) -> None:
    users: dict[str, list[str]] = {}
    for event in EVENTS:
        users.setdefault(event.user, []).append(event.item)
    text = "\n".join(" ".join([user, *items]) for user, items in users.items())
    made = proposed(tmp_path, {"log.txt": text.encode()})
    assert made.sources.events.format == "sequences"
    assert loads(made.text).prepare.split == "leave_one_out"


def test_the_kind_of_files_that_is_the_log_is_chosen(tmp_path: Path) -> None:
    items = sorted({e.item for e in EVENTS})
    files = {
        "events.csv": table(
            ["user_id", "item_id", "event", "time"], [[e.user, e.item, e.action, e.at] for e in EVENTS]
        ),
        "products.csv": table(["item_id", "title"], [[item, f"thing {item}"] for item in items]),
        "README.md": "# A shop\n\nThis is its log.\n",
    }
    made = proposed(tmp_path, {name: text.encode() for name, text in files.items()})
    assert made.sources.events.path == f"{tmp_path}/events.csv"
    assert any(other.startswith("products.csv: ") for other in made.chosen.others)
