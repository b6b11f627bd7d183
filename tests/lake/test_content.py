"""Equal rows, equal hash; any difference in a row shows."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug.lake.content import content_hash

SCHEMA = "name string, number double, tags map<string,string>, parts array<int>, day date"
DAY = dt.date(2017, 1, 1)
ROWS = [("a", 1.0, {"x": "1", "y": "2"}, [1, 2], DAY), ("b", None, None, None, None), ("a", 2.0, {}, [], DAY)]


def test_order_and_partitions_do_not_matter(spark: SparkSession) -> None:
    rows = spark.createDataFrame(ROWS, SCHEMA)
    assert content_hash(rows) == content_hash(rows.orderBy("number").repartition(7))
    assert content_hash(rows)[0] == 3


def test_the_order_of_columns_and_of_a_maps_entries_does_not_matter(spark: SparkSession) -> None:
    rows = spark.createDataFrame(ROWS, SCHEMA)
    turned = rows.withColumn("tags", F.map_from_entries(F.reverse(F.map_entries("tags"))))
    assert content_hash(turned.select(*reversed(rows.columns))) == content_hash(rows)


@pytest.mark.parametrize(
    "other",
    [
        [*ROWS, ROWS[0]],
        ROWS[:2],
        [("c", *ROWS[0][1:]), *ROWS[1:]],
        [("a", 1.0, {"x": "2", "y": "1"}, [1, 2], DAY), *ROWS[1:]],
        [("a", 1.0, {"x": "1", "y": "2"}, [2, 1], DAY), *ROWS[1:]],
    ],
    ids=["one twice", "one less", "another name", "another map", "another array"],
)
def test_another_row_is_another_hash(spark: SparkSession, other: list[tuple]) -> None:
    assert content_hash(spark.createDataFrame(other, SCHEMA)) != content_hash(spark.createDataFrame(ROWS, SCHEMA))


def test_a_value_in_another_column_is_another_hash(spark: SparkSession) -> None:
    left = spark.createDataFrame([("a", None)], "one string, two string")
    right = spark.createDataFrame([(None, "a")], "one string, two string")
    assert content_hash(left) != content_hash(right)


def test_no_rows_have_a_hash(spark: SparkSession) -> None:
    assert content_hash(spark.createDataFrame([], SCHEMA))[0] == 0


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=3), st.integers(-5, 5)), min_size=1, max_size=8), st.randoms())
def test_a_shuffle_keeps_the_hash_and_a_change_does_not(spark: SparkSession, rows: list, random: object) -> None:
    schema = "name string, number int"
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before = content_hash(spark.createDataFrame(rows, schema))
    assert content_hash(spark.createDataFrame(shuffled, schema)) == before
    shuffled[0] = (shuffled[0][0], shuffled[0][1] + 100)
    assert content_hash(spark.createDataFrame(shuffled, schema)) != before
