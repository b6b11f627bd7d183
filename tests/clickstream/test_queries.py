"""A table, a view or a query is a source; what is not there is named."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.clickstream.logs import bad, good, log, put

from recaug.clickstream.positions import POSITION
from recaug.clickstream.source import read_source
from recaug.errors import ContractError

ROWS = "VALUES ('u', 'i', TIMESTAMP'2025-01-01 10:00'), ('v', 'j', TIMESTAMP'2025-01-02 10:00')"
EXPECTED = [("u", "i", 1), ("v", "j", 2)]
QUERY = "SELECT * FROM orders JOIN lines USING (id)"


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, object]:
    """Orders of a CSV and their lines of a JSON, one of each cut off."""
    orders = "id,who,at\n1,u,2025-01-01\n2,v,2025-01-02\n3\n"
    lines = '{"id":1,"what":"a"}\n{"id":1,"what":"b"}\n{"id":2,"what":"a"}\n{"id":2,"wh'
    header = {"header": "true"}
    return {
        "orders": {"path": put(tmp_path / "orders.csv", orders), "format": "csv", "options": header},
        "lines": {"path": put(tmp_path / "lines.json", lines), "format": "json"},
    }


def test_a_table_and_a_view_are_read(spark: SparkSession, tmp_path: Path) -> None:
    spark.sql(f"SELECT * FROM {ROWS} AS t(who, what, at)").createOrReplaceTempView("a_view")
    spark.sql("CREATE SCHEMA web")
    spark.sql(f"CREATE TABLE web.events USING parquet LOCATION '{tmp_path}/table' AS SELECT * FROM a_view")
    try:
        for name in ("a_view", "web.events", f"parquet.`{tmp_path}/table`"):
            assert good(spark, log(table=name)) == EXPECTED
    finally:
        spark.sql("DROP SCHEMA web CASCADE")
        spark.catalog.dropTempView("a_view")


def test_a_view_over_a_join_has_the_same_positions_each_time(spark: SparkSession, inputs: dict[str, dict]) -> None:
    for name, files in inputs.items():
        spark.read.format(files["format"]).options(**files.get("options", {})).load(files["path"]).createTempView(name)
    spark.sql("SELECT who, at, what, map('k', 1) AS of_a_map FROM orders JOIN lines USING (id)").createTempView(
        "joined"
    )
    try:
        rows = read_source(spark, log(table="joined"), "source.events")
        first, again = (sorted(rows.repartition(n).select(POSITION).collect()) for n in (1, 3))
        assert first == again
        assert len({row[0] for row in first}) == 3
        assert good(spark, log(table="joined")) == [("u", "a", 1), ("u", "b", 1), ("v", "a", 2)]
    finally:
        for name in (*inputs, "joined"):
            spark.catalog.dropTempView(name)


def test_a_query_joins_its_inputs(spark: SparkSession, inputs: dict[str, object]) -> None:
    """What cannot be parsed in an input is in quarantine with its text, and not among what the query reads."""
    events = log(sql=f"{QUERY};\n", inputs=inputs)
    expected = {("u", "a", 1), ("u", "b", 1), ("v", "a", 2)}
    assert set(good(spark, events)) == expected
    texts = [(reason, json.loads(raw)["_corrupt_record"]) for reason, raw in bad(spark, events)]
    assert texts == [("malformed row", "3"), ("malformed row", '{"id":2,"wh')]


def test_the_sessions_own_views_stay_as_they_are(spark: SparkSession, inputs: dict[str, object]) -> None:
    spark.sql("SELECT 1 AS mine").createOrReplaceTempView("orders")
    try:
        assert len(good(spark, log(sql=QUERY, inputs=inputs))) == 3
        assert spark.table("orders").columns == ["mine"]
        assert not spark.catalog.tableExists("lines")
        with pytest.raises(ContractError):
            read_source(spark, log(sql="SELECT nothing FROM orders", inputs=inputs), "source.events")
        assert spark.table("orders").columns == ["mine"]
        over = log(
            sql="SELECT 'u' AS who, mine AS what, DATE'2025-01-01' AS at FROM orders",
            inputs={"orders": {"table": "orders"}},
        )
        assert good(spark, over) == [("u", "1", 1)]
    finally:
        spark.catalog.dropTempView("orders")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"table": "web.nothing"}, "table: nothing called web.nothing; name a table or view as SHOW TABLES has it"),
        ({"table": "no.such.catalogue"}, "table: nothing called no.such.catalogue; name a table"),
        ({"table": "all events"}, "table: 'all events' is no name of a table; write odd names in backticks"),
        ({"sql": "SELECT FROM orders WHERE"}, "sql is no query: [PARSE_SYNTAX_ERROR] Syntax error at or near end"),
        ({"sql": "DROP TABLE orders"}, "sql is no query: [PARSE_SYNTAX_ERROR] Syntax error at or near 'DROP'"),
        ({"sql": "SELECT * FROM orderz"}, "sql: nothing is called `orderz`; source.events.inputs has orders, lines"),
        (
            {"sql": "SELECT price FROM orders"},
            "sql: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column or function parameter",
        ),
        (
            {"sql": "SELECT * FROM orders JOIN lines ON orders.id = lines.id"},
            "sql: the query gives two columns called id; join with USING, or name the columns one by one",
        ),
        (
            {"sql": "SELECT * FROM a", "inputs": {"a": {"table": "web.nothing"}}},
            "inputs.a.table: nothing called web.nothing; name a table",
        ),
        (
            {"sql": "SELECT * FROM a", "inputs": {"a": {"path": "/no/where", "format": "csv"}}},
            "inputs.a.path: nothing at /no/where",
        ),
    ],
)
def test_what_is_not_there_is_named(
    spark: SparkSession, inputs: dict[str, object], keys: dict[str, object], said: str
) -> None:
    given = log(**({"inputs": inputs} if "sql" in keys else {}) | keys)
    with pytest.raises(ContractError) as error:
        read_source(spark, given, "source.events")
    assert str(error.value).startswith(f"source.events.{said}")
    assert "\n" not in str(error.value)
