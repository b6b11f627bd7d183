"""Generated queries on a small shop, from the counts to the gate, and to lists that use what it let pass."""

from dataclasses import replace

import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.studies.test_search_benchmark import DATE, shop

from recaug.config import convert
from recaug.errors import ContractError
from recaug.evaluate.trial import refuse_leaks
from recaug.night.nightly import night_context
from recaug.night.search.arms import ArmRows
from recaug.night.search.data import read_search_data
from recaug.night.search.prove import leak_checks, publish
from recaug.night.search.rows import query_source
from recaug.report import search as page
from recaug.results import SearchBenchmark, Verdict, decode, encode
from recaug.studies.search_benchmark import run_search_benchmark
from recaug.studies.search_lists import run_search_lists

QUERIES = {
    "per_item": 4,
    "field_weights": [0.2],
    "pair_weights": [0.3],
    "seeds": 1,
    "examples": 3,
    "vae": {"dim": 8, "hidden": 8, "z_dim": 4, "optimiser": {"epochs": 1, "batch_rows": 16}},
    "gate": {"metric": "recall@50", "bootstraps": 50},
}
GENERATORS = ("title", "words", "siblings", "counts", "vae")
SMALL = {"k1": [0.6], "b": [0.75]}


@pytest.fixture(scope="module")
def proved(spark, tmp_path_factory):
    config = shop(tmp_path_factory.mktemp("queries"), queries=QUERIES, reranker=None, bm25=SMALL, blend=[1.0])
    context = night_context(config, DATE, spark)
    return context, run_search_benchmark(context, lambda line: None)


def test_every_generator_stands_beside_controls_in_one_trial(proved):
    generated = proved[1].generated
    trial = generated.trial
    ways = ("field", "pairs", "both")
    assert set(trial.arms) == {"none", *(f"{name} {way}" for name in GENERATORS for way in ways)}
    controls = {name for name, result in trial.arms.items() if result.arm.control}
    assert controls == {f"{name} {way}" for name in GENERATORS[:3] for way in ways}
    assert trial.base in {"none", *controls}
    assert trial.units["overall"] == proved[1].queries["test"]
    assert set(trial.leaks.values()) == {0}
    assert trial.verdict.decision == "hold"  # the ranker finds all: there is nothing to add
    assert trial.verdict.reasons


def test_arms_of_the_same_pairs_share_their_towers(proved):
    arms = proved[1].generated.trial.arms
    folder = {name: result.measured.models[0].folder for name, result in arms.items()}
    assert folder["counts both"] == folder["counts pairs"] != folder["none"]
    assert folder["counts field"] == folder["vae field"] == folder["none"]


def test_rows_say_what_made_them(proved):
    context = proved[0]
    rows = context.lake.read("generated_queries").toPandas()
    assert set(rows["generator"]) == set(GENERATORS)
    assert rows["row_id"].is_unique
    train = context.lake.read("queries").where("split = 'train'").toPandas()
    siblings = rows[rows["generator"] == "siblings"]
    assert set(siblings["source_queries"].explode()) <= set(train["query_id"])
    assert set(siblings["text"]) <= set(train["text"])
    assert (rows["source_items"].map(len) > 0).all()
    assert rows[rows["generator"] == "vae"]["generator_version"].str.startswith("query_vae-").all()


def test_the_vae_is_never_worse_than_the_counts_that_it_starts_as(proved):
    (model,) = proved[1].generated.models
    assert model.curves[0]["epoch"] == 0
    assert model.kept["validation_likelihood"] >= model.curves[0]["validation_likelihood"]


def test_the_page_has_the_verdict_examples_and_fidelity(proved):
    result = decode(encode(proved[1]), SearchBenchmark)
    shown, text = page.render(result), page.markdown(result)
    for words in ("Generated queries", "counts field", "random words of the item (control)", "All queries"):
        assert words in shown
    assert {own.generator for own in result.generated.examples} <= {"counts", "vae"}
    assert f"decision: {result.generated.trial.verdict.decision}" in text
    titles = result.generated.fidelity["title"]
    assert titles.lacking == 0
    assert titles.round_trip > 0.9


def test_what_the_gate_lets_pass_is_published_and_used_and_goes_when_it_holds(proved):
    context, trial = proved[0], proved[1].generated.trial
    passed = msgspec.structs.replace(
        trial, chosen="counts field", verdict=Verdict(decision="publish", reasons=("as if",))
    )
    written = publish(context, passed)
    rows = context.lake.read("published_queries").toPandas()
    assert len(rows) == written > 0
    assert set(rows["generator"]) == {"counts"}
    (part,) = trial.arms["counts field"].arm.parts
    assert dict(rows["uses"][0]) == {part.rows: part.weight}
    said: list[str] = []
    run_search_lists(context, said.append)
    assert any("published as proved" in line for line in said)
    held = msgspec.structs.replace(passed, verdict=Verdict(decision="hold", reasons=("as if",)))
    assert publish(context, held) == 0
    assert context.lake.read("published_queries").count() == 0


def test_a_held_out_query_among_what_is_learnt_stops_the_trial(proved):
    context = proved[0]
    data = read_search_data(context)
    source = query_source(context, data, context.config.search_ranking.queries)
    held_out = int(data.queries.index[data.queries["split"] == "test"][0])
    rows = context.lake.read("search_arm_pairs").limit(1).toPandas().assign(arm="leaking", query_index=held_out)
    context.lake.replace(context.spark.createDataFrame(rows), "search_arm_pairs", {"arm": "leaking"}, "test")

    class Leaking:
        def leaks(self, arms):
            return leak_checks(source, arms)

    with pytest.raises(ContractError, match="1 rows of search_arm_pairs of held-out queries"):
        refuse_leaks(Leaking(), [])


def test_pairs_are_of_new_items_or_made_of_an_items_own_queries(proved):
    context = proved[0]
    whole = read_search_data(context)
    known, fresh = np.flatnonzero(~whole.new_items())[:2]
    data = replace(whole, judgements=whole.judgements[whole.judgements["item_index"] != fresh])
    source = query_source(context, data, context.config.search_ranking.queries)
    rows = pd.DataFrame(
        {"text": ["own", "of siblings", "new"], "item_index": [known, known, fresh], "source": ["a query", "", ""]}
    )
    pairs = ArmRows(source, np.zeros((0, 0), np.int32), {"made": rows}).new_pairs("made", 0.3)
    assert pairs["text"].tolist() == ["own", "new"]
    assert pairs["weight"].tolist() == [0.3, 0.3]


def test_metrics_of_searches_are_of_searches_alone(tmp_path):
    with pytest.raises(ValueError, match="is none of searches"):
        shop(tmp_path, queries={"gate": {"metric": "hr@10"}})
    values = msgspec.to_builtins(shop(tmp_path))
    with pytest.raises(ValueError, match="is of searches"):
        convert(values | {"evaluate": {"gate": {"metric": "recall@50"}}})
