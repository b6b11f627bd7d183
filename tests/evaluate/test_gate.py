import warnings

import msgspec
import numpy as np
import pytest
from tests.evaluate.units import drawn_of, lift_of

from recaug.config import Gate
from recaug.evaluate.draws import Draws
from recaug.evaluate.gate import Words, decide, judge
from recaug.evaluate.statistics import Bounds, mean_interval
from recaug.results import Fidelity, Interval

GATE = Gate(
    metric="ndcg@10",
    min_lift=0.0,
    max_harm=0.02,
    confidence=0.95,
    bootstraps=500,
    min_ranking=0.9,
    min_coverage=0.2,
    min_entropy=0.8,
    max_duplicates=0.01,
    max_copies=0.0,
)
SOUND = Fidelity(rows=9, histories=3, coverage=0.6, entropy_ratio=0.95, duplicates=0.0, copies=0.0, mean_fidelity=0.5)


def interval(mean: float, low: float | None, high: float | None) -> Interval:
    return Interval(mean=mean, low=low, high=high)


def lift_over(base, arm, draws=500, seed=0, min_units=1):
    return lift_of(base, arm, Draws(draws, seed), Bounds(0.95, min_units))


def mean_of(values, draws, seed=0, confidence=0.95, min_units=1):
    return mean_interval(drawn_of({"none": values}, Draws(draws, seed))["none"], Bounds(confidence, min_units))


def user_values(seed, users=800, seeds=3):
    return np.random.default_rng(seed).gamma(0.3, 0.2, (seeds, users))


def test_a_lift_for_every_user_is_proved():
    base = user_values(0)
    lift = lift_over(base, base * 1.1)
    assert (lift.mean, lift.low, lift.high) == pytest.approx((0.1, 0.1, 0.1))


def test_noise_around_the_same_mean_is_no_proof():
    base = user_values(1)
    noise = np.random.default_rng(2).normal(0, 0.05, base.shape)
    lift = lift_over(base, base + noise - noise.mean())
    assert lift.low < 0 < lift.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    covered = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        interval = mean_of(rng.normal(0.5, 0.3, (1, 300)), 400, trial, 0.9)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.83 <= covered / 200 <= 0.96


def test_a_user_without_a_value_does_not_count():
    known = user_values(4, users=300)
    gaps = np.concatenate([known, np.full((3, 200), np.nan)], axis=1)
    alone, beside = mean_of(known, 1000), mean_of(gaps, 1000)
    assert beside.mean == pytest.approx(alone.mean)
    assert (beside.low, beside.high) == pytest.approx((alone.low, alone.high), rel=0.03)


def test_seeds_are_drawn_too():
    values = np.repeat([[0.1], [0.3]], 50, axis=1)
    mean = mean_of(values, 400)
    assert (mean.mean, mean.low, mean.high) == pytest.approx((0.2, 0.1, 0.3))
    lift = lift_over(np.full((2, 50), 0.1), values)
    assert (lift.mean, lift.low, lift.high) == pytest.approx((1.0, 0.0, 2.0))


def test_two_tables_of_different_users_are_refused():
    with pytest.raises(ValueError, match="paired"):
        lift_over(user_values(0, users=10), user_values(0, users=11))


def test_a_base_that_finds_nothing_proves_nothing():
    lift = lift_over(np.zeros((3, 9)), np.ones((3, 9)))
    assert (lift.mean, lift.low, lift.high) == (0.0, None, None)
    assert decide("vae", {"overall": lift}, SOUND, GATE).decision == "hold"


def test_a_proved_lift_without_collapse_is_published():
    verdict = decide("vae", {"overall": interval(0.05, 0.01, 0.09)}, SOUND, GATE)
    assert verdict.decision == "publish"
    assert "+5.0% [+1.0%, +9.0%]" in verdict.reasons[0]


def test_a_lift_that_may_be_nothing_is_held():
    assert decide("vae", {"overall": interval(0.05, -0.001, 0.09)}, SOUND, GATE).decision == "hold"


