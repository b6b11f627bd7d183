"""Logs in the dialects that shops write, each with what reads it."""

import bz2
import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from tests.propose.shop import EVENTS, Event, comma, lines, table

OURS = {"view": "view", "cart": "cart", "purchase": "purchase"}


class Dialect(NamedTuple):
    """A log as one writes it. roles: our name, and the SQL that reads it."""

    files: Mapping[str, bytes]
    roles: Mapping[str, str]
    types: Mapping[str, str] = OURS
    options: Mapping[str, str] | None = None


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


def vietnamese() -> Dialect:
    types = said("xem", "thêm vào giỏ", "mua")
    back = {ours: word for word, ours in types.items()}
    body = rows(lambda e: [e.user, e.item, f"{e.at:%Y-%m-%dT%H:%M:%S}+07:00", back[e.action], e.price])
    roles = {
        "user_id": "`mã khách hàng`",
        "item_id": "`mã sản phẩm`",
        "event_time": "`thời gian`",
        "event_type": "`hành động`",
        "price": "`giá`",
    }
    header = ["mã khách hàng", "mã sản phẩm", "thời gian", "hành động", "giá"]
    return Dialect({"log.tsv": table(header, body, "\t").encode("utf-8-sig")}, roles, types)


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


def dump_of_a_topic() -> Dialect:
    """Kafka's records as objects whose value is JSON as text."""

    def record(e: Event) -> object:
        value = {"userId": e.user, "productId": e.item, "type": e.action}
        return {"partition": 0, "timestamp": int(e.at.timestamp() * 1000), "key": None, "value": json.dumps(value)}

    roles = {
        "user_id": "get_json_object(value, '$.userId')",
        "item_id": "get_json_object(value, '$.productId')",
        "event_time": "timestamp_millis(timestamp)",
        "event_type": "get_json_object(value, '$.type')",
    }
    return Dialect({"log.jsonl": lines(record)}, roles)


def serials_with_commas() -> Dialect:
    """A spreadsheet's days in a country with a decimal comma, where 1,000 is one."""
    zero = dt.datetime(1899, 12, 30)

    def row(e: Event) -> list[object]:
        day, price = (e.at - zero) / dt.timedelta(days=1), f"{e.price:.2f}"
        return [e.user, e.item, f"{day:.6f}".replace(".", ","), f"{e.quantity},000", price.replace(".", ",")]

    text = table(["cust", "prod", "Date", "Qty", "Price"], rows(row), ";")
    roles = {
        "user_id": "cust",
        "item_id": "prod",
        "event_time": "timestamp_seconds((cast(replace(Date, ',', '.') AS double) - 25569) * 86400)",
        "event_type": "'purchase'",
        "price": "cast(replace(Price, ',', '.') AS double)",
        "quantity": "cast(replace(Qty, ',', '.') AS double)",
    }
    options = {"header": "true", "sep": ";"}
    return Dialect({"log.csv": text.encode()}, roles, {"purchase": "purchase"}, options)


def clocks_of_digits() -> Dialect:
    """A till's days and clocks as numbers, which have lost their zeros; the receipt is nobody's id."""
    clock = "regexp_replace(lpad(time, 6, '0'), '^(..)(..)(..)$', '$1:$2:$3')"
    body = rows(lambda e: [e.session, e.user, e.item, f"{e.at:%Y%m%d}", int(f"{e.at:%H%M%S}"), e.quantity])
    roles = {
        "user_id": "cust",
        "item_id": "sku",
        "event_time": f"to_timestamp(concat_ws(' ', date, {clock}), 'yyyyMMdd HH:mm:ss')",
        "event_type": "'purchase'",
        "quantity": "qty",
    }
    text = table(["txn", "cust", "sku", "date", "time", "qty"], body)
    return Dialect({"log.csv": text.encode()}, roles, {"purchase": "purchase"})


