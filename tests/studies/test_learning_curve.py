"""The learning curve and the policy, end to end on a small shop."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from pyspark.sql import functions as F
from tests.night.nights import HEAD, context, day, line, note

from recaug.cli import augmentation
from recaug.config import POLICY, Config, LearningCurve, Policy
from recaug.evaluate.arms import cold_users, rows_of
from recaug.lake import runs
from recaug.night import augment, evaluate, publish
from recaug.night.context import Context, StageResult
from recaug.night.nightly import night_context
from recaug.night.story import tell
from recaug.results import Refit
from recaug.studies.learning_curve import run_learning_curve

END = day(10).date()
CURVE = LearningCurve(date=END, shares=[0.4])
CHANGES = {
    "prepare": {"train_days": 6, "validation_days": 2, "test_days": 2, "min_item_users": 2, "max_length": 8}
    | {"cold_events": 4},
    "negatives": {"per_user": 5},
    "training": {"launcher": "local", "workers": 1},
    "sasrec": {"dim": 8, "heads": 1, "blocks": 1},
    "augment": {
        "generators": [
            {"kind": "counts", "draw": {"continuations": 3, "weight": 0.3, "min_fidelity": 0.0005}},
            {"kind": "classic", "draw": {"histories": 0.5, "history_weight": 0.3, "min_fidelity": 0.0005}},
        ],
        "together": [["counts", "classic"]],
        "buckets": 2,
    },
    "evaluate": {"seeds": 2, "blend": 0.5},
}


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory) -> Context:
    """Sixty users, half of whom buy every day and half every other day, each of one third of the items."""
    random, tmp_path = np.random.default_rng(1), tmp_path_factory.mktemp("shop")
    (tmp_path / "log").mkdir()
    log = [
        line(f"u{user}", f"i{3 * int(13 * random.random() ** 2) + user % 3}", day(number, 8 + user / 10))
        for number in range(1, 11)
        for user in range(60)
        if user % 2 or number % 2
    ]
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(log))
    made = context(spark, tmp_path, END, **CHANGES).config
    places = msgspec.structs.replace(made.lake, path=f"{tmp_path}/lake")
    short = msgspec.structs.replace(made.sasrec, optimiser=msgspec.structs.replace(made.sasrec.optimiser, epochs=1))
    gate = msgspec.structs.replace(made.evaluate.gate, bootstraps=50, min_units=1)
    evaluate = msgspec.structs.replace(made.evaluate, gate=gate)
    config = msgspec.structs.replace(
        made, lake=places, artifacts=f"{tmp_path}/artifacts", sasrec=short, evaluate=evaluate, learning_curve=CURVE
    )
    return night_context(config, END, spark)


@pytest.fixture(scope="module")
def curve(shop) -> tuple[set[str], dict]:
    """The users that some of the shop's were cut to, and the results."""
    users: list[set[str]] = []

    def listen(said: str) -> None:
        if said.startswith("  prepare"):
            rows = shop.lake.read("sequences").where("split = 'train'").select("user_id").distinct().collect()
            users.append({row["user_id"] for row in rows})

    results = run_learning_curve(shop, listen)
    (some,) = users
    return some, results


def test_a_share_of_the_users_has_its_arms_and_each_its_intervals(shop, curve):
    some, results = curve
    assert 0.2 < len(some) / 60 < 0.6
    assert list(results) == ["0.4"]
    assert results["0.4"]["none"]["users"] <= len(some)
    for arms in results.values():
        assert list(arms) == ["none", "counts", "classic", "counts+classic"]
        for arm, result in arms.items():
            for part in (result, result["cold"]):
                for name in ("hr@10", "ndcg@10", "coverage"):
                    assert 0 <= part[name]["low"] <= part[name]["mean"] <= part[name]["high"] <= 1
            assert 0 < result["cold"]["coverage"]["mean"] <= result["coverage"]["mean"]
            assert result["seeds"] == 2
            assert set(result["lift"]) == (set() if arm == "none" else {"mean", "low", "high", "cold"})
            assert result["blend"]["overall"]["hr@10"] != result["hr@10"]
            for lifts in (result["lifts"], result["blend_lifts"]):
                assert set(lifts) == (
                    set() if arm == "none" else {"hr@10", "ndcg@10", "recall@20", "recall@20 rare", "ndcg@10 rare"}
                )
            if arm != "none":
                assert result["lifts"]["ndcg@10"]["cold"] == result["lift"]["cold"]
                assert result["blend_lifts"]["ndcg@10"] != result["lifts"]["ndcg@10"]

    folder = Path(shop.config.artifacts)
    assert json.loads((folder / "results.json").read_text()) == results
    assert len((folder / "results.md").read_text().splitlines()) == 2 + 4 + 1 + 2 + 3  # arms, and their other lifts
    page = (folder / "index.html").read_text()
    assert page.count("<svg") == 1
    assert "counts and classic" in page
    again: list[str] = []
    assert run_learning_curve(shop, again.append) == results
    assert again == [f"40% of the users: {folder / 'results.json'} holds this run, the test is seen once"]


