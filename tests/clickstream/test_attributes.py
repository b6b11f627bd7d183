"""The catalogue in numbers: values by frequency, quantiles, hashed text; what is missing stays missing."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.training.models.test_attribute_vae import CONFIG

from recaug.clickstream.attributes import KNOTS, LEARNT, TEST, TEXT_TERMS, VALIDATION, Field, encoded, fields, values
from recaug.config import Items
from recaug.errors import ContractError
from recaug.training.attributes import Known, known

SOURCE = Items(
    path="",
    format="csv",
    item_id="id",
    title="title",
    categorical={"brand": "brand"},
    multi_valued={"tags": "tags"},
    numeric={"price": "price"},
    vectors={"picture": "picture"},
)
GIVEN = msgspec.structs.replace(CONFIG, text=["title"], min_items=2, text_buckets=1000)
ITEMS = (
    "item_id string, title string, categorical map<string,string>, multi_valued map<string,array<string>>, "
    "numeric map<string,double>, text string, vectors map<string,array<float>>"
)


def shop(spark: SparkSession) -> DataFrame:
    """Twelve items, of which f lacks everything but its id."""
    rows = [
        (
            f"i{number}",
            f"red shoe {number}",
            {"brand": "acme" if number < 6 else "bolt" if number < 10 else f"rare{number}"},
            {"tags": ["new", "sale"] if number < 5 else ["sale"]},
            {"price": float(number)},
            None,
            {"picture": [float(number), 1.0]},
        )
        for number in range(11)
    ]
    return spark.createDataFrame([*rows, ("f", None, {}, {}, {}, None, {})], ITEMS)


@dataclass(frozen=True)
class Encoded:
    layout: list[Field]
    frame: pd.DataFrame
    rows: Known


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> Encoded:
    items = shop(spark)
    coded = values(items, GIVEN.min_items).persist()
    layout = fields(items, coded, SOURCE, GIVEN, seed=1)
    words = spark.createDataFrame([("i3", 1), ("i1", 2)], "item_id string, item_index int")
    frame = encoded(items, coded, words, layout, GIVEN, seed=1).toPandas().sort_values("item_id", ignore_index=True)
    return Encoded(layout, frame, known(frame))


def test_values_are_coded_by_frequency(spark: SparkSession) -> None:
    found = {(row["attribute"], row["value"]): (row["code"], row["items"]) for row in values(shop(spark), 2).collect()}
    assert found == {
        ("brand", "acme"): (1, 6),
        ("brand", "bolt"): (2, 4),
        ("tags", "sale"): (1, 11),
        ("tags", "new"): (2, 5),
    }


def test_the_layout_is_that_of_the_yaml(made: Encoded) -> None:
    shapes = [(one.name, one.kind, one.size, one.width) for one in made.layout]
    assert shapes == [
        ("brand", "categorical", 2, 1),
        ("tags", "multi_valued", 2, 2),
        ("text", "text", 1000, TEXT_TERMS),
        ("price", "numeric", 1, 1),
        ("picture", "vector", 2, 2),
    ]
    assert len(made.layout[3].knots) == KNOTS


def test_items_are_packed(made: Encoded) -> None:
    by_id = {item: place for place, item in enumerate(made.frame["item_id"])}
    rows = made.rows
    assert {item: int(rows.items[place]) for item, place in by_id.items() if rows.items[place]} == {"i3": 1, "i1": 2}
    assert rows.codes[by_id["i0"], :3].tolist() == [1, 1, 2]
    assert rows.codes[by_id["i7"], :3].tolist() == [2, 1, 0]
    assert rows.codes[by_id["i10"], 0] == 3  # given, but rare
    terms = set(rows.codes[by_id["i0"], 3:].tolist()) - {0}
    assert len(terms) == 5  # red, shoe, 0 and two pairs
    assert len(terms & set(rows.codes[by_id["i1"], 3:].tolist())) == 3
    assert rows.numbers[by_id["i4"], 1:].tolist() == [4, 1]
    assert rows.numbers[by_id["i1"], 0] < rows.numbers[by_id["i9"], 0]


def test_an_item_of_which_nothing_is_known_has_gaps(made: Encoded) -> None:
    place = made.frame["item_id"].tolist().index("f")
    assert made.rows.items[place] == 0
    assert not made.rows.codes[place].any()
    assert made.rows.numbers[place].isnan().all()


def test_values_are_kept_by_hash_of_item_and_attribute(spark: SparkSession) -> None:
    items = spark.range(2000).selectExpr(
        "concat('i', id) AS item_id",
        "'' AS title",
        "map('brand', 'acme') AS categorical",
        "map('tags', array('new')) AS multi_valued",
        "map('price', double(id)) AS numeric",
        "string(null) AS text",
        "map('picture', array(float(1))) AS vectors",
    )
    coded = values(items, 1)
    layout = fields(items, coded, SOURCE, GIVEN, seed=1)
    words = spark.createDataFrame([], "item_id string, item_index int")
    parts = known(encoded(items, coded, words, layout, GIVEN, seed=1).toPandas()).parts.numpy()
    for place in (0, 1, 3):
        assert np.mean(parts[:, place] == TEST) == pytest.approx(GIVEN.test_share, abs=0.03)
        assert np.mean(parts[:, place] == VALIDATION) == pytest.approx(GIVEN.validation_share, abs=0.03)
    both = np.mean((parts[:, 0] == TEST) & (parts[:, 1] == TEST))
    assert both == pytest.approx(GIVEN.test_share**2, abs=0.02)  # one attribute says nothing of another
    assert (parts[:, [2, 4]] == LEARNT).all()  # text and pictures are never hidden


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(0.01, 0.99))
def test_a_number_comes_back_from_its_quantile(numbers: list[float], share: float) -> None:
    knots = tuple(np.quantile(numbers, np.linspace(0, 1, KNOTS)).tolist())
    field = Field("price", "numeric", 1, 1, knots)
    value = np.asarray([np.quantile(numbers, share)])
    back = field.number(field.normal(value))
    step = max(np.diff(knots).max(), 1e-9)
    assert abs(back - value)[0] <= 2 * step + 1e-6 * abs(value[0])
    assert (np.diff(field.normal(np.sort(np.asarray(numbers)))) >= 0).all()
    assert np.isnan(field.normal(np.asarray([np.nan]))).all()


def test_what_cannot_be_described_is_named(spark: SparkSession) -> None:
    items = shop(spark)
    with pytest.raises(ContractError, match="attribute brand: no value that 50 items have"):
        fields(items, values(items, 50), SOURCE, msgspec.structs.replace(GIVEN, min_items=50), seed=1)
    longer = items.unionByName(
        spark.createDataFrame([("g", None, {}, {}, {}, None, {"picture": [1.0, 2.0, 3.0]})], ITEMS)
    )
    with pytest.raises(ContractError, match=r"attribute picture: vectors of \[2, 3\] numbers"):
        fields(longer, values(items, 2), SOURCE, GIVEN, seed=1)
    unpriced = items.withColumn("numeric", F.create_map().cast("map<string,double>"))
    with pytest.raises(ContractError, match="attribute price: no item has a number"):
        fields(unpriced, values(items, 2), SOURCE, GIVEN, seed=1)
