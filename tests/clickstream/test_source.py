"""Any log is read by its YAML; what it lacks is named."""

import bz2
import datetime as dt
import gzip
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.columns import CORRUPT, EVENT, FILE, POSITION
from recaug.clickstream.failures import unreadable
from recaug.clickstream.mapping import map_events
from recaug.clickstream.positions import name_files, number_rows
from recaug.clickstream.readers import locate
from recaug.clickstream.source import read_source
from recaug.config import Events
from recaug.errors import ContractError

CSV = "who,what,at,how,cost\nu1,i1,2017-01-01 10:00:00,view,1.5\nu2,i2,2017-01-01 11:00:00 UTC,buy,\n"
COLUMNS = {"user_id": "who", "item_id": "what", "event_time": "at", "event_type": "how", "price": "cost"}


def source(path: Path | str, format_: str = "csv", **more: object) -> Events:
    options = {"header": "true"} if format_ == "csv" else {}
    robots = {"max_events_per_day": 100, "max_events_per_minute": 100}
    given = {
        "path": str(path),
        "format": format_,
        "options": options,
        "columns": COLUMNS,
        "robots": robots,
        "session_gap_minutes": 30,
    }
    return msgspec.convert(given | more, Events)


def mapped(spark: SparkSession, events: Events) -> list[tuple]:
    rows = map_events(read_source(spark, events, "source.events"), events).select(f"{EVENT}.*")
    picked = rows.select("user_id", "item_id", F.unix_seconds("event_time"), "event_type", "price").orderBy("user_id")
    return [tuple(row) for row in picked.collect()]


TEN = int(dt.datetime(2017, 1, 1, 10, tzinfo=dt.UTC).timestamp())
EXPECTED = [("u1", "i1", TEN, "view", 1.5), ("u2", "i2", TEN + 3600, "buy", None)]


