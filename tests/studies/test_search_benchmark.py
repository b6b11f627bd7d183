"""The comparison of search rankers and the lists, end to end on a shop whose queries are made of its titles."""

import csv
import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from recaug.config import Config, convert
from recaug.errors import ConfigError, ContractError
from recaug.night.context import Context
from recaug.night.nightly import night_context
from recaug.night.refit import SHARE
from recaug.night.search.data import read_search_data
from recaug.night.search.published import Served
from recaug.night.search.rankers import fit_rankers
from recaug.night.search.refit import refit_served
from recaug.night.search.reranker import popularity, popularity_of_all
from recaug.report import search as page
from recaug.results import SearchBenchmark, decode, encode
from recaug.studies.search_benchmark import run_search_benchmark
from recaug.studies.search_lists import open_engine, run_search_lists

DATE = dt.date(2020, 1, 1)
KINDS, COLOURS, ROOMS = (
    ("lamp", "chair", "table", "mirror", "shelf"),
    ("red", "blue", "green", "white"),
    ("bath", "hall", "attic"),
)
TOWERS: dict[str, Any] = {"buckets": 1024, "dim": 16, "optimiser": {"epochs": 2, "batch_rows": 16}}
SMALL = {
    "date": "2020-01-01",
    "bm25": {"k1": [0.6], "b": [0.25, 0.75]},
    "two_tower": TOWERS,
    "reranker": {"trees": 10, "min_leaf_pairs": 5},
    "blend": [0.0, 1.0],
    "length": 5,
}


