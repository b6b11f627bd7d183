"""What init proposes for logs in many dialects; none of them is known to it by a name."""

import bz2
import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.propose.shop import Event, comma, shop, table

from recaug.config import loads
from recaug.propose.command import Proposal, make_proposal

EVENTS = shop()
OURS = {"view": "view", "cart": "cart", "purchase": "purchase"}


class Dialect(NamedTuple):
    """A log as one writes it. roles: our name, and the SQL that reads it."""

    files: Mapping[str, bytes]
    roles: Mapping[str, str]
    types: Mapping[str, str] = OURS
    options: Mapping[str, str] | None = None


def lines(write: Callable[[Event], object], encoding: str = "utf-8") -> bytes:
    """Write an object a line."""
    return "\n".join(json.dumps(write(event), ensure_ascii=False) for event in EVENTS).encode(encoding)


def rows(write: Callable[[Event], list[object]]) -> list[list[object]]:
    return [write(event) for event in EVENTS]


def said(view: str, cart: str, purchase: str) -> dict[str, str]:
    """What a shop calls the types: ours, by them."""
    return {view: "view", cart: "cart", purchase: "purchase"}


def german() -> Dialect:
    header = ["Bestellnr", "Bestelldatum", "Kundennr", "Artikelnr", "Bezeichnung", "Stückzahl", "Einzelpreis"]
    body = rows(
        lambda e: [e.session, f"{e.at:%d.%m.%Y %H:%M}", e.user, e.item, "Häkeldecke, groß", e.quantity, comma(e.price)]
    )
    roles = {
        "user_id": "Kundennr",
        "item_id": "Artikelnr",
        "event_time": "to_timestamp(Bestelldatum, 'dd.MM.yyyy HH:mm')",
        "event_type": "'purchase'",
        "price": "cast(replace(replace(Einzelpreis, '.', ''), ',', '.') AS double)",
        "quantity": "`Stückzahl`",
    }
    options = {"header": "true", "sep": ";", "encoding": "windows-1252"}
    return Dialect({"log.csv": table(header, body, ";").encode("cp1252")}, roles, {"purchase": "purchase"}, options)


def russian() -> Dialect:
    types = said("просмотр", "добавление в корзину", "покупка")
    back = {ours: word for word, ours in types.items()}
    body = rows(lambda e: [f"{e.at:%d.%m.%Y %H:%M:%S}", e.user, e.item, back[e.action]])
    roles = {
        "user_id": "`Покупатель`",
        "item_id": "`Артикул`",
        "event_time": "to_timestamp(`Дата`, 'dd.MM.yyyy HH:mm:ss')",
        "event_type": "`Событие`",
    }
    text = table(["Дата", "Покупатель", "Артикул", "Событие"], body, ";").encode("cp1251")
    return Dialect({"log.csv": text}, roles, types, {"header": "true", "sep": ";", "encoding": "windows-1251"})


def japanese() -> Dialect:
    types = said("閲覧", "カート", "購入")
    back = {ours: word for word, ours in types.items()}
    body = rows(lambda e: [f"{e.at:%Y/%m/%d %H:%M:%S}", e.user, e.item, "木の椅子", back[e.action], int(e.price)])
    roles = {
        "user_id": "`会員番号`",
        "item_id": "`商品コード`",
        "event_time": "to_timestamp(`日時`, 'yyyy/MM/dd HH:mm:ss')",
        "event_type": "`行動`",
        "price": "`単価`",
    }
    text = table(["日時", "会員番号", "商品コード", "商品名", "行動", "単価"], body).encode("cp932")
    return Dialect({"log.csv": text}, roles, types, {"header": "true", "encoding": "windows-31j"})


def chinese() -> Dialect:
    types = said("浏览", "加购", "购买")
    back = {ours: word for word, ours in types.items()}
    body = rows(lambda e: [e.user, e.item, back[e.action], int(e.at.timestamp()), "橡木桌子"])
    roles = {
        "user_id": "`用户编号`",
        "item_id": "`商品编号`",
        "event_time": "timestamp_seconds(cast(`时间戳` AS bigint))",
        "event_type": "`行为类型`",
    }
    text = table(["用户编号", "商品编号", "行为类型", "时间戳", "商品名称"], body).encode("gb18030")
    return Dialect({"log.csv": text}, roles, types, {"header": "true", "encoding": "GB18030"})


def turkish() -> Dialect:
    body = rows(lambda e: [f"{e.at:%d/%m/%Y}", f"{e.at:%H:%M:%S}", e.user, e.item, e.quantity, f"{comma(e.price)} TL"])
    header = ["Tarih", "Saat", "Müşteri", "Ürün Kodu", "Adet", "Fiyat"]
    roles = {
        "user_id": "`Müşteri`",
        "item_id": "`Ürün Kodu`",
        "event_time": "to_timestamp(concat_ws(' ', Tarih, Saat), 'dd/MM/yyyy HH:mm:ss')",
        "event_type": "'purchase'",
        "quantity": "Adet",
    }
    return Dialect({"log.csv": table(header, body, ";").encode("cp1254")}, roles, {"purchase": "purchase"})


def utf16() -> Dialect:
    types = said("vue", "ajout au panier", "achat")
    back = {ours: word for word, ours in types.items()}
    body = rows(lambda e: [e.at.isoformat(timespec="seconds"), e.user, e.item, back[e.action], comma(e.price)])
    roles = {"user_id": "client", "item_id": "produit", "event_time": "horodatage", "event_type": "action"}
    text = table(["horodatage", "client", "produit", "action", "prix"], body, "\t").encode("utf-16")
    return Dialect({"log.txt": text}, roles, types, {"header": "true", "sep": "\t", "encoding": "UTF-16"})


