"""A night whose only task is search, on a shop that has a search log and no log of events."""

import datetime as dt
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession
from tests.conftest import STAGES, shipped
from tests.night.nights import note
from tests.report.made import stage
from tests.report.nights import by_hand
from tests.report.test_page import Text
from tests.studies.test_search_benchmark import TOWERS, shop
from tests.studies.test_search_queries import QUERIES, SMALL

from recaug import cli
from recaug.config import Config, convert
from recaug.night.context import StageResult
from recaug.night.nightly import night_context, run_night
from recaug.night.stage import NIGHT, sections_hash
from recaug.night.story import decided
from recaug.night.summary import summarise
from recaug.report.page import render
from recaug.results import Publish, Search

DATE = dt.date(2020, 1, 1)
CLICKS = {"searches": 6, "spread": 1.0, "length": 5, "judged": "judgements of made queries"}


def searching(folder: Path, **changes: Any) -> Config:
    """The small shop of titles, clicks made of its judgements; only the towers read titles, so that they answer."""
    queries = QUERIES | {"generators": ["counts"], "pair_weights": []}
    blind = SMALL | {"fields": {"attributes": 1.0}}
    quick = TOWERS | {"optimiser": TOWERS["optimiser"] | {"learning_rate": 0.01}}
    given = shop(folder, queries=queries, reranker=None, bm25=blind, blend=[1.0], two_tower=quick)
    values = msgspec.to_builtins(given)
    values["source"]["search"]["click_model"] = CLICKS
    return convert(values | {"tasks": ["search"]} | changes)


@pytest.fixture(scope="module")
def searched(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, dict[str, Any], list[str]]:
    config, said = searching(tmp_path_factory.mktemp("search_night")), list[str]()
    return config, run_night(config, DATE, spark, say=said.append), said


def test_search_alone_is_a_night(spark: SparkSession, searched: tuple[Config, dict[str, Any], list[str]]) -> None:
    config, summary, said = searched
    assert [line.split()[0] for line in said if " s  " in line] == ["ingest", "search", "report"]
    assert summary["decision"] == summary["search"]["decision"] in ("publish", "hold")
    assert summary["reasons"] == summary["search"]["reasons"]
    assert set(summary["cpu_seconds"]) == {"ingest", "search", "report"}
    lake = night_context(config, DATE, spark).lake
    rows = summary["search"]["rows"]
    assert lake.read("search_lists").count() == rows["lists"] > 0
    assert lake.read("queries").count() == rows["queries"] > 0
    assert lake.read("generated_queries").count() == rows["generated"] > 0
    assert not lake.exists("events")
    assert json.loads((Path(config.artifacts) / "2020-01-01" / "summary.json").read_text()) == summary
    (decision,) = (line for line in said if line.startswith("decision: "))
    assert decision.startswith(f"decision: {summary['decision']}: ")
    assert not any(line.startswith("search: ") for line in said)  # it is the night's own decision


def lists_of(config: Config, spark: SparkSession) -> pd.DataFrame:
    """The day's lists in order."""
    lists = night_context(config, DATE, spark).lake.read("search_lists").toPandas()
    return lists.sort_values(["query_id", "rank"], ignore_index=True)


def test_the_lists_are_by_what_learnt_from_every_judged_query(
    spark: SparkSession, searched: tuple[Config, dict[str, Any], list[str]]
) -> None:
    config, _, said = searched
    context = night_context(config, DATE, spark)
    found = context.recorded("search").metrics
    assert isinstance(found, Search)
    assert found.refit is not None
    queries = context.lake.read("judgements").select("query_id").distinct().count()
    assert found.refit.queries == queries > found.queries["train"]
    pairs = (context.lake.read(name).count() for name in ("search_pairs", "refit_search_pairs"))
    assert next(pairs) < next(pairs) == found.refit.pairs
    assert found.refit.model in found.models
    assert any(f"refitted on {queries:,} judged ones" in line for line in said)
    assert found.generated is not None
    assert set(found.generated.trial.leaks.values()) == {0}


