"""The page's sentences and tables, from records by hand."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recaug import config
from recaug.evaluate.arms import LIFTED
from recaug.lake.runs import RunRecord
from recaug.report import tables

DATE = dt.date(2017, 2, 4)
GATE = config.load(Path(__file__).parents[2] / "conf" / "demo.yaml").evaluate.gate


def stage(name: str, **values: Any) -> RunRecord:
    start = dt.datetime(2017, 2, 5, 2)
    known: dict[str, Any] = {
        "run_id": "r",
        "event_date": DATE,
        "stage": name,
        "started": start,
        "finished": start,
        "config_hash": "c",
        "cpu_seconds": 20.0,
        "wall_seconds": 10.0,
        "peak_memory_mb": 100.0,
    }
    return RunRecord(**(known | values))


def test_the_verdict_follows_publish_and_before_it_the_gate() -> None:
    judged = stage(
        "evaluate",
        decision="publish",
        reasons=["it helps"],
        metrics={"chosen": "gan", "arms": {"none": {}}, "seeds": 3},
    )
    done = stage("publish", decision="publish", reasons=["it helps"], metrics={"augmented": 12345})
    published = tables.verdict({"evaluate": judged, "publish": done}, DATE)
    assert published == "Published: 12,345 generated rows of the GAN are the partition of 2017-02-04."
    waiting = tables.verdict({"evaluate": judged}, DATE)
    assert waiting == "The gate says publish; the partition of 2017-02-04 is not written yet."
    held = {"publish": replace(done, decision="hold", reasons=["no proof"])}
    assert tables.verdict(held, DATE) == "Held: no generated rows for 2017-02-04."
    assert tables.reasons(held) == ["no proof"]
    assert tables.verdict({}, DATE).startswith("No decision for 2017-02-04: ingest, prepare,")


def test_what_the_policy_chose_is_not_taken_for_rows_above_the_fidelity_bound() -> None:
    metrics = {"sampled": 100, "candidates": 120, "generators": {"vae": {"sampled": 100, "candidates": 90}}}
    found = tables.counts({"augment": stage("augment", metrics=metrics | {"policy": {}})})
    assert found == {"candidates": 120, "dropped": 10, "chosen": 30}
    without = tables.counts({"augment": stage("augment", metrics=metrics | {"candidates": 90})})
    assert without == {"candidates": 90, "dropped": 10}
    joined = tables.counts({"augment": stage("augment", metrics=metrics)})
    assert joined == {"candidates": 120, "dropped": 10, "joined": 30}


def test_the_best_of_each_column_is_marked_and_the_lowest_gini_is_best() -> None:
    evaluation = {
        "arms": {
            "none": {"overall": {"hr@10": {"mean": 0.1, "low": 0.05, "high": 0.2}}, "catalogue": {"gini@10": 0.9}},
            "vae": {"overall": {"hr@10": {"mean": 0.2, "low": 0.1, "high": 0.3}}, "catalogue": {"gini@10": 0.8}},
            "counts+rare_items": {"overall": {"hr@10": {"mean": 0.1, "low": 0.05, "high": 0.2}}},
        },
        "baselines": {"popularity": {"overall": {"hr@10": {"mean": 0.15, "low": 0.1, "high": 0.2}}}},
        "users": {"overall": 40},
    }
    found = tables.metric_table(evaluation, "overall")
    assert found is not None
    assert (found["slice"], found["users"], found["metrics"]) == ("All users", 40, ["HR@10"])
    best = {row["label"]: row["cells"][0]["best"] for row in found["rows"]}
    assert best == {
        "SASRec, no generated rows": False,
        "SASRec + VAE rows": True,
        "SASRec + rows of counts and rare items": False,
        "popularity": False,
    }
    catalogue = tables.metric_table(evaluation, "catalogue")
    assert catalogue is not None
    assert [row["cells"][0] for row in catalogue["rows"]] == [
        {"mean": 0.9, "low": None, "high": None, "best": False},
        {"mean": 0.8, "low": None, "high": None, "best": True},
    ]
    assert tables.metric_table(evaluation, "cold") is None


def test_a_lift_without_bounds_is_not_drawn() -> None:
    evaluation = {
        "lift": {
            "gan": {"overall": {"mean": 0.1, "low": 0.0, "high": 0.2}},
            "vae": {
                "overall": {"mean": 0.2, "low": 0.1, "high": 0.3},
                "cold": {"mean": 0.0, "low": -float("inf"), "high": float("inf")},
            },
        },
        "validation_lift": {"vae": {"overall": {"mean": 0.3, "low": 0.2, "high": 0.4}}},
    }
    drawn = tables.lifts(evaluation)[["slice", "generator", "window"]].to_numpy().tolist()
    assert drawn == [["All users", "vae", "test"], ["All users", "vae", "validation"], ["All users", "gan", "test"]]
    assert tables.lifts({}).empty


def test_lifts_of_other_measures_stand_in_a_row_of_their_arm() -> None:
    some, nothing = {"mean": 0.2, "low": 0.1, "high": 0.3}, {"mean": 0.0, "low": -float("inf"), "high": float("inf")}
    evaluation = {
        "lifts": {"vae": {measure: {"overall": some} for measure in LIFTED[:-1]} | {LIFTED[-1]: {"overall": nothing}}},
        "blend_lifts": {},
    }
    found = tables.lift_table(evaluation, "overall")
    assert found is not None
    assert found["columns"] == ["HR@10", "NDCG@10", "Recall@20", "Recall@20, rare"]
    assert found["rows"] == [{"arm": "vae", "cells": [some, some, some, None]}]
    evaluation["blend_lifts"] = evaluation["lifts"]
    both = tables.lift_table(evaluation, "overall")
    assert both is not None
    assert both["columns"][4:] == ["HR@10, blend", "NDCG@10, blend", "Recall@20, blend", "Recall@20, rare, blend"]
    assert tables.lift_table(evaluation, "cold") is None
    assert tables.lift_table({}, "overall") is None


def test_fidelity_is_held_against_the_gate_s_bounds() -> None:
    measured = {"gan": {"coverage": GATE.min_coverage, "duplicates": GATE.max_duplicates + 0.001, "rows": 10}}
    found = tables.fidelity({"fidelity": measured}, GATE)
    assert found is not None
    assert {row["label"]: row["values"][0]["kept"] for row in found["rows"]} == {
        "distinct items generated, of the real ones": True,
        "histories equal to another generated one": False,
    }
    assert tables.fidelity({}, GATE) is None


def test_what_the_policy_tried_has_the_last_round_first_and_its_choice_kept() -> None:
    tried = [
        {"option": "vae-all-1-1", "epochs": 2, "lift": {"warm": -0.02}},
        {"option": "counts-all-1-1", "epochs": 2, "lift": {"warm": 0.01}},
        {"option": "counts-all-1-1", "epochs": 4, "lift": {"warm": 0.03}},
    ]
    metrics = {"policy": {"tried": tried, "chosen": {"warm": {"all": "counts-all-1-1"}}, "cpu_seconds": 9.0}}
    rows = tables.policy({"augment": stage("augment", metrics=metrics)})
    assert [(row["epochs"], row["option"]) for row in rows] == [
        (4, "counts-all-1-1"),
        (2, "counts-all-1-1"),
        (2, "vae-all-1-1"),
    ]
    assert [row["warm"]["kept"] for row in rows] == [True, False, False]
    assert all(row["cold"] is None for row in rows)  # nobody was cold
    assert tables.policy({"augment": stage("augment", metrics={"candidates": 3})}) == []


def test_curves_are_one_row_a_value() -> None:
    curves = [
        {"epoch": 1, "loss_likelihood": 8.0, "seconds": 1.0, "rows_per_second": 9.0},
        {"epoch": 2, "loss_generator": 0.7, "loss_discriminator": 1.3},
    ]
    found = tables.curves({"train": stage("train", metrics={"models": {"gan-fold0": {"curves": curves}}})})
    assert found.to_numpy().tolist() == [
        ["gan", "gan-fold0", 2, "loss_discriminator", 1.3],
        ["gan", "gan-fold0", 2, "loss_generator", 0.7],
        ["gan", "gan-fold0", 1, "loss_likelihood", 8.0],
    ]
    assert tables.curves({}).empty


def test_the_night_costs_the_sum_of_its_stages_and_the_highest_peak() -> None:
    stages = {
        "ingest": stage("ingest", wall_seconds=5.0, peak_memory_mb=300.0),
        "prepare": stage("prepare", wall_seconds=20.0),
        "report": stage("report", wall_seconds=99.0),  # of an earlier run of this stage
    }
    first, second, night = tables.costs(stages)
    assert (first["share"], second["share"]) == (0.25, 1.0)
    assert night == {"stage": "night", "cpu_seconds": 40.0, "wall_seconds": 25.0, "peak_memory_mb": 300.0, "share": 0.0}
    assert tables.costs({}) == []


def test_the_lift_is_told_by_the_minute_of_what_the_generators_cost() -> None:
    judged = {"chosen": "vae", "lift": {"vae": {"overall": {"mean": 0.06}}}}
    stages = {
        "train": stage("train", cpu_seconds=90.0),
        "augment": stage("augment", cpu_seconds=30.0),
        "evaluate": stage("evaluate", cpu_seconds=500.0, metrics=judged),
    }
    assert tables.lift_per_minute(stages) == {"arm": "vae", "lift": 0.06, "cpu_minutes": 2.0, "per_minute": 0.03}
    assert tables.lift_per_minute(stages | {"evaluate": stage("evaluate", metrics={"chosen": None})}) is None
    assert tables.lift_per_minute({"train": stages["train"]}) is None


def test_lists_are_told_with_their_reasons() -> None:
    faith = {"users": 1000, "fall_reason": 1.5, "fall_random": 0.25, "larger": 0.875}
    measured = {"diversity": 0.6, "diversity_by_score": 0.5, "faithfulness": faith}
    told = tables.lists_told({"recommend": stage("recommend", metrics=measured)})
    assert "falls by 1.50, without as many others by 0.25" in told
    assert "88\u00a0% of 1,000 users" in told
    assert tables.lists_told({"recommend": stage("recommend", metrics={})}) is None
    assert tables.lists_told({}) is None


def test_the_leak_checks_are_told_in_a_sentence() -> None:
    assert tables.leaks({"leaks": {"vocabulary": 0, "negatives": 0}}).startswith("2 leak checks")
    assert tables.leaks({}) is None


def test_a_flow_names_only_what_was_counted() -> None:
    (flow,) = tables.flows({"ingest": stage("ingest")}, {"rows_in": 10, "events": 9})
    assert flow == {"stage": "ingest", "read": [(10, "rows of the source")], "wrote": [(9, "events")]}


def test_counts_are_those_of_the_stages() -> None:
    stages = {
        "ingest": stage("ingest", metrics={"rows_in": 10, "events": 8, "duplicates": 1, "quarantined": 1, "items": 4}),
        "prepare": stage("prepare", metrics={"events": 7, "items": 3, "rows": {"train": 2, "test": 1}}),
        "augment": stage(
            "augment",
            metrics={"sampled": 9, "candidates": 6, "generators": {"gan": {"sampled": 9, "candidates": 6}}},
        ),
    }
    found = tables.counts(stages)
    assert (found["events"], found["window_events"]) == (8, 7)
    assert (found["items"], found["vocabulary"]) == (4, 3)
    assert (found["train"], found["candidates"], found["dropped"]) == (2, 6, 3)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (tables.seconds(4.25), "4.2 s"),
        (tables.seconds(48.4), "48 s"),
        (tables.seconds(119.7), "2 min 00 s"),
        (tables.percent(0.1234), "12.3 %"),
        (tables.percent(0.02, 0, sign=True), "+2 %"),
        (tables.figure(0.0812), ".0812"),
        (tables.figure(-0.5), "-.5000"),
        (tables.figure(9.126), "9.13"),
    ],
)
def test_numbers_are_written_for_a_reader(written: str, expected: str) -> None:
    assert written.replace("\u00a0", " ") == expected
