"""Enhanced copies of items: noise in the numbers' own scale, typing errors, dropped words; what is missing stays so."""

import doctest

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.clickstream.test_attributes import ITEMS

from recaug.augment import items as items_module
from recaug.augment.items import enhanced, mistyped
from recaug.config import ItemEnhancement

PLAIN = ItemEnhancement(copies=1)


def shop(spark: SparkSession) -> DataFrame:
    rows = [
        (f"i{number}", "a pair of red shoes", {"brand": "acme"}, {}, {"price": 10.0, "size": 40.0}, None, {})
        for number in range(400)
    ]
    return spark.createDataFrame([*rows, ("bare", None, {}, {}, {"price": None}, None, {})], ITEMS)


def test_numbers_get_noise_in_their_own_scale_and_text_gets_errors(spark: SparkSession) -> None:
    config = ItemEnhancement(copies=2, noise=0.5, typos=0.2, dropped_words=0.2)
    items = shop(spark)
    copies = enhanced(items, {"price": 4.0}, config, seed=1)
    found = copies.orderBy("copy", "item_id").toPandas()
    assert found.groupby("copy").size().to_dict() == {1: 401, 2: 401}
    bare, rest = found[found["item_id"] == "bare"], found[found["item_id"] != "bare"]
    assert bare["title"].isna().all()
    assert [dict(numbers) for numbers in bare["numeric"]] == [{"price": None}] * 2
    assert found["text"].isna().all()
    prices = np.array([numbers["price"] for numbers in rest["numeric"]])
    assert abs(prices.mean() - 10) < 0.25  # three standard errors
    assert abs(prices.std() - 0.5 * 4) < 0.15
    assert {numbers["size"] for numbers in rest["numeric"]} == {40.0}  # has no spread
    assert {dict(categorical)["brand"] for categorical in rest["categorical"]} == {"acme"}
    words = rest["title"].str.split()
    assert abs(words.map(len).mean() - 5 * 0.8) < 0.1
    wrong = words.explode().map(lambda word: word not in ("a", "pair", "of", "red", "shoes"))
    assert 0.1 < wrong.mean() < 0.2  # of five words one has a single letter, and a doubled one may look like its own
    one, other = (rest[rest["copy"] == copy]["title"].tolist() for copy in (1, 2))
    assert one != other
    # the same whatever the partitions, another with another seed
    again = enhanced(items.repartition(5), {"price": 4.0}, config, seed=1).orderBy("copy", "item_id").toPandas()
    assert again["title"].equals(found["title"])
    assert again["numeric"].equals(found["numeric"])
    assert (
        not enhanced(items, {"price": 4.0}, config, 2)
        .orderBy("copy", "item_id")
        .toPandas()["title"]
        .equals(found["title"])
    )


def test_without_any_way_a_copy_is_the_item(spark: SparkSession) -> None:
    items = shop(spark)
    copies = enhanced(items, {"price": 4.0}, PLAIN, seed=1).drop("copy")
    names = ["item_id", "title", "text", "numeric", "categorical"]
    order = {name: copies.select(name).schema[0].dataType for name in names}
    assert order == {name: items.select(name).schema[0].dataType for name in names}
    assert copies.orderBy("item_id").select(*names).collect() == items.orderBy("item_id").select(*names).collect()


@pytest.mark.parametrize("text", ["", "a", "red shoe", "a b c d"])
def test_some_word_always_stays(text: str) -> None:
    random = np.random.default_rng(1)
    every = ItemEnhancement(copies=1, typos=1.0, dropped_words=1.0)
    assert len(mistyped(text, every, random).split()) == min(len(text.split()), 1)


def test_its_examples_hold() -> None:
    assert doctest.testmod(items_module) == (0, 1)


def test_a_typing_error_is_a_letter_too_few_too_many_or_in_the_wrong_place() -> None:
    random = np.random.default_rng(1)
    found = {mistyped("shoe", ItemEnhancement(copies=1, typos=1.0), random) for _ in range(300)}
    assert found == {"hoe", "soe", "she", "sshoe", "shhoe", "shooe", "hsoe", "sohe", "sheo"}
