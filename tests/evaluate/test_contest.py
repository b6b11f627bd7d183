"""Arms held against the strongest control."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from tests.evaluate.test_policy import GENERATORS, POLICY, Trainer

from recaug.config import Gate, round_epochs
from recaug.evaluate.arms import arms_of, controls_of
from recaug.evaluate.contest import Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.gate import Words
from recaug.evaluate.policy import halve, options
from recaug.evaluate.sums import Axes, Sums
from recaug.generators.controls import Popular, Repeated
from recaug.results import Fidelity

MEANS = {  # of validation and of the test
    "none": (0.30, 0.30),
    "repeated": (0.40, 0.40),
    "popular": (0.35, 0.50),
    "vae": (0.38, 0.60),
    "counts": (0.44, 0.45),
}
LIKE_REAL = Fidelity(
    rows=9, histories=0, coverage=1.0, entropy_ratio=1.0, duplicates=0.0, copies=0.0, mean_fidelity=1.0
)


def units(split: str) -> pd.DataFrame:
    """400 users, whose measures lie about the means."""
    noise = np.random.default_rng(0).normal(0, 0.05, 400)
    at = ("validation", "test").index(split)
    rows = [pd.DataFrame({"unit": range(400), "scorer": name, "ndcg@10": MEANS[name][at] + noise}) for name in MEANS]
    return pd.concat(rows)


def contest(scorers: Mapping[str, Sequence[str]] | None = None) -> Contest:
    """Hold each name against the first."""
    axes = Axes(tuple(MEANS), (), ("ndcg@10",))
    sums = {split: Sums.of(units(split), axes, Draws(200, 0)) for split in ("validation", "test")}
    return Contest(sums, scorers or {name: [name] for name in MEANS}, Gate())


def test_the_strongest_control_is_that_of_the_validation_window() -> None:
    controls = ["none", "repeated", "popular"]
    assert contest().strongest(controls, "ndcg@10") == "repeated"
    assert contest().strongest(["none"], "ndcg@10") == "none"
    lifts = contest().against("repeated").lifts("test", "ndcg@10")
    assert set(lifts) == {"none", "popular", "vae", "counts"}
    assert abs(lifts["counts"]["overall"].mean - 0.125) < 0.01
    assert abs(lifts["none"]["overall"].mean + 0.25) < 0.01


def test_each_training_has_its_mean_of_all_units() -> None:
    paired = contest({"controls": ["none", "popular"], "vae": ["vae"]})
    found = paired.by_seed("test", "ndcg@10")
    mean = units("test").groupby("scorer")["ndcg@10"].mean()
    assert found.keys() == {"controls", "vae"}
    np.testing.assert_allclose(found["controls"], [mean["none"], mean["popular"]])
    np.testing.assert_allclose(found["vae"], [mean["vae"]])
    assert paired.means("test", "ndcg@10")["controls"] == pytest.approx((mean["none"] + mean["popular"]) / 2)


def test_a_control_is_never_chosen_and_an_arm_below_it_is_held() -> None:
    held = contest().against("repeated")
    good = dict.fromkeys(MEANS, LIKE_REAL)
    chosen, verdict = held.verdict(["vae", "counts"], "ndcg@10", good, Words("ndcg@10"))
    assert (chosen, verdict.decision) == ("counts", "publish")
    chosen, verdict = held.verdict(["vae"], "ndcg@10", good, Words("ndcg@10"))  # above none, below the control
    assert (chosen, verdict.decision) == ("vae", "hold")
    assert verdict.reasons[0].startswith("no generator helps on the validation window; the best, vae, changes")


def test_controls_are_arms_but_no_option_of_a_policy() -> None:
    entries = [*GENERATORS.generators, Repeated(), Popular()]
    with_controls = type(GENERATORS)(generators=entries, buckets=4, batch_rows=16)
    assert with_controls.controls == ["repeated", "popular"]
    assert [arm.name for arm in controls_of(with_controls)] == ["repeated", "popular"]
    assert [arm.name for arm in arms_of(with_controls) if arm.control] == ["repeated", "popular"]
    assert options(POLICY, with_controls) == options(POLICY, GENERATORS)


def test_the_trainings_of_controls_count_in_the_policys_budget() -> None:
    every = options(POLICY, GENERATORS)
    alone, beside = Trainer(), Trainer()
    budget = round_epochs(16, 2) + round_epochs(11, 4)
    halve(every, alone, 2, 12, budget)
    halve(every, beside, 2, 12, budget, controls=3)
    assert sum(round_epochs(number, epochs, 3) for number, epochs in beside.asked) <= budget
    assert (alone.asked[1], beside.asked[1]) == ((11, 4), (8, 4))
