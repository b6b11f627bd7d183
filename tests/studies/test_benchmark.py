"""The comparison of recommenders, end to end on a thin night's real data."""

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.conftest import THIN_DAY, copied_tables
from tests.night.nights import HEAD, context, day, line

from recaug.cli import benchmark
from recaug.config import convert
from recaug.errors import ConfigError
from recaug.night.nightly import night_context
from recaug.studies.benchmark import fold_contexts, run_benchmark

MODELS = ["popularity", "als", "content", "covisitation", "vae", "sasrec", "blend"]
NETWORK = {
    "kind": "vae",
    "hidden": 32,
    "z_dim": 8,
    "dropout": 0.5,
    "beta": 0.2,
    "anneal_share": 0.5,
    "free_bits": 0.0,
    "informed": False,
    "optimiser": {"epochs": 2, "batch_rows": 128, "learning_rate": 0.001, "clip_norm": 5.0},
}
SECTION = {
    "date": THIN_DAY,
    "models": MODELS,
    "seeds": 2,
    "covisitation": {"window": [5], "backward": [0.0, 1.0], "decay": [0.5]},
    "als": {"rank": [8], "regularisation": [0.1], "alpha": [1.0, 20.0], "iterations": 3},
    "vae": NETWORK,
    "content": [0.5, 1.0],
    "blend": [0.0, 0.5],
}


@pytest.mark.slow
def test_every_model_is_chosen_on_validation_and_tested_once(spark, thin_config, night):
    thin = msgspec.to_builtins(thin_config({}).sasrec)
    absolute = thin | {"positions": "absolute", "item_features": 4}
    config = thin_config({"benchmark": SECTION | {"sasrec": {"as it is": thin, "absolute": absolute}}})
    copied_tables(night[0], config, spark, "ingest", "prepare")
    said: list[str] = []
    context = night_context(config, THIN_DAY, spark)
    results = run_benchmark(context, said.append)
    assert [line.split()[0] for line in said if "skipped" in line] == ["ingest", "prepare"]
    assert list(results) == MODELS
    for result in results.values():
        for name in ("hr@10", "ndcg@10", "recall@20"):
            assert 0 <= result[name]["low"] <= result[name]["mean"] <= result[name]["high"] <= 1
            assert 0 <= result["cold"][name]["mean"] <= 1
        assert result["cpu_seconds"] >= 0
        assert result["train_seconds"] >= 0
        assert result["validation"][result["settings"]] == max(result["validation"].values())
    assert len(results["covisitation"]["validation"]) == len(results["als"]["validation"]) == 2
    by_settings = [results["sasrec"][found] for found in ("validation", "seconds_by_settings")]
    assert [list(each) for each in by_settings] == [["absolute", "as it is"]] * 2
    assert results["sasrec"]["train_seconds"] == by_settings[1][results["sasrec"]["settings"]]
    assert [results[model]["seeds"] for model in ("popularity", "vae", "sasrec", "blend")] == [1, 2, 2, 2]
    assert 0 < results["sasrec"]["train_seconds"] <= results["blend"]["train_seconds"]  # made of it
    # the grocer's bestsellers are no secret: every model is above a random list
    assert min(result["hr@10"]["mean"] for result in results.values()) > 0.02
    # a share of 0 is SASRec alone
    best = max(results["sasrec"]["validation"].values())
    assert math.isclose(results["blend"]["validation"]["covisitation 0"], best, abs_tol=1e-6)

    folder = Path(config.artifacts)
    trained = [json.loads(path.read_text()) for path in folder.glob("models/sasrec-*/meta.json")]
    known = [(meta["arguments"]["relative"], meta["arguments"]["item_features"] > 0) for meta in trained]
    assert sorted(known) == [(False, True)] * 2 + [(True, False)] * 2
    assert json.loads((folder / "results.json").read_text()) == results
    assert len((folder / "results.md").read_text().splitlines()) == 2 + len(MODELS)
    page = (folder / "index.html").read_text()
    assert page.count("<svg") == 2
    assert "co-visitation counts" in page

    again: list[str] = []
    assert run_benchmark(context, again.append) == results
    assert again == [f"{folder / 'results.json'} holds this run: the test is seen once"]


def test_folds_by_time_are_nights_further_back(spark, thin_config):
    config = thin_config({"benchmark": SECTION | {"folds": 3, "step_days": 2}})
    nights = fold_contexts(night_context(config, THIN_DAY, spark), config.benchmark)
    assert [(THIN_DAY - night.date).days for night in nights] == [4, 2, 0]


def test_a_user_is_tested_in_the_fold_that_holds_it_out(spark, tmp_path):
    random = np.random.default_rng(1)
    (tmp_path / "log").mkdir()
    log = [
        line(f"u{user}", f"i{int(9 * random.random() ** 2)}", day(number, 8 + user / 10))
        for number in range(1, 7)
        for user in range(30)
    ]
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(log))
    holdout = {"share": 0.3, "validation_share": 0.1, "folds": 3, "fold": 0}
    changes = {"split": "users", "holdout": holdout, "task": "repeat", "min_item_users": 1}
    made = context(
        spark, tmp_path, day(6).date(), prepare=changes | {"train_days": 4, "validation_days": 1, "test_days": 1}
    )
    section = SECTION | {"folds": 3, "models": ["popularity"], "date": day(6).date()}
    places = {"lake": {"path": f"{tmp_path}/lake"}, "artifacts": f"{tmp_path}/artifacts"}
    config = convert(msgspec.to_builtins(made.config) | places | {"benchmark": section})
    made = night_context(config, day(6).date(), spark)
    nights = fold_contexts(made, made.config.benchmark)
    assert len({night.run_id for night in nights}) == 3
    tested = []

    def listen(said: str) -> None:  # when a fold's models are told, its tables are still there
        if said.startswith("  popularity"):
            tested.extend(row.user_id for row in made.lake.read("sequences").where("split = 'test'").collect())

    results = run_benchmark(made, listen)
    assert sorted(tested) == sorted(f"u{user}" for user in range(30))
    assert results["popularity"]["folds"] == 3
    assert 0 < results["popularity"]["hr@10"]["mean"] <= 1


def test_folds_want_a_split_that_has_them(thin_config):
    with pytest.raises(ConfigError, match=r"prepare\.split leave_one_out has one fold"):
        thin_config({"benchmark": SECTION | {"folds": 2}, "prepare": {"split": "leave_one_out"}})
    with pytest.raises(ConfigError, match=r"prepare\.split users needs prepare\.holdout"):
        thin_config({"prepare": {"split": "users"}})


def test_a_blend_needs_what_it_mixes(thin_config):
    with pytest.raises(ConfigError, match="blend without sasrec"):
        thin_config({"benchmark": SECTION | {"models": ["covisitation", "blend"]}})


def test_a_configuration_without_a_benchmark_is_an_error_of_one_line(thin_yaml, capsys):
    assert benchmark(["--config", str(thin_yaml())]) == 2
    assert "has no section benchmark" in capsys.readouterr().err
