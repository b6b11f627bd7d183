"""Generated queries on a small shop, from the counts to the gate."""

import pytest
from tests.studies.test_search_benchmark import DATE, shop

from recaug.night.nightly import night_context
from recaug.studies.search_benchmark import run_search_benchmark

QUERIES = {
    "per_item": 4,
    "field_weights": [0.2],
    "pair_weights": [0.3],
    "seeds": 1,
    "examples": 3,
    "vae": {"dim": 8, "hidden": 8, "z_dim": 4, "optimiser": {"epochs": 1, "batch_rows": 16}},
    "gate": {"metric": "recall@50", "bootstraps": 50},
}


@pytest.fixture(scope="module")
def proved(spark, tmp_path_factory):
    config = shop(tmp_path_factory.mktemp("queries"), queries=QUERIES, reranker=None)
    context = night_context(config, DATE, spark)
    return context, run_search_benchmark(context, print).generated


def test_the_gate_judges_arms_beside_controls(proved):
    context, generated = proved
    print(generated)