def test_the_page_has_the_search(searched: tuple[Config, dict[str, Any], list[str]]) -> None:
    config, summary, _ = searched
    page = Text((Path(config.artifacts) / "2020-01-01" / "report" / "index.html").read_text())
    assert "search" in page.ids
    assert "lift" not in page.ids
    for words in (
        f"no generated queries for {DATE}" if summary["decision"] == "hold" else f"those of {DATE}",
        "The clicks are made, by a click model, of judgements of made queries",
        "NDCG@10, all queries",
        "head queries",
        "tail queries",
        "items without",
        "those of validation and test too",
        "counts field",
        "Lists of test queries",
        f"{summary['search']['rows']['lists']:,} rows of search lists",
    ):
        assert words in page.text


def test_a_night_of_search_resumes(
    spark: SparkSession, searched: tuple[Config, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    config, summary, _ = searched
    said: list[str] = []
    assert run_night(config, DATE, spark, resume=True, say=said.append)["search"] == summary["search"]
    assert [line.split()[0] for line in said if "done before" in line] == ["ingest", "search", "report"]
    ranking = msgspec.structs.replace(config.search_ranking, length=4)
    said.clear()
    proved = msgspec.structs.replace(config, refit=False)
    assert sections_hash(NIGHT["search"], proved) != sections_hash(NIGHT["search"], config)
    refitted = lists_of(config, spark)
    shorter = run_night(
        msgspec.structs.replace(proved, search_ranking=ranking), DATE, spark, resume=True, say=said.append
    )
    assert [line.split()[0] for line in said if "done before" in line] == ["ingest"]
    before = lists_of(config, spark)
    assert before["item_id"].tolist() != refitted[refitted["rank"] <= 4]["item_id"].tolist()
    assert shorter["search"]["rows"]["lists"] < summary["search"]["rows"]["lists"]
    assert shorter["search"]["lift"] == summary["search"]["lift"]
    search = config.source.search
    assert search is not None
    os.utime(str(search.path), (1, 1))  # another file, as far as a night can see
    said.clear()
    run_night(config, DATE, spark, ["ingest"], resume=True, say=said.append)
    assert not any("done before" in line for line in said)


def test_too_few_searches_hold_and_end_no_night(spark: SparkSession, tmp_path: Path, here: None) -> None:
    config = searching(tmp_path)
    (tmp_path / "judged.csv").write_text("query,item,title,relevance\nlamp,i1,red lamp,3\n")
    path = tmp_path / "night.yaml"
    path.write_text(yaml.safe_dump(msgspec.to_builtins(config)))
    command = ["--config", str(path), "--date", "2020-01-01"]
    assert cli.main([*command, "--exit-on-hold", "10"]) == 10
    summary = json.loads((tmp_path / "artifacts" / "2020-01-01" / "summary.json").read_text())
    assert summary["decision"] == summary["search"]["decision"] == "hold"
    assert "no query of the" in summary["reasons"][0]
    assert summary["search"]["rows"] == {"queries": 1, "generated": 0, "published": 0, "lists": 0}
    assert cli.main([*command, "--stages", "prepare"]) == 2  # a stage of another task


HELD = Search(queries={"train": 3}, judgements=4)


def test_a_search_that_holds_does_not_hold_the_recommendation(spark: SparkSession, tmp_path: Path) -> None:
    night = night_context(searching(tmp_path, tasks=["recommendation", "search"]), DATE, spark)
    assert night.config.stages == (*STAGES[:-1], "search", "report")
    note(night, "search", StageResult(HELD, None, "hold", ("no proof",)))
    assert summarise(night)["decision"] == "none"  # it is not the recommendation's
    note(night, "publish", StageResult(Publish(augmented=788), "hash", "publish", ("it helps",)))
    summary = summarise(night)
    assert (summary["decision"], summary["search"]["decision"]) == ("publish", "hold")
    assert decided(summary) == ["decision: publish: it helps", "search: hold: no proof"]


def test_the_page_has_search_beside_the_recommendation() -> None:
    night = by_hand("publish")
    held = stage("search", metrics=HELD, decision="hold", reasons=["no proof"])
    page = Text(render(replace(night, stages={**night.stages, "search": held})))
    assert "788 generated rows of the VAE are the partition of" in page.text
    assert "Held: no generated query is published. No proof." in page.text
    assert {"lift", "search"} <= page.ids


def test_search_without_a_search_log_is_refused() -> None:
    with pytest.raises(ValueError, match="tasks has search: set source.search"):
        convert(shipped("weeks") | {"tasks": ["recommendation", "search"]})
