"""Attacks that find what is there, and do not find what is not."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recaug.config import Gate
from recaug.evaluate.gate import private
from recaug.evaluate.privacy.attacks import Pairs, Records, of_pairs, of_records, of_user
from recaug.evaluate.privacy.measures import Judged, area, caught, matched, tell
from recaug.evaluate.privacy.weights import of_shadows
from recaug.results import Attack, Audit, Interval, Verdict

RANDOM = np.random.default_rng(7)


def judged(score: np.ndarray, member: np.ndarray) -> Judged:
    return Judged(np.arange(len(member)), member, score)


def test_the_area_counts_pairs_that_lie_right_and_ties_half() -> None:
    member = np.array([True, True, False, False])
    once = np.ones((1, 4))
    assert area(judged(np.array([3.0, 2.0, 1.0, 0.0]), member), once) == pytest.approx([1.0])
    assert area(judged(np.array([3.0, 1.0, 2.0, 0.0]), member), once) == pytest.approx([0.75])
    assert area(judged(np.array([1.0, 1.0, 1.0, 1.0]), member), once) == pytest.approx([0.5])


def test_who_is_drawn_twice_counts_twice() -> None:
    member = np.array([True, True, False])
    scores = judged(np.array([2.0, 0.0, 1.0]), member)
    assert area(scores, np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])) == pytest.approx([0.5, 0.75])


def test_the_threshold_lets_one_in_a_hundred_others_pass() -> None:
    # Each half of the 400 others holds 200, of whom two may be above: thresholds 3.97 and 3.96, others 0.01 apart.
    member = np.arange(500) < 100
    others = np.repeat(np.arange(200), 2)[::-1] / 50
    members = np.concatenate([np.full(30, 3.98), np.full(70, 0.0)])
    told = caught(judged(np.concatenate([members, others]), member), np.ones((1, 500)))
    assert told == pytest.approx([0.3])
    assert caught(judged(np.zeros(500), member), np.ones((1, 500))) == pytest.approx([0.0])


def test_permuted_labels_tell_nothing_and_the_interval_says_so() -> None:
    score, member = RANDOM.normal(size=2000), RANDOM.permutation(np.arange(2000) % 2 == 0)
    auc, tpr = tell([judged(score, member)], 500, 0.95, 0)
    assert auc.low is not None
    assert auc.high is not None
    assert tpr.high is not None
    assert auc.low < 0.5 < auc.high < 0.55
    assert tpr.high < 0.05


def test_more_sets_of_rows_narrow_the_interval() -> None:
    member = np.arange(400) % 2 == 0
    sets = [judged(RANDOM.normal(size=400) + 0.5 * member, member) for _ in range(8)]
    one, all_ = (tell(some, 500, 0.95, 0).auc for some in (sets[:1], sets))
    assert one.low is not None and one.high is not None
    assert all_.low is not None and all_.high is not None
    assert all_.high - all_.low < 0.6 * (one.high - one.low)


def test_matching_leaves_nothing_to_the_length() -> None:
    member = np.arange(3000) < 1500
    length = np.where(member, RANDOM.integers(2, 60, 3000), RANDOM.integers(2, 20, 3000))
    places = matched(member, length, np.random.default_rng(0))
    assert member[places].mean() == 0.5
    left = area(judged(length.astype(float), member)._replace(user=np.arange(3000)), np.ones((1, 3000)))
    even = area(Judged(places, member[places], length[places].astype(float)), np.ones((1, 3000)))
    assert left[0] > 0.8
    assert abs(even[0] - 0.5) < 0.03


def test_a_pair_that_the_rows_have_more_often_than_popularity_speaks_for_its_user() -> None:
    pairs = Pairs(
        user=np.array([0, 0, 1]),
        seen=np.array([3.0, 0.0, 0.0]),
        start=np.array([10.0, 10.0, 10.0]),
        chance=np.array([0.1, 0.0, 0.1]),
        alone=np.array([True, True, False]),
    )
    told = of_pairs(pairs, 3)
    assert told["pairs"] == pytest.approx([np.log(2) / 2, -np.log(2), 0.0])
    assert told["alone"] == pytest.approx([1.0, 0.0, 0.0])
    assert told["highest"] == pytest.approx([np.log(2), 0.0, 0.0])


def test_a_copy_is_nearest_unless_it_is_the_users_own() -> None:
    items = csr_matrix((RANDOM.random((60, 400)) < 0.02).astype(float))
    rarity = np.ones(400)
    own = np.array([[0, 0]])
    told = of_records(items, Records(items[:30], own), rarity, np.random.default_rng(0))
    assert told["nearest"][1:30].min() > told["nearest"][30:].max()
    assert told["density"][1:30].mean() > told["density"][30:].mean() + 1
    assert told["nearest"][0] < 0.5  # its record is left out


def test_the_attack_on_the_whole_user_learns_on_the_other_half() -> None:
    member = RANDOM.random(2000) < 0.5
    known = {"weak": RANDOM.normal(size=2000) + 0.7 * member, "less": RANDOM.normal(size=2000) - 0.7 * member}
    once = np.ones((1, 2000))
    strongest = area(judged(of_user(known, member), member), once)[0]
    assert strongest > area(judged(known["weak"], member), once)[0] + 0.05
    shuffled = RANDOM.permutation(member)
    assert abs(area(judged(of_user(known, shuffled), shuffled), once)[0] - 0.5) < 0.05


def audit(high: float) -> Audit:
    auc = Interval(mean=0.5, low=0.4, high=high)
    weak = Attack(name="pairs", auc=Interval(mean=0.52, low=0.5, high=0.53), tpr=Interval(mean=0.0))
    return Audit(
        generator="vae",
        users=10,
        releases=2,
        attacks=[weak, Attack(name="user", auc=auc, tpr=Interval(mean=0.01))],
        strongest="pairs",
        baselines={},
        controls={},
    )


def test_the_gate_bounds_the_upper_end_of_every_attack() -> None:
    publish = Verdict(decision="publish", reasons=("it helps",))
    bounded = Gate(max_attack_auc=0.55)
    assert private(publish, "vae", [audit(0.551)], Gate()) == publish
    assert private(publish, "vae", [audit(0.549)], bounded) == publish
    held = private(publish, "vae", [audit(0.549), audit(0.551)], bounded)
    assert held.decision == "hold"
    assert held.reasons[0].startswith("vae: vae's rows may tell who taught it")
    assert held.reasons[1:] == ("it helps",)


def test_shadow_models_tell_a_user_whom_a_model_finds_as_those_that_knew_the_user() -> None:
    users, models = 1000, 8
    member, usual = RANDOM.random((models + 1, users)) < 0.5, RANDOM.normal(size=users) * 10
    member[1:3], member[3:5] = True, False  # two of either side of everybody
    found = usual + 0.5 * member + 0.5 * RANDOM.normal(size=(models + 1, users))
    once = np.ones((1, users))
    alone = area(judged(found[0], member[0]), once)[0]
    beside = area(judged(of_shadows(found[0], found[1:], member[1:]), member[0]), once)[0]
    assert abs(alone - 0.5) < 0.06  # what users differ by hides whether they were there
    assert beside > 0.68
    nothing = usual + RANDOM.normal(size=(models + 1, users))
    told = area(judged(of_shadows(nothing[0], nothing[1:], member[1:]), member[0]), once)[0]
    assert abs(told - 0.5) < 0.06
