"""Each element of an array is a row, also several levels down; what is no array is named."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.clickstream.logs import bad, good, log, marked, put

from recaug.clickstream.items import catalogue
from recaug.clickstream.positions import number_rows
from recaug.clickstream.source import read_source
from recaug.config import Items
from recaug.errors import ContractError

SESSIONS = [
    {"who": "u", "acts": [{"aid": 7, "at": "2025-01-01"}, {"aid": 8, "at": "2025-01-02"}]},
    {"who": "v", "acts": []},
    {"who": "w"},
]
CARTS = [
    {
        "who": "u",
        "bag": {"orders": [{"at": "2025-01-01", "items": [{"sku": "a"}, {"sku": "b"}]}, {"at": "2025-01-02"}]},
    },
    {"who": "v", "bag": None},
]


def lines(rows: list[dict]) -> str:
    return "\n".join(map(json.dumps, rows))


def test_each_element_is_a_row(spark: SparkSession, tmp_path: Path) -> None:
    columns = {"user_id": "who", "item_id": "acts.aid", "event_time": "acts.at"}
    text = lines(SESSIONS) + '\n{"who": "x", "acts": [{"ai'
    path = put(tmp_path / "log.json", text)
    events = log(path=path, format="json", explode="acts", columns=columns)
    assert good(spark, events) == [("u", "7", 1), ("u", "8", 2)]
    assert bad(spark, events) == [
        ("malformed row", '{"_corrupt_record":"{\\"who\\": \\"x\\", \\"acts\\": [{\\"ai"}'),
        ("no item_id", '{"who":"v"}'),
        ("no item_id", '{"who":"w"}'),
    ]


def test_each_array_on_a_dotted_path_is_exploded(spark: SparkSession, tmp_path: Path) -> None:
    columns = {"user_id": "who", "item_id": "bag.orders.items.sku", "event_time": "bag.orders.at"}
    path = put(tmp_path / "log.json", lines(CARTS))
    events = log(path=path, format="json", explode="Bag.orders.items", columns=columns)
    assert good(spark, events) == [("u", "a", 1), ("u", "b", 1)]
    assert bad(spark, events) == [
        ("no item_id", '{"bag":{"orders":{"at":"2025-01-02"}},"who":"u"}'),
        ("no item_id", '{"who":"v"}'),
    ]


def test_two_alike_elements_are_two_events_and_the_record_again_is_a_copy(spark: SparkSession, tmp_path: Path) -> None:
    record = {"who": "u", "orders": [{"at": "2025-01-01", "items": [{"sku": "a"}, {"sku": "a"}]}] * 2}
    columns = {"user_id": "who", "item_id": "orders.items.sku", "event_time": "orders.at"}
    path = put(tmp_path / "log.json", lines([record, record]))
    rows = marked(spark, log(path=path, format="json", explode="orders.items", columns=columns))
    assert (len(rows), len({row["event_id"] for row in rows})) == (8, 4)


def test_elements_keep_their_order(spark: SparkSession, tmp_path: Path) -> None:
    acts = [{"who": "u", "at": "2025-01-01", "a.b": [str(n) for n in range(9)]}]
    columns = {"user_id": "who", "item_id": "`a.b`", "event_time": "at"}
    events = log(path=put(tmp_path / "log.json", lines(acts)), format="json", explode="`a.b`", columns=columns)
    assert [item for _, item, _ in good(spark, events)] == [str(n) for n in range(9)]


def test_a_catalogue_may_be_an_array(spark: SparkSession, tmp_path: Path) -> None:
    path = put(tmp_path / "items.json", json.dumps({"shop": "s", "items": [{"id": 1, "name": "one"}, {"id": 2}]}))
    items = Items(path=path, format="json", explode="items", item_id="items.id", title="items.name")
    made = catalogue(number_rows(read_source(spark, items, "source.items")), items)
    assert {(row["item_id"], row["title"]) for row in made.collect()} == {("1", "one"), ("2", None)}


@pytest.mark.parametrize(
    ("explode", "said"),
    [
        ("orders", "orders: the source has no such column; it has a, m, s, t, who"),
        ("s.y", "s.y: s has no such field; it has x"),
        ("a.b", "a.b: a is an array of bigint, which has no fields"),
        (
            "who",
            "who is text, no array; JSON gives text where it is an array in some rows and something else in others",
        ),
        ("s", "s is a struct, no array; its fields are x"),
        ("s.x", "s.x is bigint, no array"),
        ("t", "t is text, no array; JSON gives text where it is an array in some rows and something else in others"),
    ],
)
def test_what_is_no_array_is_named(spark: SparkSession, tmp_path: Path, explode: str, said: str) -> None:
    rows = [{"who": "u", "a": [1], "s": {"x": 1}, "t": [1], "m": 1}, {"t": {"x": 1}}]
    events = log(path=put(tmp_path / "log.json", lines(rows)), format="json", explode=explode)
    with pytest.raises(ContractError) as error:
        read_source(spark, events, "source.events")
    assert str(error.value) == f"source.events.explode: {said}"


def test_a_map_is_no_array(spark: SparkSession) -> None:
    spark.sql("SELECT 'u' AS who, map('k', 1) AS of_a_map").createOrReplaceTempView("mapped")
    with pytest.raises(ContractError, match=r"^source.events.explode: of_a_map is a map, no array; write its entries"):
        read_source(spark, log(table="mapped", explode="of_a_map"), "source.events")
    spark.catalog.dropTempView("mapped")