def test_a_csv_file_a_gzipped_one_a_folder_and_a_glob_read_alike(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.csv").write_text(CSV)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    for path in (tmp_path / "log" / "a.csv", tmp_path / "b.csv.gz", tmp_path / "log", f"{tmp_path}/*.csv.gz"):
        assert mapped(spark, source(path)) == EXPECTED


def test_json_lines_parquet_and_delta_read_like_csv(spark: SparkSession, tmp_path: Path) -> None:
    read_source(spark, source(_write(tmp_path, CSV)), "source.events").createOrReplaceTempView("log")
    log = spark.table("log").drop(CORRUPT)
    for format_ in ("json", "parquet", "delta"):
        log.write.format(format_).save(f"{tmp_path}/{format_}")
        assert mapped(spark, source(tmp_path / format_, format_)) == EXPECTED


def test_parquet_with_nanoseconds_as_pandas_writes_it(spark: SparkSession, tmp_path: Path) -> None:
    time = pd.to_datetime(["2017-01-01 10:00:00.123456789", None])
    rows = pd.DataFrame({"who": ["u1", "u2"], "what": [1, 2], "at": time, "how": "view", "cost": [1, 2]})
    rows.to_parquet(tmp_path / "log.parquet")
    found = map_events(read_source(spark, source(tmp_path, "parquet"), "source.events"), source(tmp_path, "parquet"))
    times = found.orderBy("who").select(F.unix_micros(f"{EVENT}.event_time")).collect()
    assert [row[0] for row in times] == [TEN * 1_000_000 + 123456, None]
    assert found.where("who = 'u1'").select(f"{EVENT}.item_id").first()[0] == "1"


def test_a_line_cut_off_or_too_long_is_marked(spark: SparkSession, tmp_path: Path) -> None:
    events = source(_write(tmp_path, CSV + "u3,i3,2017-01-01 12:00\nu4,i4,2017-01-01 12:00:00,view,1,more\n"))
    rows = read_source(spark, events, "source.events")
    assert [row[0] for row in rows.where(F.col(CORRUPT).isNotNull()).select(CORRUPT).collect()] == [
        "u3,i3,2017-01-01 12:00",
        "u4,i4,2017-01-01 12:00:00,view,1,more",
    ]
    # Whatever columns a reader asks for, the bad lines are the same.
    assert rows.where(F.col(CORRUPT).isNotNull()).select("who").count() == 2


def test_a_json_line_cut_off_is_marked(spark: SparkSession, tmp_path: Path) -> None:
    lines = '{"who":"u1","what":"i1","at":"2017-01-01","how":"view","cost":1}\n{"who":"u2","wh'
    rows = read_source(spark, source(_write(tmp_path, lines), "json"), "source.events")
    assert [row["who"] for row in rows.collect() if row[CORRUPT]] == [None]


def test_blank_text_is_missing(spark: SparkSession, tmp_path: Path) -> None:
    events = source(_write(tmp_path, 'who,what,at,how,cost\n" ",i1,2017-01-01 10:00:00,view,1\n'))
    assert mapped(spark, events) == [(None, "i1", TEN, "view", 1.0)]


def test_a_missing_column_is_named_with_its_key(spark: SparkSession, tmp_path: Path) -> None:
    events = source(_write(tmp_path, CSV), columns=COLUMNS | {"price": "prize * 2"})
    with pytest.raises(ContractError) as error:
        mapped(spark, events)
    assert str(error.value) == (
        "source.events.columns.price: the source has no column `prize`; it has who, what, at, how, cost"
    )


def test_a_wrong_type_is_named(spark: SparkSession, tmp_path: Path) -> None:
    events = source(_write(tmp_path, CSV), columns=COLUMNS | {"event_time": "length(who)"})
    with pytest.raises(ContractError, match=r"^source.events.columns.event_time: length\(who\) is int, not a timesta"):
        mapped(spark, events)


@pytest.mark.parametrize("sql", ["explode(split(what, 'i'))", "sum(length(what))"])
def test_what_is_no_value_of_a_row_is_named(spark: SparkSession, tmp_path: Path, sql: str) -> None:
    """generator_expression: a stack trace."""
    with pytest.raises(ContractError, match=r"^source.events.columns.item_id: ['\"][^\n]*: \[[^\n]*$"):
        mapped(spark, source(_write(tmp_path, CSV), columns=COLUMNS | {"item_id": sql}))


def test_what_is_no_sql_is_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"^source.events.columns.price: 'cost \+' is no SQL expression: [^\n]*$"):
        mapped(spark, source(_write(tmp_path, CSV), columns=COLUMNS | {"price": "cost +"}))


def test_order_only_lines_give_user_item_and_position(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "log.txt.gz").write_bytes(gzip.compress(b"u1 a b  c\nu2\n\nu3\ta\n"))
    columns = {"user_id": "user", "item_id": "item", "event_time": "timestamp_seconds(position)"}
    events = source(tmp_path / "log.txt.gz", "sequences", columns=columns, earliest="1970-01-01")
    rows = map_events(read_source(spark, events, "source.events"), events).select(f"{EVENT}.*")
    found = {tuple(row) for row in rows.select("user_id", "item_id", F.unix_seconds("event_time")).collect()}
    assert found == {
        ("u1", "a", 0),
        ("u1", "b", 1),
        ("u1", "c", 2),
        ("u2", None, None),
        (None, None, None),
        ("u3", "a", 0),
    }


def test_an_object_of_lists_gives_key_and_values(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "items.json.gz").write_bytes(gzip.compress(b'{"a": [1, 2],\n "b": "red", "c": []}'))
    made = read_source(spark, source(tmp_path / "items.json.gz", "json_object"), "source.items")
    assert {row["key"]: row["values"] for row in made.collect()} == {"a": ["1", "2"], "b": ["red"], "c": []}


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_a_path_with_nothing_there_is_one_line(spark: SparkSession, tmp_path: Path, format_: str) -> None:
    with pytest.raises(ContractError, match=r"^source.events.path: nothing at /[^\n]*/no.where$"):
        read_source(spark, source(tmp_path / "no.where", format_), "source.events")


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_an_empty_file_is_one_line(spark: SparkSession, tmp_path: Path, format_: str) -> None:
    if format_ == "parquet":
        (tmp_path / "folder").mkdir()
        path = tmp_path / "folder"
    else:
        path = _write(tmp_path, "")
    with pytest.raises(ContractError, match=r"^source.events.path: /[^\n]* (is empty|has no readable parquet file)$"):
        read_source(spark, source(path, format_), "source.events")


def test_a_damaged_file_is_one_line(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1 this is none")
    with pytest.raises(ContractError, match=r"^source.events.path: [^\n]*/log.parquet is damaged or no parquet$"):
        read_source(spark, source(tmp_path / "log.parquet", "parquet"), "source.events")
    whole = gzip.compress((CSV * 2000).encode())
    (tmp_path / "log.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ContractError, match=r"log.csv.gz is damaged or no csv$"):
        read_source(spark, source(tmp_path / "log.csv.gz"), "source.events")
    for name, content in (("cut.csv.gz", whole[: len(whole) // 2]), ("text.csv.gz", CSV.encode())):
        (tmp_path / name).write_bytes(content)
        lines = source(tmp_path / name, options={"header": "true", "multiLine": "false"})
        with pytest.raises((Py4JJavaError, PySparkException)) as caught:
            spark.read.schema("a string").csv(str(tmp_path / name)).count()
        assert str(unreadable(caught.value, lines, "source.events")).endswith("is damaged or no csv"), name
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "whole.csv").write_text(CSV)
    (packed / "text.csv.bz2").write_text(CSV)  # of which Spark would read no row, and say nothing
    with pytest.raises(ContractError, match=r"packed/text.csv.bz2 is damaged or no bzip2; write it anew"):
        read_source(spark, source(packed), "source.events")
    (packed / "text.csv.bz2").write_bytes(bz2.compress(b""))
    assert read_source(spark, source(packed), "source.events").count() == 2


def test_a_file_of_a_package_is_found() -> None:
    assert locate("package://recaug/py.typed", "source.events").endswith("recaug/py.typed")
    with pytest.raises(ContractError, match="source.events.path: no Python package nowhere_at_all is installed"):
        locate("package://nowhere_at_all/x", "source.events")
    with pytest.raises(ContractError, match="the package recaug has no data/x.csv"):
        locate("package://recaug/data/x.csv", "source.events")


def test_positions_follow_the_files(spark: SparkSession, tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.csv").write_text("who,n\n" + "".join(f"{name},{i}\n" for i in range(100)))
    rows: DataFrame = number_rows(read_source(spark, source(tmp_path), "source.events")).repartition(5)
    found = [(row["who"], int(row["n"])) for row in rows.orderBy(POSITION).collect()]
    assert found == [(name, i) for name in "ab" for i in range(100)]


def test_a_rows_file_is_named(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a day.csv").write_text(CSV)
    rows = name_files(read_source(spark, source(tmp_path), "source.events"))
    assert {row[FILE] for row in rows.collect()} == {"a%20day.csv"}


def _write(folder: Path, text: str) -> Path:
    path = folder / "log.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["50% off", "%20", "ünï 用户", "x#1", "q?", "it's, a=b+c"])
def test_a_folder_and_its_files_may_have_any_name(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}.csv").write_text(CSV)
    glob = str(tmp_path / name).replace("?", r"\?")
    assert mapped(spark, source(glob)) == EXPECTED


def test_a_name_with_a_colon_is_told(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "10:30.csv").write_text(CSV)
    with pytest.raises(ContractError, match=r"^source.events.path: a name at [^\n]* has a colon"):
        read_source(spark, source(tmp_path), "source.events")