def pipes_without_header() -> Dialect:
    body = rows(lambda e: [e.session, f"{e.at:%Y-%m-%d %H:%M:%S}", e.user, e.action, e.item, e.price])
    roles = {
        "user_id": "c3",
        "item_id": "c5",
        "event_time": "c2",
        "event_type": "c4",
        "price": "c6",
        "session_id": "c1",
    }
    return Dialect({"log.psv": table(None, body, "|").encode()}, roles, OURS, {"header": "false", "sep": "|"})


def pretty_array() -> Dialect:
    whole = [
        {"visitor": e.user, "sku": e.item, "when": f"{e.at.isoformat()}Z", "kind": e.action, "of": {"price": e.price}}
        for e in EVENTS
    ]
    roles = {
        "user_id": "visitor",
        "item_id": "sku",
        "event_time": "when",
        "event_type": "kind",
        "price": "of.price",
    }
    return Dialect({"log.json": json.dumps(whole, indent=2).encode()}, roles)


def offsets() -> Dialect:
    body = rows(lambda e: [e.user, e.item, f"{e.at:%Y-%m-%dT%H:%M:%S}+08:00", e.action])
    roles = {"user_id": "uid", "item_id": "pid", "event_time": "at", "event_type": "op"}
    return Dialect({"log.csv": table(["uid", "pid", "at", "op"], body).encode()}, roles)


def micros() -> Dialect:
    text = lines(
        lambda e: {"ts": int(e.at.timestamp() * 1e6), "uid": int(e.user), "item": int(e.item), "verb": e.action}
    )
    roles = {"user_id": "uid", "item_id": "item", "event_time": "timestamp_micros(ts)", "event_type": "verb"}
    return Dialect({"log.jsonl.gz": gzip.compress(text)}, roles)


def nested_parquet() -> Dialect:
    file = io.BytesIO()
    body = [
        {"customer": {"id": e.user}, "line": {"article": e.item, "qty": e.quantity}, "created": e.at, "do": e.action}
        for e in EVENTS
    ]
    pq.write_table(pa.Table.from_pylist(body), file)
    roles = {
        "user_id": "customer.id",
        "item_id": "line.article",
        "event_time": "created",
        "event_type": "do",
        "quantity": "line.qty",
    }
    return Dialect({"part-0.parquet": file.getvalue()}, roles)


def us_prices() -> Dialect:
    body = rows(
        lambda e: [
            f"{e.at.month}/{e.at.day}/{e.at.year} {e.at:%I:%M %p}",
            f"{e.user}@x.org",
            e.item,
            f"${e.price:,.2f}",
        ]
    )
    header = ["Created At", "Customer Email", "Variant SKU", "Lineitem price"]
    roles = {
        "user_id": "`Customer Email`",
        "item_id": "`Variant SKU`",
        "event_time": "to_timestamp(`Created At`, 'M/d/yyyy hh:mm a')",
        "price": "cast(replace(regexp_replace(`Lineitem price`, '[^0-9.,+-]', ''), ',', '') AS double)",
    }
    return Dialect({"log.csv": table(header, body, quoting=csv.QUOTE_ALL).encode()}, roles, {"purchase": "purchase"})


def json_in_csv() -> Dialect:
    body = rows(lambda e: [e.user, e.action, e.at.isoformat(), json.dumps({"product_id": e.item, "price": e.price})])
    roles = {
        "user_id": "user_id",
        "item_id": "get_json_object(properties, '$.product_id')",
        "event_time": "created_at",
        "event_type": "event",
        "price": "get_json_object(properties, '$.price')",
    }
    header = ["user_id", "event", "created_at", "properties"]
    return Dialect({"log.csv.bz2": bz2.compress(table(header, body).encode())}, roles)


def nameless_columns() -> Dialect:
    """Columns by no word of any language: the values alone tell."""
    body = rows(lambda e: [f"{e.at:%Y-%m-%d %H:%M:%S}", e.user, e.item, e.price, e.action, e.session])
    roles = {
        "user_id": "f2",
        "item_id": "f3",
        "event_time": "f1",
        "price": "f4",
        "event_type": "f5",
        "session_id": "f6",
    }
    return Dialect({"log.csv": table(["f1", "f2", "f3", "f4", "f5", "f6"], body).encode()}, roles)


def columns_added() -> Dialect:
    half = len(EVENTS) // 2
    first = [[e.user, e.item, e.action, e.at.isoformat()] for e in EVENTS[:half]]
    second = [[e.user, "web", e.item, e.action, e.at.isoformat()] for e in EVENTS[half:]]
    files = {
        "a-1.csv": table(["user", "item", "event", "time"], first).encode(),
        "a-2.csv": table(["user", "channel", "item", "event", "time"], second).encode(),
    }
    return Dialect(files, {"user_id": "user", "item_id": "item", "event_time": "time", "event_type": "event"})


DIALECTS = [
    german,
    russian,
    japanese,
    chinese,
    turkish,
    utf16,
    pipes_without_header,
    pretty_array,
    offsets,
    micros,
    nested_parquet,
    us_prices,
    json_in_csv,
    nameless_columns,
    columns_added,
]


def proposed(folder: Path, files: Mapping[str, bytes]) -> Proposal:
    """Write the files and propose their YAML, which the configuration reads."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    place = folder / next(iter(files)) if len(files) == 1 else folder
    made = make_proposal(str(place), None, Path("shop.yaml"))
    loads(made.text)
    return made


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
