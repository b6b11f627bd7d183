"""Lifts, fidelity, the policy and the leaks, from results by hand."""

from pathlib import Path

from tests.report.made import GENERATORS, against_none, interval, stage, trial

from recaug import config
from recaug.report import evidence
from recaug.results import Fidelity, Policy, Tried

GATE = config.load(Path(__file__).parents[2] / "conf" / "weeks.yaml").evaluate.gate
LIFTED = ("hr@10", "ndcg@10", "recall@20", "recall@20 rare", "ndcg@10 rare")
SOME, NOTHING = interval(0.2, 0.1, 0.3), interval(0.0)


def test_lifts_of_other_measures_stand_in_a_row_of_their_arm() -> None:
    lifts = {measure: {"overall": SOME} for measure in LIFTED[:-1]} | {LIFTED[-1]: {"overall": NOTHING}}
    alone = evidence.lift_table(trial(against_none(), against_none("vae", lifts=lifts)), "overall", GENERATORS)
    assert alone is not None
    assert alone.columns == ["HR@10", "NDCG@10", "Recall@20", "Recall@20, rare"]  # of the last nothing is known
    assert alone.rows == [evidence.LiftRow("VAE", [SOME] * 4)]
    blended = {measure: {"overall": SOME} for measure in LIFTED}
    mixed = trial(against_none(), against_none("vae", lifts=lifts, blend_lifts=blended))
    both = evidence.lift_table(mixed, "overall", GENERATORS)
    assert both is not None
    assert both.columns == [*alone.columns, "NDCG@10, rare"]
    assert [(row.label, row.cells) for row in both.rows] == [("VAE", [SOME] * 4 + [None]), ("VAE, blended", [SOME] * 5)]
    assert evidence.lift_table(mixed, "cold", GENERATORS) is None
    assert evidence.lift_table(None, "overall", GENERATORS) is None


def test_the_last_column_is_the_lift_on_the_validation_window() -> None:
    lifts = {"ndcg@10": {"overall": SOME}}
    vae = against_none("vae", lifts=lifts, blend_lifts=lifts, validation_lifts={"overall": interval(0.1, 0.0, 0.2)})
    table = evidence.lift_table(trial(against_none(), vae), "overall", GENERATORS)
    assert table is not None
    assert table.columns == ["NDCG@10", "NDCG@10, validation"]
    assert [row.cells for row in table.rows] == [[SOME, interval(0.1, 0.0, 0.2)], [SOME, None]]


def test_fidelity_is_held_against_the_gate_s_bounds() -> None:
    of_gan = Fidelity(
        rows=10,
        histories=5,
        coverage=GATE.min_coverage,
        entropy_ratio=GATE.min_entropy - 0.001,
        duplicates=GATE.max_duplicates + 0.001,
        copies=GATE.max_copies,
        mean_fidelity=0.5,
    )
    table = evidence.fidelity(trial(against_none(), against_none("gan", fidelity=of_gan)), GATE, GENERATORS)
    assert table is not None
    assert table.generators == ["GAN"]
    assert {row.label: row.values[0].kept for row in table.rows if row.values[0]} == {
        "distinct items generated, of the real ones": True,
        "entropy of the items, of the real one's": False,
        "histories equal to another generated one": False,
        "histories equal to a real one": True,
        "mean fidelity of the candidates": None,
    }
    assert evidence.fidelity(trial(against_none()), GATE, GENERATORS) is None


def test_what_the_policy_tried_has_the_last_round_first_and_its_choice_kept() -> None:
    tried = [
        Tried(option="vae-all-1-1", epochs=2, lift={"warm": -0.02}),
        Tried(option="counts-all-1-1", epochs=2, lift={"warm": 0.01}),
        Tried(option="counts-all-1-1", epochs=4, lift={"warm": 0.03}),
    ]
    asked = Policy(tried=tried, chosen={"warm": {"all": "counts-all-1-1"}}, cpu_seconds=9.0)
    rows = evidence.policy(trial(policy=asked))
    assert [(row.epochs, row.option) for row in rows] == [
        (4, "counts-all-1-1"),
        (2, "counts-all-1-1"),
        (2, "vae-all-1-1"),
    ]
    assert [row.warm.kept for row in rows if row.warm] == [True, False, False]
    assert all(row.cold is None for row in rows)  # nobody was cold
    assert evidence.policy(trial()) == []


def test_the_lift_is_told_by_the_minute_of_what_the_generators_cost() -> None:
    vae = against_none("vae", lifts={"ndcg@10": {"overall": interval(0.06)}})
    stages = {
        "train": stage("train", cpu_seconds=90.0),
        "augment": stage("augment", cpu_seconds=30.0),
        "evaluate": stage("evaluate", cpu_seconds=500.0, metrics=trial(against_none(), vae, chosen="vae")),
    }
    assert evidence.lift_per_minute(stages, GENERATORS) == evidence.LiftCost("VAE", 0.06, 2.0, 0.03)
    undecided = stages | {"evaluate": stage("evaluate", metrics=trial(against_none(), vae))}
    assert evidence.lift_per_minute(undecided, GENERATORS) is None
    assert evidence.lift_per_minute({"train": stages["train"]}, GENERATORS) is None


def test_the_leak_checks_are_told_in_a_sentence() -> None:
    told = evidence.leaks(trial(leaks={"vocabulary": 0, "negatives": 3}))
    assert told == "2 leak checks of what the models learnt from found 3 rows that know more."
    assert evidence.leaks(None) is None
