"""A slice is replaced in one commit, and nothing else changes."""

import datetime as dt
import json
from pathlib import Path
from urllib.parse import urlparse

import pyarrow.parquet as pq
import pytest
from delta.exceptions import ConcurrentAppendException, ProtocolChangedException
from deltalake import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.errors import ContractError, StorageError
from recaug.lake.failures import storage_error
from recaug.lake.slices import condition
from recaug.lake.tables import Lake
from recaug.lake.views import UndeclaredTable, View

FIRST, SECOND, THIRD = dt.date(2017, 1, 1), dt.date(2017, 1, 2), dt.date(2017, 1, 3)


def negatives(spark: SparkSession, *rows: tuple[int, int, float, dt.date]) -> DataFrame:
    return spark.createDataFrame(rows, "user_index int, item_index int, probability double, event_date date")


def rows(lake: Lake) -> set[tuple[int, int, float, dt.date]]:
    return {tuple(row) for row in lake.read("negatives").collect()}


def test_a_slice_is_replaced_and_the_others_stay(spark: SparkSession, lake: Lake) -> None:
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST), (2, 2, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "a")
    lake.replace(negatives(spark, (3, 3, 0.5, SECOND)), "negatives", {"event_date": SECOND}, "b")
    commit = lake.replace(negatives(spark, (1, 9, 0.25, FIRST)), "negatives", {"event_date": FIRST}, "c")
    assert rows(lake) == {(1, 9, 0.25, FIRST), (3, 3, 0.5, SECOND)}
    assert commit.version == lake.version("negatives") == 2
    assert commit.rows == 1


def test_rows_are_computed_once_for_their_hash_and_their_write(spark: SparkSession, lake: Lake) -> None:
    computed = spark.sparkContext.accumulator(0)

    @F.udf("int")
    def counted(index: int) -> int:
        computed.add(1)
        return index

    given = negatives(spark, (1, 1, 0.5, FIRST), (2, 2, 0.5, FIRST), (3, 3, 0.5, SECOND))
    lake.replace(given.withColumn("more", counted("item_index")), "negatives", {}, "a")
    assert computed.value == 3


def test_no_rows_delete_the_slice(spark: SparkSession, lake: Lake) -> None:
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST), (2, 2, 0.5, SECOND)), "negatives", {}, "a")
    commit = lake.replace(negatives(spark), "negatives", {"event_date": FIRST}, "b")
    assert rows(lake) == {(2, 2, 0.5, SECOND)}
    assert commit.rows == 0


def test_a_range_includes_its_ends_and_may_be_open(spark: SparkSession, lake: Lake) -> None:
    whole = negatives(spark, (1, 1, 0.5, FIRST), (2, 2, 0.5, SECOND), (3, 3, 0.5, THIRD))
    lake.replace(whole, "negatives", {"event_date": (None, THIRD)}, "a")
    lake.replace(negatives(spark), "negatives", {"event_date": (SECOND, THIRD)}, "b")
    assert rows(lake) == {(1, 1, 0.5, FIRST)}


def test_a_stray_row_is_refused_and_the_table_stays(spark: SparkSession, lake: Lake) -> None:
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "a")
    mixed = negatives(spark, (1, 2, 0.5, FIRST), (2, 2, 0.5, SECOND))
    with pytest.raises(ContractError, match=r"table negatives: a row of event_date 2017-01-02 .* DATE'2017-01-01'"):
        lake.replace(mixed, "negatives", {"event_date": FIRST}, "b")
    assert rows(lake) == {(1, 1, 0.5, FIRST)}
    assert lake.version("negatives") == 0


def test_a_stray_row_is_refused_by_a_table_that_is_not_there_yet(spark: SparkSession, lake: Lake) -> None:
    with pytest.raises(ContractError, match="does not belong to the slice"):
        lake.replace(negatives(spark, (2, 2, 0.5, SECOND)), "negatives", {"event_date": FIRST}, "b")
    assert not lake.exists("negatives")


def test_what_is_written_unchecked_is_refused_by_delta(spark: SparkSession, lake: Lake) -> None:
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "a")
    with pytest.raises(AnalysisException, match="REPLACE_WHERE_MISMATCH"):
        lake.write(negatives(spark, (2, 2, 0.5, SECOND)), "negatives", {"event_date": FIRST}, {})
    assert rows(lake) == {(1, 1, 0.5, FIRST)}