def test_cold_users_alone_can_carry_it_if_the_others_are_not_harmed():
    cold = interval(0.1, 0.03, 0.2)
    assert decide("vae", {"overall": interval(0.0, -0.01, 0.01), "cold": cold}, SOUND, GATE).decision == "publish"
    assert decide("vae", {"overall": interval(-0.01, -0.03, 0.01), "cold": cold}, SOUND, GATE).decision == "hold"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"ranking": 0.7}, "ranking of held-out users over the counts' 0.700 is below 0.9"),
        ({"coverage": 0.1}, "coverage of the catalogue 0.100 is below 0.2"),
        ({"entropy_ratio": 0.5}, "entropy over the real one 0.500 is below 0.8"),
        ({"duplicates": 0.5}, "share of duplicate histories 0.500 is above 0.01"),
        ({"copies": 0.002}, "share of copied histories 0.002 is above 0"),
    ],
)
def test_a_collapse_or_a_copy_holds_whatever_the_lift(fault, said):
    verdict = decide("gan", {"overall": interval(0.5, 0.4, 0.6)}, msgspec.structs.replace(SOUND, **fault), GATE)
    assert verdict.decision == "hold"
    assert said in verdict.reasons[0]


def test_a_bound_that_the_data_do_not_give_is_no_number_and_proves_nothing():
    base = np.zeros((1, 40))
    base[0, 0] = 1.0  # a draw without this user has a mean of 0
    lift = lift_over(base, base * 2)
    assert lift.mean == 1.0
    assert lift.high is None
    unbound = {"overall": interval(0.5, None, None), "cold": interval(0.5, 0.4, None)}
    verdict = decide("vae", unbound, SOUND, GATE)
    assert verdict.decision == "hold"
    assert "+50.0% [unknown, unknown]" in verdict.reasons[0]


def test_of_few_hits_there_are_the_bounds_that_the_draws_give_and_no_warning():
    """intervals_of_few_hits: a bound was nan; a draw without a user that has a value counted as 0."""
    few, more = np.zeros((1, 60)), np.zeros((1, 60))
    few[0, :3] = more[0, :4] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lift = lift_over(few, more, 1000, 7)  # a twentieth of the draws has none of the three
        gaps = np.full((2, 40), np.nan)
        gaps[:, 0] = 1.0
        alone = mean_of(gaps, 1000, 7)
    assert lift.low == 0.0
    assert lift.high is None
    assert (alone.low, alone.high) == (1.0, 1.0)


def test_fewer_units_than_the_bound_have_a_mean_alone():
    values, gaps = user_values(5, users=10), user_values(5, users=12)
    gaps[:, 9:] = np.nan
    assert lift_over(values, values * 2, min_units=10).low == pytest.approx(1.0)
    assert lift_over(values[:, 1:], values[:, 1:] * 2, min_units=10) == interval(pytest.approx(1.0), None, None)
    known, few = (mean_of(each, 100, min_units=10) for each in (values, gaps[:, :10]))
    assert known.low is not None
    assert few == interval(pytest.approx(np.nanmean(gaps)), None, None)


def test_validation_chooses_the_arm_and_the_test_window_judges_that_one_alone():
    validation = {"vae": {"overall": interval(0.02, 0.0, 0.1)}, "counts": {"overall": interval(0.03, -0.1, 0.1)}}
    test = {"vae": {"overall": interval(0.5, 0.4, 0.6)}, "counts": {"overall": interval(0.01, -0.1, 0.1)}}
    fidelity = {"vae": SOUND, "counts": SOUND}
    chosen, verdict = judge(validation, test, fidelity, GATE, Words("ndcg@10"))
    assert (chosen, verdict.decision) == ("counts", "hold")
    empty = fidelity | {"counts": msgspec.structs.replace(SOUND, rows=0)}
    chosen, verdict = judge(validation, test, empty, GATE, Words("ndcg@10"))
    assert (chosen, verdict.decision) == ("vae", "publish")
    worse = {arm: {"overall": interval(-0.01, -0.1, 0.1)} for arm in test}
    chosen, verdict = judge(worse, test, fidelity, GATE, Words("the accuracy", "pictures", "validation pictures"))
    assert (chosen, verdict.decision) == ("vae", "hold")
    assert verdict.reasons == (
        "no generator helps on the validation pictures; the best, vae, changes the accuracy by -1.0%",
    )
    assert judge({}, {}, {}, GATE, Words("ndcg@10"))[0] is None
