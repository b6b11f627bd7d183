"""An id is a text, the same one whatever its type; what is no id is refused or in quarantine."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.clickstream.logs import log, marked

from recaug.clickstream.items import catalogue
from recaug.clickstream.mapping import as_id, map_events
from recaug.clickstream.positions import number_rows
from recaug.config import Items
from recaug.errors import ContractError

DAY = "DATE'2025-01-01' AS at"


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("10071271D", "10071271"),
        ("10071271.00BD", "10071271"),
        ("'10071271.0'", "10071271"),
        ("'10071271.50'", "10071271.50"),
        ("'10148.80362012'", "10148.80362012"),
        ("'v1.0'", "v1.0"),
        ("'\\t u \\r'", "u"),
        ("'\\ufeffu'", "u"),
        ("CAST('bör' AS BINARY)", "bör"),
        ("X'62F672'", "b\ufffdr"),
        ("'NULL'", None),
        ("DOUBLE('nan')", None),
    ],
)
def test_an_id_is_one_text_whatever_its_type(spark: SparkSession, sql: str, text: str | None) -> None:
    row = spark.range(1).select(F.expr(sql).alias("id"))
    ((_, kind),) = row.dtypes
    assert row.select(as_id(F.col("id"), kind, ("NULL", "NaN"))).first()[0] == text


def test_a_number_of_which_digits_are_lost_names_nobody(spark: SparkSession) -> None:
    """9007199254740993 and ...992 are one double."""
    users = "VALUES (9007199254740993D), (1e20D), (16777215D), (42D)"
    spark.sql(f"SELECT who, 'i' AS what, {DAY} FROM {users} AS t(who)").createOrReplaceTempView("doubles")
    reasons = {row["user_id"]: row["reasons"] for row in marked(spark, log(table="doubles"))}
    assert reasons["42"] == reasons["16777215"] == []
    assert [why for who, why in reasons.items() if why] == [["an id is a number too large to be exact"]] * 2
    spark.sql("SELECT FLOAT(who) AS who, what, at FROM doubles WHERE who < 1e9").createOrReplaceTempView("floats")
    assert all(row["reasons"] == [] for row in marked(spark, log(table="floats")))
    for name in ("doubles", "floats"):
        spark.catalog.dropTempView(name)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("array('u')", "array, not text"),
        ("named_struct('id', 'u')", "struct, not text"),
        ("map('id', 'u')", "map, not text"),
        ("true", "boolean, not text"),
    ],
)
@pytest.mark.parametrize("name", ["user_id", "item_id"])
def test_what_is_no_id_is_refused(spark: SparkSession, sql: str, said: str, name: str) -> None:
    rows = spark.sql(f"SELECT 'u' AS who, 'i' AS what, {DAY}")
    columns = {"user_id": "who", "item_id": "what", "event_time": "at", name: sql}
    with pytest.raises(ContractError) as error:
        map_events(rows, log(table="rows", columns=columns))
    assert str(error.value) == f"source.events.columns.{name}: {sql} is {said}"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"item_id": "s"}, "item_id: s is struct, not one value; name a field or an element of it"),
        ({"categorical": {"tags": "a"}}, "categorical.tags: a is array, not one value; name a field or an element"),
        ({"numeric": {"size": "m"}}, "numeric.size: m is map, not one value; name a field or an element of it"),
        ({"multi_valued": {"tags": "t"}}, "multi_valued.tags: t is string, not array<string>"),
        ({"vectors": {"v": "array(s)"}}, "vectors.v: array(s) is array<struct<x:int>>, not array<float>"),
    ],
)
def test_what_is_no_attribute_is_refused(spark: SparkSession, keys: dict[str, object], said: str) -> None:
    rows = spark.sql("SELECT 't' AS t, array('a') AS a, named_struct('x', 1) AS s, map('k', 1) AS m")
    items = Items(**{"table": "rows", "item_id": "t", "title": "t"} | keys)
    with pytest.raises(ContractError) as error:
        catalogue(number_rows(rows), items)
    assert str(error.value).startswith(f"source.items.{said}")
