"""The gap between the lifts of some users and of others, and the gate's bound on it."""

import numpy as np
import pandas as pd
import pytest

from recaug.config import Gate
from recaug.evaluate.contest import Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.gate import fair, in_percent
from recaug.evaluate.sums import Axes, Sums
from recaug.results import Interval, Verdict

PUBLISH = Verdict(decision="publish", reasons=("vae: ndcg@10 changes by +20%",))
SLICES = ("cold", "warm")


def units(cold: float, warm: float, users: int = 400, n_cold: int = 200) -> pd.DataFrame:
    """A base of .3 for everybody, and an arm that lifts cold and warm users by these."""
    noise = np.random.default_rng(0).normal(0, 0.03, users)
    is_cold = np.arange(users) < n_cold
    base = 0.3 + noise
    arm = (0.3 + np.random.default_rng(1).normal(0, 0.03, users)) * np.where(is_cold, 1 + cold, 1 + warm)
    rows = [
        pd.DataFrame(
            {"unit": range(users), "scorer": name, "ndcg@10": of, "tail_share": 0.25}
            | {"cold": is_cold, "warm": ~is_cold}
        )
        for name, of in (("none", base), ("vae", arm))
    ]
    return pd.concat(rows, ignore_index=True)


def contest(table: pd.DataFrame) -> Contest:
    """The arm held against the base."""
    sums = Sums.of(table, Axes(("none", "vae"), SLICES, ("ndcg@10",)), Draws(400, 0))
    return Contest({"test": sums}, {"none": ["none"], "vae": ["vae"]}, Gate())


def test_the_gap_is_the_difference_of_the_lifts_and_its_interval_holds_it() -> None:
    gap = contest(units(0.0, 0.5)).gap("vae", "ndcg@10", SLICES)
    assert gap is not None
    assert gap.mean == pytest.approx(-0.5, abs=0.03)
    assert gap.low is not None and gap.high is not None
    assert gap.low < gap.mean < gap.high
    assert 0.01 < gap.high - gap.low < 0.15
    alike = contest(units(0.3, 0.3)).gap("vae", "ndcg@10", SLICES)
    assert alike is not None and alike.low is not None and alike.high is not None
    assert alike.low < 0 < alike.high


def test_few_users_have_no_bounds_and_none_no_gap() -> None:
    few = contest(units(0.0, 0.5, n_cold=5)).gap("vae", "ndcg@10", SLICES)
    assert few is not None
    assert (few.low, few.high) == (None, None)
    assert contest(units(0.0, 0.5, n_cold=0)).gap("vae", "ndcg@10", SLICES) is None


@pytest.mark.parametrize(
    ("gap", "bound", "decision"),
    [
        (Interval(mean=-0.5, low=-0.6, high=-0.4), 0.3, "hold"),
        (Interval(mean=0.5, low=0.4, high=0.6), 0.3, "hold"),
        (Interval(mean=0.5, low=0.2, high=0.8), 0.3, "publish"),  # not proved
        (Interval(mean=0.5, low=0.4, high=0.6), None, "publish"),
        (Interval(mean=0.5), 0.3, "publish"),
        (None, 0.3, "publish"),
    ],
)
def test_what_is_proved_to_serve_some_better_by_more_than_the_bound_is_held(
    gap: Interval | None, bound: float | None, decision: str
) -> None:
    gaps = {("cold users", "warm ones"): None, ("users of age 65+", "the others"): gap}
    verdict = fair(PUBLISH, "vae", gaps, Gate(max_gap=bound))
    assert verdict.decision == decision
    assert verdict.reasons[-1] == PUBLISH.reasons[0]
    if decision == "hold":
        assert gap is not None
        said = f"vae: the lift for users of age 65+ is {in_percent(gap)} beside that for the others, more than max_gap"
        assert verdict.reasons[0] == f"{said} 30.0%"
    held = Verdict(decision="hold", reasons=("no lift",))
    assert fair(held, "vae", gaps, Gate(max_gap=bound)) == held
