"""Files of a source that differ: each row is read, by its columns' names, or one line says which is in the way."""

import datetime as dt
import decimal
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.clickstream.logs import bad, good, log

from recaug.clickstream.columns import CORRUPT, EVENT
from recaug.clickstream.mapping import map_events
from recaug.clickstream.source import read_source
from recaug.config import Events
from recaug.errors import ContractError

HEAD = "who,what,at\n"


@pytest.fixture
def read(spark: SparkSession, tmp_path: Path) -> Callable[..., list[tuple]]:
    """Reads a folder's log: who, what and day of each row, null where it cannot be parsed, in order."""

    def run(format_: str = "csv", path: str = "log", **options: str) -> list[tuple]:
        given = {
            "path": f"{tmp_path}/{path}",
            "format": format_,
            "options": ({"header": "true"} if format_ == "csv" else {}) | options,
            "columns": {"user_id": "who", "item_id": "what", "event_time": "at"},
            "robots": {"max_events_per_day": 100, "max_events_per_minute": 100},
            "session_gap_minutes": 30,
        }
        events = msgspec.convert(given, Events)
        rows = map_events(read_source(spark, events, "source.events"), events)
        known = rows.select(f"{EVENT}.user_id", f"{EVENT}.item_id", F.dayofmonth(f"{EVENT}.event_time"), CORRUPT)
        return sorted((tuple(row)[:3] for row in known.collect() if row[CORRUPT] is None), key=str)

    return run


def line(name: str, day: int) -> str:
    return f"{name},i{day},2017-01-0{day} 10:00:00\n"


def put(folder: Path, **files: str) -> None:
    """Write files; `__` in a name is a slash, `_eq_` the sign."""
    for name, text in files.items():
        path = folder / "log" / (name.replace("__", "/").replace("_eq_", "=") + ".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


EXPECTED = [("u", "i1", 1), ("v", "i2", 2), ("w", "i3", 3)]


def test_a_column_may_come_go_and_move(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    """csv_column_added: a stack trace, by the number of columns."""
    put(
        tmp_path,
        a=HEAD + line("u", 1),
        b="who,what,at,channel\nv,i2,2017-01-02 10:00:00,app\n",
        c="at,what,channel,who\n2017-01-03 10:00:00,i3,web,w\n",
        d="",
    )
    assert read() == EXPECTED


def test_files_without_a_column_in_common_are_named(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    put(tmp_path, a=HEAD + line("u", 1), b=line("v", 2))
    with pytest.raises(ContractError) as error:
        read()
    assert str(error.value) == (
        "source.events.path: no column of log/a.csv (who, what, at) is one of log/b.csv (v, i2, 2017-01-02 10:00:00)"
    )


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"a": 1, "day_eq_2__b": 2, "day_eq_3__c": 3}, id="files_beside_partitions"),
        pytest.param({"old__a": 1, "day_eq_2__b": 2, "day_eq_3__c": 3}, id="folder_beside_partitions"),
        pytest.param({"2017__01__a": 1, "2017__02__b": 2, "2017__02__more__c": 3}, id="nested_day_folders"),
        pytest.param({"year_eq_1__day_eq_1__a": 1, "day_eq_2__b": 2, "c": 3}, id="partitions of two kinds"),
    ],
)
def test_every_row_below_a_folder_is_read(read: Callable[..., list[tuple]], tmp_path: Path, files: dict) -> None:
    """4 of 9 rows were read, or a stack trace said that directory structures conflict."""
    put(tmp_path, **{name: HEAD + line("uvw"[day - 1], day) for name, day in files.items()})
    put(tmp_path, _hidden="no,log\n", _folder__x="no,log\n")
    (tmp_path / "log" / "README.txt").write_text("no log\n")
    assert read(pathGlobFilter="*.csv") == EXPECTED
    if "a" not in files:
        return
    assert read(path="log/a.csv") == EXPECTED[:1]
    assert read(path="log/day=*") == EXPECTED[1:]


def test_a_partition_folders_value_is_a_column(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, day_eq_2__b=HEAD + line("v", 2), c=HEAD + line("w", 3))
    source = msgspec.convert(
        {
            "path": f"{tmp_path}/log",
            "format": "csv",
            "options": {"header": "true"},
            "columns": {"user_id": "who", "item_id": "what", "event_time": "at"},
            "robots": {"max_events_per_day": 100, "max_events_per_minute": 100},
            "session_gap_minutes": 30,
        },
        Events,
    )
    rows = read_source(spark, source, "source.events").select("who", "day").collect()
    assert {tuple(row) for row in rows} == {("v", "2"), ("w", None)}


