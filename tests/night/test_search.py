"""A night takes what was searched for, and a study does the same of judgements alone."""

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyspark.sql import SparkSession
from tests.clickstream.logs import put
from tests.night.nights import FIRST, HEAD, context, day, line, rows_of

from recaug.config import Search, convert
from recaug.errors import ContractError
from recaug.lake.contracts import TABLES
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import ingest
from recaug.night.context import Context
from recaug.night.search.tables import prepare_searches, read_searches, write_searches
from recaug.results import Ingest
from recaug.studies.erasure import erase
from recaug.studies.search_tables import write_search_tables

COLUMNS = {"query": "q", "item_id": "what", "user_id": "who", "event_time": "at", "rank": "place", "action": "did"}
ASKED = "q,what,who,at,place,did\n"
JUDGED = "q,what,name,grade\n"


def night(spark: SparkSession, folder: Path, number: int, **search: Any) -> Context:
    """A night of the small shop whose searches are in `folder`/searches."""
    made = context(spark, folder, FIRST + dt.timedelta(days=number - 1))
    keys = {"path": f"{folder}/searches", "format": "csv", "options": {"header": "true"}, "columns": COLUMNS} | search
    source = msgspec.structs.replace(made.config.source, search=msgspec.convert(keys, Search))
    return Context(spark, msgspec.structs.replace(made.config, source=source), made.date, made.lake, made.artifacts)


def asked(folder: Path, number: int, lines: list[str]) -> None:
    put(folder / "searches" / f"{number}.csv", ASKED + "".join(f"{text}\n" for text in lines))


def write_generated(night: Context, gone: str, stays: str) -> None:
    """Write what a search stage makes of two queries."""
    drawn = [
        ("of it", "lde", "a", "classic", "v", 0, ["a"], [gone], 1.0, "r"),
        ("the same", "led", "b", "counts", "v", 0, ["b"], [], 1.0, "r"),
        ("of another", "led 12", "b", "classic", "v", 0, ["b"], [stays], 1.0, "r"),
    ]
    lists = [(query, 1, "a", 0.5, "title: led", night.date) for query in (gone, stays)]
    pairs = [(0, 0, 0, 1.0, b"", b"")]
    tables: dict[str, list[tuple[Any, ...]]] = {
        "generated_queries": drawn,
        "published_queries": [(*row, {"all": 0.2}, night.date) for row in drawn],
        "search_lists": lists,
        "search_pairs": pairs,
        "search_arm_pairs": [("an arm", *pairs[0])],
        "query_rows": [(*pairs[0], b"", b"")],
    }
    for name, rows in tables.items():
        night.lake.replace(night.spark.createDataFrame(rows, TABLES[name].columns), name, {}, "test")


def test_a_night_takes_searches_up_to_its_day_and_again_the_same(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "log" / "1.csv", HEAD + line("u", "a", day(1)) + line("v", "b", day(2)))
    asked(tmp_path, 1, [f"Led 12v,a,u,{day(1)},1,shown", f"led 12 volt,b,u,{day(1)},2,click"])
    again, mail = f"led 12v,a,v,{day(2)},1,shown", f"mail me@x.de,a,v,{day(2)},1,shown"
    asked(tmp_path, 2, [f"led,a,v,{day(2)},1,purchase", again, mail, f"x,a,u,{day(3)},1,shown"])
    first = ingest.run(night(spark, tmp_path, 1)).metrics
    assert isinstance(first, Ingest)
    assert first.searches is not None
    assert (first.searches.rows, first.searches.taken, first.searches.reasons) == (2, 2, {})
    second = night(spark, tmp_path, 2)
    found = ingest.run(second).metrics
    assert isinstance(found, Ingest)
    assert found.searches is not None
    assert (found.searches.taken, found.searches.quarantined) == (4, 1)
    hashed = second.lake.content_hash("search_events")
    ingest.run(second)
    assert second.lake.content_hash("search_events") == hashed
    searched = rows_of(tmp_path, "search_events")
    assert Counter(row["event_date"].day for row in searched) == {1: 2, 2: 2}
    made = prepare_searches(second)
    assert sum(made.splits.values()) == 2
    queries = {row["text"]: row for row in rows_of(tmp_path, "queries")}
    assert {text: (row["count"], row["users"]) for text, row in queries.items()} == {"led 12 v": (2, 2), "led": (1, 1)}
    judged = {(row["query_id"], row["item_id"]): row for row in rows_of(tmp_path, "judgements")}
    assert judged[queries["led 12 v"]["query_id"], "a"]["gain"] == 0
    clicked, bought = judged[queries["led 12 v"]["query_id"], "b"], judged[queries["led"]["query_id"], "a"]
    assert 0 < clicked["gain"] < bought["gain"]
    assert (clicked["source"], bought["source"]) == ("click", "purchase")
    examined = {row["rank"]: row["examined"] for row in rows_of(tmp_path, "search_events")}
    assert examined == {1: 1.0, 2: 0.5}  # nothing tells more of two places

    ids = {text: str(row["query_id"]) for text, row in queries.items()}
    write_generated(second, ids["led"], ids["led 12 v"])
    deleted = erase(second, ["v"], say=lambda line: None)
    assert (deleted["search_events"], deleted["search_quarantine"]) == (2, 1)
    assert {row["user_id"] for row in rows_of(tmp_path, "search_events")} == {"u"}
    assert {row["text"] for row in rows_of(tmp_path, "queries")} == {"led 12 v"}  # nobody else asked for led
    for name in ("judgements", "search_lists"):
        assert {row["query_id"] for row in rows_of(tmp_path, name)} == {ids["led 12 v"]}
    for name in ("generated_queries", "published_queries"):
        assert {row["row_id"] for row in rows_of(tmp_path, name)} == {"of another"}
    for name in ("search_pairs", "search_arm_pairs", "query_rows"):
        assert second.lake.read(name).count() == 0
    (name,) = second.artifacts.list("erasures/*.json")
    told = json.loads(second.artifacts.read(name))["tables"]
    assert told["generated_queries"]["rows_deleted"] == 2
    assert told["queries"] | {"rows_left": 0, "rows_deleted": 1} == told["queries"]
    left = erase(second, ["v"], say=lambda line: None)  # of what is left nothing is theirs
    assert sum(left.values()) == 0