def test_a_null_partition_value_is_a_stray_row(spark: SparkSession, lake: Lake) -> None:
    nameless = negatives(spark, (2, 2, 0.5, SECOND)).withColumn("event_date", F.lit(None).cast("date"))
    with pytest.raises(ContractError, match="event_date None"):
        lake.replace(nameless, "negatives", {"event_date": FIRST}, "b")


def test_missing_columns_are_named(spark: SparkSession, lake: Lake) -> None:
    with pytest.raises(ContractError, match="table negatives needs probability, event_date; the rows have"):
        lake.replace(spark.createDataFrame([(1, 2)], "user_index int, item_index int"), "negatives", {}, "a")


def test_columns_are_cast_and_more_are_kept(spark: SparkSession, lake: Lake) -> None:
    wide = spark.createDataFrame(
        [(1, 2, 0.5, "2017-01-01", "why")],
        "user_index long, item_index long, probability float, event_date string, note string",
    )
    lake.replace(wide, "negatives", {"event_date": FIRST}, "a")
    assert lake.read("negatives").dtypes == [
        ("user_index", "int"),
        ("item_index", "int"),
        ("probability", "double"),
        ("event_date", "date"),
        ("note", "string"),
    ]
    lake.replace(negatives(spark, (3, 3, 0.5, SECOND)), "negatives", {"event_date": SECOND}, "b")
    assert {(row.user_index, row.note) for row in lake.read("negatives").collect()} == {(1, "why"), (3, None)}


def test_the_commit_says_which_run_wrote_what(spark: SparkSession, lake: Lake) -> None:
    commit = lake.replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "2017-01-01-abc")
    (last,) = DeltaTable(lake.location("negatives")).history(1)
    assert json.loads(last["userMetadata"]) == {
        "run_id": "2017-01-01-abc",
        "content_hash": commit.content_hash,
        "rows": 1,
    }
    assert lake.content_hash("negatives", {"event_date": FIRST}) == commit.content_hash


def test_an_independent_reader_sees_the_rows_and_no_deletion_vectors(spark: SparkSession, lake: Lake) -> None:
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST), (2, 2, 0.5, SECOND)), "negatives", {}, "a")
    table = DeltaTable(lake.location("negatives"))
    assert table.metadata().configuration["delta.enableDeletionVectors"] == "false"
    assert table.metadata().partition_columns == ["event_date"]
    assert sum(table.get_add_actions(flatten=True).column("num_records").to_pylist()) == 2


def test_a_version_that_was_is_still_read(spark: SparkSession, lake: Lake) -> None:
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "a")
    lake.replace(negatives(spark, (2, 2, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "b")
    assert lake.read("negatives", 0).first()["user_index"] == 1


def test_a_table_that_is_not_there_is_named(lake: Lake) -> None:
    assert lake.version("events") is None
    assert lake.content_hash("events") is None
    with pytest.raises(ContractError, match=r"no table events at .*; run the stage that writes it first"):
        lake.read("events")


def layout(lake: Lake) -> list[list[int]]:
    files = lake.snapshot_files("negatives", {"event_date": FIRST})
    return [pq.read_table(urlparse(file).path)["user_index"].to_pylist() for file in files]


def test_fixed_files_have_the_same_rows_in_the_same_order_whatever_the_partitions(
    spark: SparkSession, lake: Lake
) -> None:
    users = negatives(spark, *((user, 1, 0.5, FIRST) for user in range(100)))
    found = []
    for partitions in (1, 8):
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
        lake.replace(users.repartition(partitions + 1), "negatives", {"event_date": FIRST}, "a", files=4)
        found.append(layout(lake))
    spark.conf.set("spark.sql.shuffle.partitions", 2)
    assert found[0] == found[1]
    assert len(found[0]) == 4
    assert all(users == sorted(users) for users in found[0])
    assert sorted(user for file in found[0] for user in file) == list(range(100))


def test_the_snapshot_lists_no_stale_file(spark: SparkSession, lake: Lake) -> None:
    for run in "abc":
        lake.replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {"event_date": FIRST}, run)
    held = lake.read("negatives").persist()  # a plan that Spark holds in its cache names no file
    files = lake.snapshot_files("negatives", {"event_date": FIRST})
    held.unpersist()
    assert len(files) == 1
    assert files[0].startswith("file:///")
    assert Path(urlparse(files[0]).path).exists()


def test_a_catalogue_holds_the_same_tables(spark: SparkSession) -> None:
    spark.sql("CREATE DATABASE IF NOT EXISTS shop")
    lake = Lake(spark, catalog="shop")
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST), (2, 2, 0.5, SECOND)), "negatives", {}, "a")
    commit = lake.replace(negatives(spark, (3, 3, 0.5, FIRST)), "negatives", {"event_date": FIRST}, "b")
    assert rows(lake) == {(3, 3, 0.5, FIRST), (2, 2, 0.5, SECOND)}
    assert commit.version == lake.version("negatives") == 1
    assert len(lake.snapshot_files("negatives")) == 2
    spark.sql("DROP DATABASE shop CASCADE")


