"""Columns of a CSV are named by its header or by the YAML; a file that has others is named."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.clickstream.logs import bad, good, log, put

from recaug.clickstream.source import read_source
from recaug.errors import ContractError

NAMES = ["who", "what", "at"]
ROWS = "u,i1,2025-01-01\nv,i2,2025-01-02\n"
EXPECTED = [("u", "i1", 1), ("v", "i2", 2)]


def test_columns_without_a_header_are_named_by_the_yaml(spark: SparkSession, tmp_path: Path) -> None:
    """The first row is one as all others, also where it is cut off."""
    put(tmp_path / "log" / "day=1" / "a.csv", "cut off\n" + ROWS)
    for name, text in {"empty": "", "mark": "\ufeff", "lines": "\n\n"}.items():
        put(tmp_path / "log" / f"{name}.csv", text)
    put(tmp_path / "log" / "c.csv", 'w,"i 3",2025-01-03')
    events = log(path=f"{tmp_path}/log", format="csv", names=NAMES)
    assert good(spark, events) == [*EXPECTED, ("w", "i 3", 3)]
    assert bad(spark, events) == [("malformed row", '{"who":"cut off","day":"1","_corrupt_record":"cut off"}')]


def test_a_name_that_is_there_twice_may_be_if_nobody_asks_for_it(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "log" / "a.csv", "who,what,at,note,note\nu,i1,2025-01-01,1,2\n")
    put(tmp_path / "log" / "b.csv", "who,what,at\nv,i2,2025-01-02\n")
    assert good(spark, log(path=f"{tmp_path}/log", format="csv", options={"header": "true"})) == EXPECTED


def test_columns_without_names_are_numbered(spark: SparkSession, tmp_path: Path) -> None:
    columns = {"user_id": "_c0", "item_id": "_c1", "event_time": "_c2"}
    assert good(spark, log(path=put(tmp_path / "log.csv", ROWS), format="csv", columns=columns)) == EXPECTED


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("who, what ,at\t\n", id="blanks about the names"),
        pytest.param('"who","what","at"\r\n', id="names in quotes"),
        pytest.param("\n\nwho,what,at\n", id="blank lines above"),
    ],
)
def test_names_of_a_header_are_what_a_person_reads(spark: SparkSession, tmp_path: Path, header: str) -> None:
    put(tmp_path / "log" / "a.csv", header + "u,i1,2025-01-01\n")
    put(tmp_path / "log" / "b.csv", "what,who,at\ni2,v,2025-01-02\n")
    assert good(spark, log(path=f"{tmp_path}/log", format="csv", options={"header": "true"})) == EXPECTED


def test_a_name_over_two_lines_and_comments_hide_no_difference(spark: SparkSession, tmp_path: Path) -> None:
    """The first lines of both files are the same, their columns are not."""
    options = {"header": "true", "comment": "#"}
    put(tmp_path / "log" / "a.csv", '# shop\n"a\nb",who,what,at\n0,u,i1,2025-01-01\n')
    put(tmp_path / "log" / "b.csv", '# shop\n"a\nb",what,who,at\n0,i2,v,2025-01-02\n')
    assert good(spark, log(path=f"{tmp_path}/log", format="csv", options=options)) == EXPECTED


@pytest.mark.parametrize(
    ("files", "keys", "said"),
    [
        ([ROWS], {"names": ["who", "what"]}, "names: 2 names, and log/0.csv has 3 columns"),
        ([ROWS], {"names": [*NAMES, "more"]}, "names: 4 names, and log/0.csv has 3 columns"),
        ([ROWS, "u,i1\n"], {"names": NAMES}, "names: 3 names, and log/1.csv has 2 columns"),
        (
            [ROWS, "u,i1,2025-01-01,web\n"],
            {},
            "path: log/0.csv has 3 columns, log/1.csv 4 columns, and no header names them; read them as logs of their "
            "own (source.events.more)",
        ),
        (
            ["who,what,at,cost,cost\n" + "u,i,2025-01-01,1,2\n", "who,cost\nv,3\n"],
            {"options": {"header": "true"}},
            "path: log/0.csv has two columns called cost, log/1.csv has one; give each a name of its own",
        ),
        (
            ["All visits of 2025\nwho,what,at\n" + ROWS],
            {"options": {"header": "true"}},
            "path: log/0.csv has 1 names in its first line (All visits of 2025), and 3 columns below; write a name for "
            "each column, and nothing above the names",
        ),
    ],
)
def test_a_file_of_other_columns_is_named(
    spark: SparkSession, tmp_path: Path, files: list[str], keys: dict[str, object], said: str
) -> None:
    for number, text in enumerate(files):
        put(tmp_path / "log" / f"{number}.csv", text)
    with pytest.raises(ContractError) as error:
        read_source(spark, log(path=f"{tmp_path}/log", format="csv", **keys), "source.events")
    assert str(error.value) == f"source.events.{said}"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"options": {"header": "true"}}, "names are of a CSV without a header; leave out names, or options.header"),
        ({"names": ["who", "Who", "at"]}, "names has both who and Who; give each column a name of its own"),
        ({"format": "json"}, "names are of a CSV without a header; json has names"),
    ],
)
def test_names_that_cannot_be_are_refused(keys: dict[str, object], said: str) -> None:
    with pytest.raises(Exception, match=said):
        log(**{"path": "log.csv", "format": "csv", "names": NAMES} | keys)