def shop(folder: Path, **ranking) -> Config:
    """60 items; 90 queries of two words of a title, one of them with a typo, judged on three items each."""
    titles = [f"{colour} {kind} for the {room}" for kind in KINDS for colour in COLOURS for room in ROOMS]
    rng, rows = np.random.default_rng(5), []
    for number in range(90):
        item = int(rng.integers(len(titles)))
        colour, kind, *_, room = titles[item].split()
        query = f"{colour} {kind}s {room}" if number % 3 else f"{colour[:-1]}x {kind} {room}"
        rows += [(query, f"i{item}", titles[item], 3), (query, f"i{(item + 7) % 60}", titles[(item + 7) % 60], 1)]
    rows += [("lamp", f"i{n}", title, 1.5) for n, title in enumerate(titles)]
    with (folder / "judged.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("query", "item", "title", "relevance"), *rows])
    files = {"path": f"{folder}/judged.csv", "format": "csv", "options": {"header": "true"}}
    columns = {"query": "query", "item_id": "item", "gain": "relevance - 1"}
    return convert(
        {
            "seed": 3,
            "artifacts": f"{folder}/artifacts",
            "lake": {"path": f"{folder}/lake"},
            "source": {"items": files | {"item_id": "item", "title": "title"}, "search": files | {"columns": columns}},
            "training": {"launcher": "local", "workers": 1},
            "search_ranking": SMALL | ranking,
        }
    )


@pytest.fixture(scope="module")
def compared(spark, tmp_path_factory) -> tuple[Context, SearchBenchmark, list[str]]:
    context = night_context(shop(tmp_path_factory.mktemp("search")), DATE, spark)
    said: list[str] = []
    return context, run_search_benchmark(context, said.append), said


def test_rankers_are_chosen_on_validation_and_find_what_chance_does_not(compared):
    context, result, _ = compared
    assert list(result.rankers) == ["random", "bm25", "pairs", "trigrams", "two_tower", "blend", "reranked"]
    assert result.items == 60
    assert min(result.queries.values()) > 5
    scored = {name: own.measures["overall"]["ndcg@10"].mean for name, own in result.rankers.items()}
    assert scored["random"] < 0.4
    assert scored["blend"] > 0.6
    for name, own in result.rankers.items():
        if name != "random":
            assert own.validation[own.settings] == max(own.validation.values())
        assert ("overall" in own.lifts) == (name != "bm25")
    assert context.artifacts.exists("index.html")


def test_the_test_is_seen_once(compared):
    context, result, _ = compared
    again: list[str] = []
    assert run_search_benchmark(context, again.append) == result
    assert "the test is seen once" in again[0]


def test_the_table_has_a_row_a_ranker(compared):
    lines = page.markdown(compared[1]).splitlines()
    again = decode(encode(compared[1]), SearchBenchmark)  # as results.json has it, its keys sorted
    assert page.markdown(again).splitlines() == lines
    assert lines[2].startswith("| random order |")
    assert len(lines) == 9
    assert len({line.count("|") for line in lines}) == 1
    assert "BM25 of words and pairs" in page.render(compared[1])


def test_every_query_gets_a_list_and_new_ones_an_answer(compared, tmp_path):
    context = compared[0]
    written = run_search_lists(context, lambda line: None)
    lists = context.lake.read("search_lists").toPandas()
    assert written.queries == written.listed == lists["query_id"].nunique()
    assert lists.groupby("query_id").size().max() <= 5
    first = lists.sort_values("rank").groupby("query_id")
    assert (first["score"].apply(list).map(lambda scores: scores == sorted(scores, reverse=True))).all()
    engine = open_engine(context)
    best, *_ = engine.search("white miror, attic")
    assert best.title == "white mirror for the attic"
    assert best.reason.startswith("title: white")
    for query in ("", "x" * 10_000, "\x00", "🙂", "'; drop table", "\u202exyz"):
        assert len(engine.search(query)) <= 10


@pytest.fixture(scope="module")
def refitted(compared):
    """The re-ranker as it was proved, with a generated pair beside real ones, and as it is refitted."""
    context, said = compared[0], []
    data = read_search_data(context)
    fitted = fit_rankers(context, data, lambda line: None)
    pair = pd.DataFrame({"text": ["made up"], "item_index": np.array([7], np.int32), "weight": [0.3]})
    proved = Served(fitted.by_name["reranked"].ranker, fitted.trained, [pair])
    return data, proved, refit_served(context, data, proved, said.append), said


def test_the_towers_of_the_lists_go_on_learning_from_every_judged_query(compared, refitted):
    lake, (data, proved, served, said) = compared[0].lake, refitted
    gained = data.judgements[data.judgements["gain"] > 0]
    pairs = lake.read("refit_search_pairs").toPandas()
    made = pairs[pairs["query_index"] >= len(data.queries)]
    assert made[["item_index", "weight"]].to_numpy().tolist() == [[7, 0.3]]
    real = pairs.drop(made.index)
    columns = ["query_index", "item_index"]
    assert set(map(tuple, real[columns].to_numpy())) == set(map(tuple, gained[columns].to_numpy()))
    learnt = data.queries["split"][lake.read("search_pairs").toPandas()["query_index"].unique()]
    assert set(learnt) == {"train"}  # what is proved knows no more
    assert served.refit.queries == data.judgements["query_index"].nunique()
    assert served.refit.pairs == len(pairs)
    assert served.refit.model.started_from == proved.towers.folder != served.towers.folder
    assert len(served.refit.model.curves) == -(-proved.towers.epoch // SHARE)
    assert said == [f"  refit on {served.refit.queries} judged queries, {served.refit.seconds} s"]
    before, after = (own.ranker.blend.parts[3] for own in (proved, served))
    rows = data.of_split("test").merge(gained)
    texts = data.queries["text"][rows["query_index"]].tolist()
    told = [
        own.scores(own.read(texts), 0, 60)[np.arange(len(rows)), rows["item_index"]].mean() for own in (before, after)
    ]
    assert told[1] > told[0]  # what test queries led to is nearer to them


def test_an_item_is_as_popular_as_logged_searches_say_not_as_it_was_graded(refitted):
    data, proved, served, _ = refitted
    assert not proved.ranker.popularity.any()  # who grades judges an item for a query or two, and not for the others
    assert not served.ranker.popularity.any()
    logged = replace(data, judgements=data.judgements.assign(source="click"))
    of_train, of_all = popularity(logged), popularity_of_all(logged)
    assert of_train.sum() == pytest.approx(logged.of_split("train")["gain"].sum(), rel=1e-4)
    assert of_all.sum() == pytest.approx(of_train.sum(), rel=1e-4)
    assert (of_all != of_train).any()


def test_a_refit_keeps_what_validation_chose(compared, refitted):
    data, proved, served, _ = refitted
    assert served.ranker.keep == proved.ranker.keep
    assert list(served.ranker.blend.weights) == list(proved.ranker.blend.weights)
    assert all(
        one is other for one, other in zip(served.ranker.blend.parts[:3], proved.ranker.blend.parts, strict=False)
    )
    texts = data.judged("test").texts
    assert served.ranker.trees is not proved.ranker.trees
    looked = proved.ranker.first(texts, 5)
    assert (served.ranker.told(texts, looked) != proved.ranker.told(texts, looked)).any()
    of_counts = Served(proved.ranker.blend.parts[0], proved.towers)
    assert refit_served(compared[0], data, of_counts, print) is of_counts
    never = replace(compared[0], config=msgspec.structs.replace(compared[0].config, refit=False))
    assert refit_served(never, data, proved, print) is proved


def test_a_split_without_a_gain_is_refused(spark, tmp_path):
    config = shop(tmp_path)
    (tmp_path / "judged.csv").write_text("query,item,title,relevance\nlamp,i1,red lamp,3\n")
    with pytest.raises(ContractError, match="no query of the .* split has an item"):
        run_search_benchmark(night_context(config, DATE, spark), lambda line: None)


def test_a_language_without_a_stemmer_is_refused_before_anything_is_read(spark, tmp_path):
    with pytest.raises(ConfigError, match="no stemmer of elvish"):
        run_search_benchmark(night_context(shop(tmp_path, language="elvish"), DATE, spark), lambda line: None)