def test_the_rows_of_two_generators_together_are_theirs(shop, curve):
    night = replace(shop, config=with_share(shop.config))
    rows = night.lake.read("candidate_events").toPandas()
    assert rows["event_id"].is_unique
    assert set(rows["generator"]) == {"counts", "classic"}
    trial = night.recorded("evaluate").metrics
    fidelity = {arm: result.fidelity for arm, result in trial.arms.items() if arm != "none"}
    assert fidelity["counts+classic"].rows == fidelity["counts"].rows + fidelity["classic"].rows == len(rows)
    arm = trial.arms["counts+classic"].arm
    cold = cold_users(night.lake.read("sequences"))
    joined = rows_of(arm, night.lake.read("candidate_events"), cold, night.lake.read("vocabulary")).toPandas()
    assert sorted(joined["event_id"]) == sorted(rows["event_id"])


def with_share(config: Config) -> Config:
    """The shop's night over the share of the users that the curve ended with."""
    prepared = msgspec.structs.replace(config.prepare, user_share=CURVE.shares[-1])
    return msgspec.structs.replace(config, prepare=prepared)


def test_the_policy_is_the_only_arm_and_its_rows_keep_their_generator(shop, curve):
    policy = Policy(rows=["head", "tail", "histories"], shares=[1.0], weights=[2.0], first_epochs=4, epochs=40)
    augmented = msgspec.structs.replace(shop.config.augment, together=[])
    judging = msgspec.structs.replace(shop.config.evaluate, policy=policy)
    longer = msgspec.structs.replace(
        shop.config.sasrec.optimiser, epochs=8, batch_rows=8, learning_rate=0.02, patience=None
    )
    sasrec = msgspec.structs.replace(shop.config.sasrec, optimiser=longer, dropout=0.3, full_softmax_items=2000)
    config = msgspec.structs.replace(with_share(shop.config), augment=augmented, evaluate=judging, sasrec=sasrec)
    night = replace(shop, config=config)
    note(night, "augment", augment.run(night))
    note(night, "evaluate", replace(evaluate.run(night), decision="publish"))  # as if the gate had found proof
    note(night, "refit", StageResult(Refit()))  # nothing was refitted
    note(night, "publish", publish.run(night))
    judged = runs.find(night.lake, night.date, "evaluate")
    trial, said = judged.metrics, tell(judged)
    tried, by_users = trial.policy.tried, trial.policy.chosen
    assert {trial.option for trial in tried} == {"counts-head-1-2", "counts-tail-1-2", "classic-histories-1-2"}
    assert all(set(trial.lift) == {"cold", "warm"} for trial in tried)
    kept = {option for by_rows in by_users.values() for option in by_rows.values()}
    assert kept & {"counts-head-1-2", "counts-tail-1-2"}  # who is short of events learns from what others had together
    assert trial.policy.cpu_seconds > 0
    assert all(f"{option} for {part} users" in said for part in by_users for option in by_users[part].values())

    rows = night.lake.read("candidate_events").where(F.col("run_id") == night.run_id).toPandas()
    assert rows["event_id"].is_unique
    chosen = night.lake.read("augmented_events").toPandas()
    assert chosen["event_id"].is_unique
    assert set(chosen["event_id"]) < set(rows["event_id"])
    train_rows = night.lake.read("sequences").where("split = 'train'").toPandas()
    vocabulary = night.lake.read("vocabulary").toPandas().set_index("item_id")
    from_cold = chosen["source_users"].str[0].isin(train_rows.loc[train_rows["cold"], "user_id"])
    for part, of_part in (("cold", chosen[from_cold]), ("warm", chosen[~from_cold])):
        options = [option.split("-")[:2] for option in by_users[part].values() if option != "none"]
        continued = of_part["parent_event_id"].notna()
        heads = of_part["item_id"].map(vocabulary["head"])
        rows_are = np.select([~continued, heads], ["histories", "head"], "tail")
        assert set(zip(of_part["generator"], rows_are, strict=True)) == {(who, what) for who, what in options}
    weights = rows.groupby("generator")["weight"].first()
    assert (chosen["weight"] == 2 * chosen["generator"].map(weights)).all()

    assert list(trial.arms) == ["none", POLICY]
    assert trial.arms[POLICY].fidelity.rows == len(chosen) > 0
    learnt = {row["arm"] for row in night.lake.read("training_rows").select("arm").distinct().collect()}
    assert {"none", POLICY, "counts-head-1-2", "counts-tail-1-2", "classic-histories-1-2"} <= learnt


def test_a_configuration_without_a_learning_curve_is_an_error_of_one_line(thin_yaml, capsys):
    assert augmentation(["--config", str(thin_yaml())]) == 2
    assert "has no section learning_curve" in capsys.readouterr().err