def times_of_dot_net() -> Dialect:
    text = lines(
        lambda e: {"u": e.user, "sku": e.item, "at": f"/Date({int(e.at.timestamp() * 1000)})/", "do": e.action}
    )
    roles = {
        "user_id": "u",
        "item_id": "sku",
        "event_time": "timestamp_millis(cast(regexp_extract(at, '-?[0-9]+', 0) AS bigint))",
        "event_type": "do",
    }
    return Dialect({"log.jsonl": text}, roles)


def dates_of_unix() -> Dialect:
    cut = "regexp_replace(happened, '^... (...) +([0-9]+) ([0-9:]+) (.*?) ?([0-9]{4})$', '$1 $2 $5 $3')"
    roles = {"user_id": "who", "item_id": "what", "event_time": f"to_timestamp({cut}, 'MMM d yyyy HH:mm:ss')"}
    body = rows(lambda e: [e.user, e.item, f"{e.at:%a %b %d %H:%M:%S %Y}", e.action])
    text = table(["who", "what", "happened", "verb"], body, "|")
    return Dialect({"log.csv": text.encode()}, roles | {"event_type": "verb"})


def grades_without_header() -> Dialect:
    """Users, items, grades and seconds, cut by two colons: the grades are nobody, though no user comes in sessions."""
    when = [EVENTS[7 * number % len(EVENTS)].at for number in range(len(EVENTS))]
    body = [[e.user, e.item, 1 + e.at.second % 5, int(at.timestamp())] for e, at in zip(EVENTS, when, strict=True)]
    text = "".join("::".join(map(str, row)) + "\n" for row in body)
    roles = {"user_id": "c1", "item_id": "c2", "event_time": "timestamp_seconds(cast(c4 AS bigint))"}
    return Dialect({"ratings.dat": text.encode()}, roles, {"view": "view"})


def months_and_days() -> Dialect:
    body = rows(lambda e: [e.user, e.item, int(f"{e.at:%m%d}"), e.action])
    when = "to_timestamp(concat('2020', lpad(time_stamp, 4, '0')), 'yyyyMMdd')"
    roles = {"user_id": "user_id", "item_id": "item_id", "event_time": when, "event_type": "action"}
    return Dialect({"log.csv": table(["user_id", "item_id", "time_stamp", "action"], body).encode()}, roles)


def days_since_the_first() -> Dialect:
    """Days that are counted, with a clock of hours and minutes beside them."""
    clock = "regexp_replace(lpad(TRANS_TIME, 4, '0'), '^(..)(..)$', '$1:$2')"
    day = "date_add(date '2020-01-01', cast(DAY AS int))"
    body = rows(lambda e: [e.user, e.item, (e.at - EVENTS[0].at).days + 1, f"{e.at:%H%M}", e.quantity])
    roles = {"user_id": "household_key", "item_id": "PRODUCT_ID", "event_time": f"concat_ws(' ', {day}, {clock})"}
    text = table(["household_key", "PRODUCT_ID", "DAY", "TRANS_TIME", "QUANTITY"], body)
    return Dialect({"log.csv": text.encode()}, roles, {"purchase": "purchase"})


def dates_with_points() -> Dialect:
    """A date such as 03.03.25 is no clock of 03:03:25 as well."""
    body = rows(lambda e: [e.user, e.item, f"{e.at:%d.%m.%y}", e.quantity])
    roles = {"user_id": "Kunde", "item_id": "Artikel", "event_time": "to_timestamp(Datum, 'dd.MM.yy')"}
    text = table(["Kunde", "Artikel", "Datum", "Menge"], body, ";")
    return Dialect({"log.csv": text.encode()}, roles, {"purchase": "purchase"})


DIALECTS = [
    dump_of_a_topic,
    serials_with_commas,
    clocks_of_digits,
    times_of_dot_net,
    dates_of_unix,
    grades_without_header,
    months_and_days,
    days_since_the_first,
    dates_with_points,
    german,
    vietnamese,
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
