"""What the page says of the stages, from records by hand."""

from dataclasses import replace

import msgspec
from tests.conftest import STAGES
from tests.report.made import DATE, GENERATORS, against_none, stage, trial

from recaug.report import flows, records
from recaug.results import (
    Augment,
    Faithfulness,
    Ingest,
    Prepare,
    Publish,
    Recommend,
    Sampled,
    Train,
    TrainedModel,
)


def test_the_verdict_follows_publish_and_before_it_the_gate() -> None:
    judged = stage(
        "evaluate",
        decision="publish",
        reasons=["it helps"],
        metrics=trial(against_none(), against_none("gan"), chosen="gan"),
    )
    done = stage("publish", decision="publish", reasons=["it helps"], metrics=Publish(augmented=12345))
    published = records.verdict({"evaluate": judged, "publish": done}, DATE, GENERATORS, STAGES)
    assert published == "Published: 12,345 generated rows of the GAN are the partition of 2017-02-04."
    waiting = records.verdict({"evaluate": judged}, DATE, GENERATORS, STAGES)
    assert waiting == "The gate says publish; the partition of 2017-02-04 is not written yet."
    held = {"publish": replace(done, decision="hold", reasons=["no proof"])}
    assert records.verdict(held, DATE, GENERATORS, STAGES) == "Held: no generated rows for 2017-02-04."
    assert records.reasons(held) == ["no proof"]
    assert records.verdict({}, DATE, GENERATORS, STAGES).startswith("No decision for 2017-02-04: ingest, prepare,")


def test_rows_below_the_fidelity_bound_are_those_that_were_drawn_and_are_no_candidates() -> None:
    drawn = Augment(sampled=100, candidates=90, generators={"vae": Sampled(sampled=100, candidates=90)})
    assert records.counts({"augment": stage("augment", metrics=drawn)}) == {"candidates": 90, "dropped": 10}


def test_curves_are_one_row_a_value_and_belong_to_the_generator_whatever_the_model_is_called() -> None:
    curves = [
        {"epoch": 1, "loss_likelihood": 8.0, "seconds": 1.0, "rows_per_second": 9.0},
        {"epoch": 2, "loss_generator": 0.7, "loss_discriminator": 1.3},
    ]
    model = TrainedModel(name="a-b-fold0", folder="", seed=0, seconds=1.0, generator="a-b", fold=0, curves=curves)
    values = records.curves({"train": stage("train", metrics=Train(models=[model]))})
    assert values.to_numpy().tolist() == [
        ["a-b", "a-b-fold0", 2, "loss_discriminator", 1.3],
        ["a-b", "a-b-fold0", 2, "loss_generator", 0.7],
        ["a-b", "a-b-fold0", 1, "loss_likelihood", 8.0],
    ]
    assert records.curves({}).empty


def test_the_night_costs_the_sum_of_its_stages_and_the_highest_peak() -> None:
    stages = {
        "ingest": stage("ingest", wall_seconds=5.0, peak_memory_mb=300.0),
        "prepare": stage("prepare", wall_seconds=20.0),
        "report": stage("report", wall_seconds=99.0),  # of an earlier run of this stage
    }
    first, second, night = records.costs(stages)
    assert (first.share, second.share) == (0.25, 1.0)
    assert night == records.StageCost("night", cpu_seconds=40.0, wall_seconds=25.0, peak_memory_mb=300.0, share=0.0)
    assert records.costs({}) == []


def test_lists_are_told_with_their_reasons() -> None:
    faith = Faithfulness(users=1000, fall_reason=1.5, fall_random=0.25, larger=0.875)
    listed = Recommend(
        recommendations=3000, arm="none", model="", diversity=0.6, diversity_by_score=0.5, faithfulness=faith
    )
    told = records.lists({"recommend": stage("recommend", metrics=listed)})
    assert told is not None
    assert "falls by 1.50, without as many others by 0.25" in told
    assert "88\u00a0% of 1,000 users" in told
    assert "index" not in told
    by_index = msgspec.structs.replace(listed, index="ann", recall=0.9875)
    told = records.lists({"recommend": stage("recommend", metrics=by_index)})
    assert told is not None
    assert told.endswith("an approximate index, which found 98.8\u00a0% of the best items of all.")
    assert records.lists({}) is None


def test_a_flow_names_only_what_was_counted() -> None:
    (flow,) = flows.flows({"ingest": stage("ingest")}, {"rows_read": 10, "events": 9})
    assert flow == flows.Flow("ingest", [(10, "rows of the source")], [(9, "events")])


def test_counts_are_those_of_the_stages() -> None:
    taken = Ingest(
        rows_in=10, events=8, duplicates=1, quarantined=1, items=4, reasons={"x": 1}, days=(None, "2017-02-04")
    )
    cut = Prepare(
        users=2, events=7, items=3, cold=1, rows={"train": 2, "test": 1}, covisitation=5, negatives=6, windows=[]
    )
    drawn = Augment(sampled=9, candidates=6, generators={"gan": Sampled(sampled=9, candidates=6)})
    judged = trial(against_none(), against_none("gan"))
    results = {"ingest": taken, "prepare": cut, "augment": drawn, "evaluate": judged}
    counted = records.counts({name: stage(name, metrics=result) for name, result in results.items()})
    assert (counted["events"], counted["window_events"]) == (8, 7)
    assert (counted["items"], counted["vocabulary"]) == (4, 3)
    assert (counted["train"], counted["candidates"], counted["dropped"]) == (2, 6, 3)
    assert counted["recommenders"] == 2 * 3


def test_warnings_are_ten_lines_at_most() -> None:
    assert records.warnings({}) == []
    lines = tuple(f"odd {n}" for n in range(12))
    taken = Ingest(
        rows_in=1, events=1, duplicates=0, quarantined=0, items=1, reasons={}, days=(None, "2017-02-04"), warnings=lines
    )
    assert records.warnings({"ingest": stage("ingest", metrics=taken)}) == [*lines[:9], "and 3 more"]