def test_a_place_that_cannot_be_written_is_one_line(spark: SparkSession) -> None:
    with pytest.raises(StorageError, match=r"^table negatives at /proc/lake/negatives: [^\n]*lake.path[^\n]*$"):
        Lake(spark, path="/proc/lake").replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {}, "a")


def test_a_file_in_the_way_is_one_line(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("in the way")
    with pytest.raises(StorageError, match=r"^table negatives at [^\n]*lake.path[^\n]*$"):
        Lake(spark, path=f"{tmp_path}/lake").replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {}, "a")


def test_a_full_disk_is_told_from_other_failures() -> None:
    full = storage_error(OSError("java.io.IOException: No space left on device"), "table events at /lake/events")
    assert isinstance(full, StorageError)
    assert "no space left" in str(full)
    other = ValueError("a bug")
    assert storage_error(other, "table events") is other


class ConcurrentHashMap(Exception):
    """No lost race, whatever its name."""


def test_only_deltas_own_errors_are_a_lost_race(spark: SparkSession) -> None:
    """T18: any trace through ConcurrentHashMap was one. Of two first nights one ended with a stack trace."""
    for kind in (ConcurrentAppendException, ProtocolChangedException):
        lost = storage_error(kind("Files were added", "at Delta"), "table events")
        assert isinstance(lost, StorageError)
        assert "another writer was first" in str(lost)
    other = ConcurrentHashMap("Exception at java.util.concurrent.ConcurrentHashMap.get")
    assert storage_error(other, "table events") is other


def test_a_file_that_is_gone_from_the_lake_is_said_to_be_the_lakes(spark: SparkSession, lake: Lake) -> None:
    """T18: it was said to be missing from the source."""
    lake.replace(negatives(spark, (1, 1, 0.5, FIRST)), "negatives", {}, "a")
    held = lake.read("negatives")
    for file in Path(lake.location("negatives")).glob("**/*.parquet"):
        file.unlink()
    with pytest.raises(Py4JJavaError) as caught:
        held.selectExpr("sum(user_index)").collect()
    gone = storage_error(caught.value, "prepare")
    assert str(gone).startswith("prepare: a file that a table names is gone")


def test_a_view_refuses_what_is_not_declared(spark: SparkSession, lake: Lake) -> None:
    rows = negatives(spark, (1, 1, 0.5, FIRST))
    lake.replace(rows, "negatives", {}, "a")
    reader, writer = View(lake, ["negatives"], []), View(lake, [], ["negatives"])
    assert reader.read("negatives").count() == 1
    assert reader.version("negatives") == 0
    with pytest.raises(UndeclaredTable, match="negatives is not declared as written"):
        reader.replace(rows, "negatives", {}, "b")
    with pytest.raises(UndeclaredTable, match="negatives is not declared as written"):
        reader.delta("negatives")
    assert writer.replace(rows, "negatives", {}, "b").version == 1
    assert writer.exists("negatives")
    for ask in (reader.read, reader.exists, reader.version, reader.content_hash, reader.snapshot_files):
        for table in ("events", "runs"):
            with pytest.raises(UndeclaredTable, match=f"table {table} is not declared; declared are negatives"):
                ask(table)
    assert reader.whole is lake


def test_quotes_in_a_value_stay_in_the_value(spark: SparkSession) -> None:
    names = spark.createDataFrame([("it's",), ("a\\b",), ("other",)], "name string")
    assert names.where(condition({"name": "it's"})).count() == 1
    assert names.where(condition({"name": "a\\b"})).count() == 1
