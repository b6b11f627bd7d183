"""For whom the rows help: where lifts are drawn, and what is said beside the strongest control."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.report.made import GENERATORS, against_none, interval, measured, trial

from recaug import config
from recaug.report import lift
from recaug.results import Interval, Measured, Trial

GATE = msgspec.structs.replace(
    config.load(Path(__file__).parents[2] / "conf" / "weeks.yaml").evaluate.gate, min_lift=0.0, max_harm=0.02
)
SOME, NOTHING = interval(0.2, 0.1, 0.3), interval(0.0)


def ndcg(mean: float) -> Measured:
    values = {"overall": {"ndcg@10": interval(mean, mean - 0.01, mean + 0.01)}}
    return msgspec.structs.replace(measured(), measures=values)


def judged(change: Interval, baseline: float = 0.01, **values: Any) -> Trial:
    """VAE's rows, chosen, at .06 against .05 without. values: of the arm, such as a blend."""
    none = against_none(measured=ndcg(0.05), blend=values.pop("base_blend", None))
    vae = against_none("vae", measured=ndcg(0.06), lifts={"ndcg@10": {"overall": change}}, **values)
    return trial(none, vae, chosen="vae", baselines={"covisitation": ndcg(baseline)})


def test_a_lift_without_bounds_is_not_drawn() -> None:
    vae = against_none("vae", lifts={"ndcg@10": {"overall": SOME, "cold": NOTHING}}, validation_lifts={"overall": SOME})
    gan = against_none("gan", lifts={"ndcg@10": {"overall": SOME}, "recall@20 rare": {"overall": SOME}})
    drawn = lift.forest(
        trial(against_none(), gan, vae, units={"overall": 40, "cold": 3}, chosen="vae"), GATE, GENERATORS
    )
    assert drawn is not None
    lines = [
        (part.label, line.look.label, line.chosen, line.validation is not None)
        for part in drawn.slices
        for line in part.lines
    ]
    assert lines == [
        ("All users", "VAE", True, True),
        ("All users", "GAN", False, False),
        ("Rare targets", "GAN", False, False),
    ]
    assert lift.forest(trial(against_none()), GATE, GENERATORS) is None
    assert lift.forest(None, GATE, GENERATORS) is None


def test_lifts_lie_at_what_the_axis_says() -> None:
    """A line of equal steps; 0 and the gate's bounds are on it whatever was measured."""
    drawn = lift.forest(judged(interval(0.094, 0.072, 0.118)), GATE, GENERATORS)
    assert drawn is not None
    ((line,),) = [part.lines for part in drawn.slices]
    step = drawn.axis.at(0.05) - drawn.axis.at(0.0)
    assert line.test.mean - drawn.zero == pytest.approx(step * 0.094 / 0.05, abs=0.02)
    assert line.test.high - line.test.low == pytest.approx(step * 0.046 / 0.05, abs=0.02)
    assert 0 < drawn.harm < drawn.zero == drawn.bound < line.test.low
    assert {0.0, 0.1} <= set(drawn.ticks)


def test_a_target_s_wide_interval_is_cut_and_leaves_the_users_theirs() -> None:
    vae = against_none(
        "vae",
        lifts={
            "ndcg@10": {"overall": interval(0.0, -0.1, 0.1)},
            "recall@20 rare": {"overall": interval(0.9, -0.5, 6.0)},
        },
    )
    drawn = lift.forest(trial(against_none(), vae), GATE, GENERATORS)
    assert drawn is not None
    users, rare = (part.lines[0].test for part in drawn.slices)
    assert users.high - users.low > 30
    assert users.cut == ()
    assert rare.cut == ("low", "high")
    assert (rare.low, rare.mean, rare.high) == (0.0, 100.0, 100.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (interval(0.019, -0.007, 0.043), "+1.9 % [-0.7 %, +4.3 %]: no proof."),
        (interval(0.019, 0.007, 0.043), "+1.9 % [+0.7 %, +4.3 %]: a gain."),
        (interval(-0.019, -0.043, -0.007), "-1.9 % [-4.3 %, -0.7 %]: a loss."),
        (interval(0.019, 0.0, 0.043), "+1.9 % [+0.0 %, +4.3 %]: no proof."),
        (interval(0.019), "+1.9 %: no proof."),
    ],
)
def test_an_interval_that_holds_0_is_no_proof(change: Interval, said: str) -> None:
    (sentence,) = lift.beside_controls(judged(change), GENERATORS)
    assert sentence.replace("\u00a0", " ") == (
        f"Beside the same recommender without generated rows, the strongest control, NDCG@10 changes by {said}"
    )


def test_the_blend_is_the_control_where_it_is_better() -> None:
    of_blend = {"ndcg@10": {"overall": interval(0.019, -0.007, 0.043)}}
    better = judged(SOME, base_blend=ndcg(0.055), blend=ndcg(0.061), blend_lifts=of_blend)
    (sentence,) = lift.beside_controls(better, GENERATORS)
    assert sentence.startswith("Beside the blend with the co-visitation counts, the strongest control, NDCG@10")
    assert sentence.endswith("no proof.")
    worse = judged(SOME, base_blend=ndcg(0.04), blend=ndcg(0.041), blend_lifts=of_blend)
    (sentence,) = lift.beside_controls(worse, GENERATORS)
    assert sentence.startswith("Beside the same recommender")
    assert sentence.endswith("a gain.")


def test_a_baseline_that_is_better_than_every_control_is_named() -> None:
    first, second = lift.beside_controls(judged(SOME, baseline=0.07), GENERATORS)
    assert "strongest" not in first
    assert second == (
        "The strongest control is co-visitation alone, .0700 [.0600, .0800]; SASRec + VAE rows: .0600 [.0500, .0700]."
    )


def test_without_a_chosen_arm_nothing_is_said() -> None:
    assert lift.beside_controls(trial(against_none(measured=ndcg(0.05))), GENERATORS) == []
    assert lift.beside_controls(None, GENERATORS) == []