def test_a_bad_search_log_ends_the_night_before_it_writes(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "log" / "1.csv", HEAD + line("u", "a", day(1)))
    asked(tmp_path, 1, [f"led,a,u,{day(1)},1,seen"])
    made = night(spark, tmp_path, 1)
    with pytest.raises(ContractError, match="unknown action"):
        ingest.run(made)
    assert not made.lake.exists("events")


def test_a_day_without_a_search_is_a_night_with_a_warning(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "log" / "1.csv", HEAD + line("u", "a", day(1)))
    asked(tmp_path, 1, [f"led,a,u,{day(2)},1,shown"])
    made = night(spark, tmp_path, 1)
    found = ingest.run(made).metrics
    assert isinstance(found, Ingest)
    assert found.searches is None
    assert any("source.search.path" in warning for warning in found.warnings)
    assert prepare_searches(made).written == {}


def study(spark: SparkSession, folder: Path, **search: Any) -> Context:
    """A shop that has graded judgements alone."""
    files = {"path": f"{folder}/judged.csv", "format": "csv", "options": {"header": "true"}}
    columns = {"query": "q", "item_id": "what", "gain": "grade - 1"}
    source = {"items": files | {"item_id": "what", "title": "name"}, "search": files | {"columns": columns} | search}
    config = convert({"artifacts": f"{folder}/artifacts", "lake": {"path": f"{folder}/lake"}, "source": source})
    return Context(spark, config, FIRST, Lake(spark, path=f"{folder}/lake"), Store(folder / "artifacts"))


def test_graded_judgements_alone_make_the_tables_of_a_study(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "judged.csv", JUDGED + '2x4,a,wood,3\n"2 x 4",a,wood,2\n2x4,b,pipe,1\n\U0001f600,b,pipe,3\n')
    made = study(spark, tmp_path)
    write_search_tables(made, say=lambda line: None)
    judged = {row["item_id"]: (row["gain"], row["source"]) for row in made.lake.read("judgements").collect()}
    assert judged == {"a": (1.5, "graded"), "b": (0.0, "graded")}
    (query,) = made.lake.read("queries").collect()
    assert (query["text"], query["count"], query["users"]) == ("2 x 4", 3, 0)
    assert {row["item_id"]: row["title"] for row in made.lake.read("items").collect()} == {"a": "wood", "b": "pipe"}
    assert [row["reasons"] for row in made.lake.read("search_quarantine").collect()] == [["no word in the query"]]
    assert not made.lake.exists("search_events")


def test_a_log_made_of_judgements_keeps_their_truth_beside_it(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "judged.csv", JUDGED + "".join(f"led {n},{n % 7},x,{1 + n % 3}\nled {n},b,y,1\n" for n in range(40)))
    made = study(spark, tmp_path, click_model={"searches": 10, "seed": 5})
    with read_searches(made) as read:
        found, _ = write_searches(made, read)
    assert found is not None
    assert found.taken == 40 * 2 * 10
    assert len(found.looks) == 2
    prepare_searches(made)
    assert made.lake.read("search_grades").count() == 80
    assert {row["source"] for row in made.lake.read("judgements").select("source").distinct().collect()} <= {
        "click",
        "purchase",
    }
    assert sum(row["count"] for row in made.lake.read("queries").collect()) == 400
