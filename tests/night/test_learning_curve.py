"""The learning curve, end to end on a small shop."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.night.nights import HEAD, context, day, line

from recaug.config import LearningCurve
from recaug.night.cli import augmentation
from recaug.night.context import Context
from recaug.night.learning_curve import run_learning_curve
from recaug.night.nightly import night_context

END = day(10).date()
CURVE = LearningCurve(date=END, shares=[0.4])
CHANGES = {
    "prepare": {"train_days": 6, "validation_days": 2, "test_days": 2, "min_item_users": 2, "max_length": 8},
    "negatives": {"per_user": 5},
    "training": {"launcher": "local", "workers": 1},
    "sasrec": {"dim": 8, "heads": 1, "blocks": 1},
    "augment": {
        "generators": ["counts", "classic"],
        "buckets": 2,
        "own": {"counts": {"histories": 0.0}, "classic": {"continuations": 0, "histories": 0.5}},
    },
    "evaluate": {"seeds": 2},
}


@pytest.fixture
def shop(spark, tmp_path) -> Context:
    """Sixty users, half of whom buy every day and half every other day."""
    random = np.random.default_rng(1)
    (tmp_path / "log").mkdir()
    log = [
        line(f"u{user}", f"i{int(40 * random.random() ** 2)}", day(number, 8 + user / 10))
        for number in range(1, 11)
        for user in range(60)
        if user % 2 or number % 2
    ]
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(log))
    made = context(spark, tmp_path, END, **CHANGES).config
    places = msgspec.structs.replace(made.lake, path=f"{tmp_path}/lake")
    short = msgspec.structs.replace(made.sasrec, optimiser=msgspec.structs.replace(made.sasrec.optimiser, epochs=1))
    gate = msgspec.structs.replace(made.evaluate.gate, bootstraps=50)
    evaluate = msgspec.structs.replace(made.evaluate, gate=gate)
    config = msgspec.structs.replace(
        made, lake=places, artifacts=f"{tmp_path}/artifacts", sasrec=short, evaluate=evaluate, learning_curve=CURVE
    )
    return night_context(config, END, spark)


def test_a_share_of_the_users_has_its_arms_and_each_its_intervals(shop):
    users: list[set[str]] = []

    def listen(said: str) -> None:
        if said.startswith("  prepare"):
            rows = shop.lake.read("sequences").where("split = 'train'").select("user_id").distinct().collect()
            users.append({row["user_id"] for row in rows})

    results = run_learning_curve(shop, listen)
    (some,) = users
    assert 0.2 < len(some) / 60 < 0.6
    assert list(results) == ["0.4"]
    assert results["0.4"]["none"]["users"] <= len(some)
    for arms in results.values():
        assert list(arms) == ["none", "counts", "classic"]
        for arm, result in arms.items():
            for part in (result, result["cold"]):
                for name in ("hr@10", "ndcg@10", "coverage"):
                    assert 0 <= part[name]["low"] <= part[name]["mean"] <= part[name]["high"] <= 1
            assert 0 < result["cold"]["coverage"]["mean"] <= result["coverage"]["mean"]
            assert result["seeds"] == 2
            assert set(result["lift"]) == (set() if arm == "none" else {"mean", "low", "high", "cold"})

    folder = Path(shop.config.artifacts)
    assert json.loads((folder / "results.json").read_text()) == results
    assert len((folder / "results.md").read_text().splitlines()) == 2 + 3
    page = (folder / "index.html").read_text()
    assert page.count("<svg") == 1
    assert "classic" in page
    again: list[str] = []
    assert run_learning_curve(shop, again.append) == results
    assert again == [f"{folder / 'results.json'} holds this run: the test is seen once"]


def test_a_configuration_without_a_learning_curve_is_an_error_of_one_line(thin_yaml, capsys):
    assert augmentation(["--config", str(thin_yaml())]) == 2
    assert "has no section learning_curve" in capsys.readouterr().err