def test_quotes_and_line_breaks_are_as_rfc_4180_has_them(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    """doubled_quotes, newline_in_quotes, header_nameless."""
    rows = '0,"u ""1""",i1,2017-01-01 10:00:00\r\n1,"v\n2","i,2",2017-01-02 10:00:00\r\n2,w,"i3",2017-01-03 10:00:00'
    put(tmp_path, a=",who,what,at\r\n" + rows)
    assert read() == [('u "1"', "i1", 1), ("v\n2", "i,2", 2), ("w", "i3", 3)]


def records(days: range) -> list[dict[str, str]]:
    return [{"who": "uvw"[day - 1], "what": f"i{day}", "at": f"2017-01-0{day}T10:00:00"} for day in days]


@pytest.mark.parametrize("options", [{}, {"multiLine": "true"}, {"multiLine": "false"}])
def test_json_in_lines_pretty_or_an_array(
    read: Callable[..., list[tuple]], tmp_path: Path, options: dict[str, str]
) -> None:
    """json_pretty: no row of such a file was one."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "lines.json").write_text("\n".join(map(json.dumps, records(range(1, 2)))))
    (tmp_path / "log" / "pretty.json").write_text("\ufeff" + json.dumps(records(range(2, 3))[0], indent=2))
    (tmp_path / "log" / "array.json.gz").write_bytes(gzip.compress(json.dumps(records(range(3, 4))).encode()))
    assert read("json", **options) == EXPECTED
    (tmp_path / "log" / "batches.json").write_text('[{"who":"x"},{"who":"y"}]\n[{"who":"z"}]')
    assert [row[0] for row in read("json", **options)] == ["u", "v", "w", "x", "y", "z"]


@pytest.mark.parametrize("options", [{}, {"multiLine": "true"}])
def test_objects_over_several_lines_one_after_the_other_are_refused(
    read: Callable[..., list[tuple]], tmp_path: Path, options: dict[str, str]
) -> None:
    """json_multiline_first_object: of a file's objects Spark reads the first."""
    (tmp_path / "log").mkdir()
    text = "\n".join(json.dumps(record, indent=1) for record in records(range(1, 4)))
    (tmp_path / "log" / "a.json").write_text(text)
    with pytest.raises(ContractError, match=r"^source.events.path: log/a.json has several objects over several lines"):
        read("json", **options)


def test_a_file_without_any_json_is_told_in_words(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text("who,what,at\nu,i,2017-01-01\n")
    with pytest.raises(ContractError, match=r"^source.events.path: no line of /[^\n]*/log.json is a JSON object$"):
        read("json", "log.json")


def test_names_that_differ_by_case_are_both_named(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    """json_name_case, json_user_case: Spark took one of them, and the other's values were null."""
    (tmp_path / "log.json").write_text('{"who":"u","what":"i","at":"2017-01-01"}\n{"Who":"v","what":"i"}\n')
    with pytest.raises(ContractError, match=r"^source.events.path: the rows have both Who and who; write one name"):
        read("json", "log.json")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("log.zip", "log.zip is a zip archive or an Excel file, which is not read; unpack it, or write CSV"),
        ("log.tar", "log.tar is a tar archive, which is not read; unpack it"),
        ("log.tar.gz", "log.tar.gz is a tar archive, which is not read; unpack it"),
        ("log.parquet", "log.parquet is Parquet; set format: parquet"),
        ("log.csv", "log.csv is compressed by gzip; give it a name that ends with .gz"),
    ],
)
def test_what_is_no_text_is_told_in_words(
    read: Callable[..., list[tuple]], tmp_path: Path, name: str, said: str
) -> None:
    """zip_archive: the source has no column `who`; it has PK and binary."""
    path = tmp_path / "log" / name
    path.parent.mkdir()
    if name == "log.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("log.csv", HEAD + line("u", 1))
    elif "tar" in name:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
            member = tarfile.TarInfo("log.csv")
            member.size = len(HEAD)
            archive.addfile(member, io.BytesIO(HEAD.encode()))
    elif name == "log.parquet":
        pd.DataFrame({"who": ["u"]}).to_parquet(path)
    else:
        path.write_bytes(gzip.compress((HEAD + line("u", 1)).encode()))
    with pytest.raises(ContractError) as error:
        read()
    assert str(error.value) == f"source.events.path: log/{said}"


def test_parquet_is_read_file_by_file(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    """parquet_time_units: the first file's unit was taken for all; an event of 2017 was dated 1970."""
    (tmp_path / "log").mkdir()
    for day, (unit, user) in enumerate((("ns", pa.int64()), ("us", pa.string()), ("ms", pa.int32())), 1):
        at = pa.array([pd.Timestamp(f"2017-01-0{day} 10:00:00")], pa.timestamp(unit))
        table = pa.table({"at": at, "what": [f"i{day}"], "who": pa.array(["7"]).cast(user)})
        pq.write_table(table, tmp_path / "log" / f"{unit}.parquet", version="2.6")
    assert read("parquet") == [("7", f"i{day}", day) for day in (1, 2, 3)]


def test_numbers_of_two_types_are_one(read: Callable[..., list[tuple]], tmp_path: Path) -> None:
    """parquet_type_drift: a stack trace. A whole double is the same id as the whole number."""
    (tmp_path / "log").mkdir()
    rows = pd.DataFrame(records(range(1, 2)))
    for who, kind in ((7, "a"), (7.0, "b"), ("7", "c"), (decimal.Decimal("7.00"), "d"), (b"7", "e"), ("7.0", "f")):
        rows.assign(who=[who]).to_parquet(tmp_path / "log" / f"{kind}.parquet")
    assert read("parquet") == [("7", "i1", 1)] * 6


@pytest.mark.parametrize(
    ("one_value", "other", "said"),
    [
        (1, True, "x is bigint in log/a.parquet and boolean in log/b.parquet"),
        ("1", dt.datetime(2025, 1, 1), "x is string in log/a.parquet and timestamp in log/b.parquet"),
        ({"y": {"z": 1}}, {"y": {"z": [1]}}, "x.y.z is bigint in log/a.parquet and array<bigint> in log/b.parquet"),
        ([1], 1, "x is array<bigint> in log/a.parquet and bigint in log/b.parquet"),
    ],
)
def test_a_column_of_two_types_is_named_with_its_files(
    read: Callable[..., list[tuple]], tmp_path: Path, one_value: object, other: object, said: str
) -> None:
    """parquet_type_drift: a stack trace."""
    (tmp_path / "log").mkdir()
    rows = pd.DataFrame(records(range(1, 2)))
    rows.assign(x=[one_value]).to_parquet(tmp_path / "log" / "a.parquet")
    rows.assign(x=[other]).to_parquet(tmp_path / "log" / "b.parquet")
    with pytest.raises(ContractError) as error:
        read("parquet")
    assert str(error.value) == f"source.events.path: {said}; write both alike"


def test_fields_come_and_go_within_structs_and_arrays(spark: SparkSession, tmp_path: Path) -> None:
    """Pyarrow reads the files alone; each value is where it was, and what a file lacks is null."""
    values = [
        {"x": {"a": 1, "list": [{"b": 1}]}, "n": decimal.Decimal("1.5")},
        {"x": {"list": [{"b": 2.5, "c": "c"}, None], "d": dt.date(2025, 1, 1)}, "n": decimal.Decimal("2.25")},
        {"x": None, "n": decimal.Decimal("123456.789")},
    ]
    (tmp_path / "log").mkdir()
    for number, value in enumerate(values):
        pq.write_table(pa.Table.from_pylist([value | {"id": number}]), tmp_path / "log" / f"{number}.parquet")
    source = log(path=f"{tmp_path}/log", format="parquet")
    rows = read_source(spark, source, "source.events").orderBy("id").collect()
    full = [
        {"a": 1, "list": [{"b": 1.0, "c": None}], "d": None},
        {"a": None, "list": [{"b": 2.5, "c": "c"}, None], "d": dt.date(2025, 1, 1)},
        None,
    ]
    assert [row["x"] and row["x"].asDict(recursive=True) for row in rows] == full
    assert [row["n"] for row in rows] == [value["n"] for value in values]


def test_a_column_that_pandas_found_no_value_for_has_no_type(spark: SparkSession, tmp_path: Path) -> None:
    """Spark takes it for int, which is no struct, nor a time, as the column is in another day's file."""
    (tmp_path / "log").mkdir()
    day = {"who": "u", "what": "i", "at": "2025-01-01"}
    nothing = day | {"x": None, "s": {"n": None, "k": 1}, "list": [{"n": None}], "int": None}
    there = day | {"x": dt.datetime(2025, 1, 1), "s": {"n": [1], "k": 2}, "list": [{"n": "a"}], "int": 7}
    pq.write_table(pa.Table.from_pylist([nothing]), tmp_path / "log" / "a.parquet")
    alone = log(path=f"{tmp_path}/log", format="parquet", rules=[{"name": "all", "when": "x IS NULL"}])
    ((_, raw),) = bad(spark, alone)
    assert json.loads(raw) == day | {"s": {"k": 1}, "list": [{}]}
    pq.write_table(pa.Table.from_pylist([there]), tmp_path / "log" / "b.parquet")
    pq.write_table(pa.Table.from_pylist([nothing | {"int": 2}]), tmp_path / "log" / "c.parquet")
    rows = {row["int"]: row.asDict(recursive=True) for row in read_source(spark, alone, "source.events").collect()}
    assert rows.keys() == {None, 2, 7}
    assert {name: rows[7][name] for name in there} == there
    assert rows[2]["s"] == nothing["s"]


def test_a_column_that_a_folder_names_as_well_is_told(spark: SparkSession, tmp_path: Path) -> None:
    """Spark takes the folder's, and the files' is lost."""
    for day in (1, 2):
        put(tmp_path, **{f"at_eq_2025-01-0{day}__a": HEAD + line("u", day)})
    source = log(path=f"{tmp_path}/log", format="csv", options={"header": "true"})
    with pytest.raises(ContractError) as error:
        read_source(spark, source, "source.events")
    assert str(error.value) == (
        "source.events.path: at=2025-01-01/a.csv has a column at, and its folder says what at is, too; set path: "
        f"file:{tmp_path}/log/at=* to read the column, or leave it out of the files"
    )
    assert good(spark, msgspec.structs.replace(source, path=f"{tmp_path}/log/at=*")) == [("u", "i1", 1), ("u", "i2", 2)]


def test_a_folders_value_is_the_text_that_it_is(spark: SparkSession, tmp_path: Path) -> None:
    for who in ("who=007", "who=1e3", "who=north", "who=__HIVE_DEFAULT_PARTITION__", "year=1/who=1"):
        path = tmp_path / "log" / who / "a.csv"
        path.parent.mkdir(parents=True)
        path.write_text("what,at\ni,2025-01-01\n")
    source = log(path=f"{tmp_path}/log", format="csv", options={"header": "true"})
    assert [who for who, _, _ in good(spark, source)] == ["007", "1", "1e3", "north"]
    assert [why for why, _ in bad(spark, source)] == ["no user_id"]


@pytest.mark.parametrize(
    ("format_", "options", "said"),
    [
        ("csv", {"mode": "DROPMALFORMED"}, "mode: rows that cannot be parsed are lost, or end the night; leave it out"),
        ("json", {"Mode": "failfast"}, "mode: rows that cannot be parsed are lost, or end the night; leave it out"),
        ("csv", {"inferSchema": "true"}, "inferSchema: 007 becomes 7"),
        ("json", {"ignoreCorruptFiles": "true"}, "ignoreCorruptFiles: files are lost without a word; leave it out"),
    ],
)
def test_options_that_lose_something_are_refused(
    spark: SparkSession, tmp_path: Path, format_: str, options: dict[str, str], said: str
) -> None:
    put(tmp_path, a=HEAD + line("u", 1))
    with pytest.raises(ContractError) as error:
        read_source(spark, log(path=f"{tmp_path}/log", format=format_, options=options), "source.events")
    assert str(error.value).startswith(f"source.events.options.{said}")


def test_a_type_that_spark_lacks_and_a_name_twice_are_told_in_words(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"at": [dt.time(1, 2)]}), tmp_path / "log.parquet")
    with pytest.raises(ContractError, match=r"has a column of a type that Spark does not read, such as a time of day"):
        read_source(spark, log(path=f"{tmp_path}/log.parquet", format="parquet"), "source.events")
    (tmp_path / "log.json").write_text('{"who": "u", "who": "v"}\n')
    with pytest.raises(ContractError, match=r"^source.events.path: an object of [^\n]*/log.json has the same name"):
        read_source(spark, log(path=f"{tmp_path}/log.json", format="json"), "source.events")


def test_an_id_that_is_an_object_in_some_rows_is_none(spark: SparkSession, tmp_path: Path) -> None:
    """Spark gives the text of the object, which named a user."""
    day = {"what": "i", "at": "2025-01-01"}
    rows = [day | {"who": who} for who in ("u", {"id": 1}, ["v"], "{3F2504E0}")]
    (tmp_path / "log.json").write_text("\n".join(map(json.dumps, rows)))
    source = log(path=f"{tmp_path}/log.json", format="json")
    assert good(spark, source) == [("u", "i", 1), ("{3F2504E0}", "i", 1)]
    assert [why for why, _ in bad(spark, source)] == ["an id is an object or an array"] * 2
