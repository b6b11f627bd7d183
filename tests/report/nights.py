"""A night's results, and a whole night by hand: what the page shows without a session."""

import datetime as dt
from pathlib import Path

import pandas as pd
from tests.conftest import STAGES
from tests.report.made import GENERATORS, stage

from recaug import config
from recaug.report import page
from recaug.results import (
    Arm,
    ArmResult,
    Augment,
    Catalogue,
    Faithfulness,
    Fidelity,
    Ingest,
    Interval,
    Measured,
    Part,
    Policy,
    Prepare,
    Publish,
    Recommend,
    Refit,
    Result,
    Sampled,
    Train,
    TrainedModel,
    Trial,
    Tried,
    Verdict,
)

DATE = dt.date(2017, 1, 28)
REASONS = {
    "publish": "NDCG@10 of cold users rises by 12.0 % (95 % interval 4.0 to 20.0 %) and overall does not fall",
    "hold": "the interval of the NDCG@10 lift, -3.0 to 5.0 %, reaches below 0 %",
}


def _measured(scale: float) -> Measured:
    """Every slice's metrics with intervals, and the lists."""
    values = {"hr@10": 0.08, "ndcg@10": 0.05, "recall@20": 0.06, "mrr@10": 0.04, "map@10": 0.03}
    values |= {"recall@20 head": 0.09, "recall@20 tail": 0.01}
    measures = {
        metric: Interval(mean=value * scale, low=value * scale * 0.9, high=value * scale * 1.1)
        for metric, value in values.items()
    }
    return Measured(
        measures=dict.fromkeys(("overall", "cold", "warm"), measures),
        catalogue=Catalogue(coverage=0.2 * scale, gini=0.8 / scale, novelty=9.1),
        exposure={"cold": 0.1, "warm": 0.3, "overall": 0.25},
    )


def _model(generator: str, fold: int) -> TrainedModel:
    curves, start = [], 7 + fold
    for epoch in range(1, 9):
        curve = {"epoch": epoch, "seconds": 1.5, "rows_per_second": 900.0}
        if generator == "vae":
            curve["loss"] = start / (1 + epoch)
        elif epoch <= 4:
            curve["loss_likelihood"] = start / (1 + epoch)
        else:
            curve |= {"loss_generator": 0.7 + start / epoch, "loss_discriminator": 1.2 + 0.01 * epoch}
        if epoch % 2 == 0:
            curve["validation_ndcg@10"] = 0.05 - 0.04 / (1 + epoch)
        curve |= {"distinct_items": 900.0 - 80 * epoch, "entropy": 6 - 0.3 * epoch, "duplicates": 0.01 * epoch}
        curves.append(curve)
    return TrainedModel(
        name=f"{generator}-fold{fold}",
        folder=f"models/{generator}",
        seed=1,
        seconds=12.0,
        generator=generator,
        fold=fold,
        curves=curves,
    )


def _lift(mean: float) -> dict[str, Interval]:
    return dict.fromkeys(("overall", "cold", "warm"), Interval(mean=mean, low=mean - 0.08, high=mean + 0.08))


def _against_none(generator: str, scale: float, lift: float, validation: float, fidelity: Fidelity) -> ArmResult:
    return ArmResult(
        arm=Arm(name=generator, parts=(Part(generators=(generator,)),)),
        measured=_measured(scale),
        lifts={measure: _lift(lift) for measure in ("hr@10", "ndcg@10", "recall@20", "recall@20 rare", "ndcg@10 rare")},
        validation_lifts=_lift(validation),
        fidelity=fidelity,
    )


WHOLE = Fidelity(
    rows=788,
    histories=40,
    coverage=0.7,
    entropy_ratio=0.98,
    duplicates=0.0,
    copies=0.0,
    mean_fidelity=0.7,
    told_apart=0.61,
)
COLLAPSED = Fidelity(
    rows=769, histories=40, coverage=0.02, entropy_ratio=0.3, duplicates=0.2, copies=0.0, mean_fidelity=0.6
)

# The stages' results; the numbers mean nothing.
METRICS: dict[str, Result] = {
    "ingest": Ingest(
        rows_in=13000,
        events=12500,
        duplicates=499,
        quarantined=1,
        items=4000,
        reasons={"no user_id": 1},
        days=(None, "2017-01-28"),
        rows_read=13028,
        ignored=20,
        later=8,
        warnings=("one user has 3000 of 13020 rows: a robot?",),
    ),
    "prepare": Prepare(
        users=150,
        items=4000,
        events=9000,
        cold=20,
        rows={"train": 144, "validation": 120, "test": 140, "serve": 150},
        covisitation=70000,
        negatives=14400,
        windows=["2017-01-08", "2017-01-15", "2017-01-22"],
        ways={"baskets": 0.0481, "sessions": 0.0612},
        counted="sessions",
    ),
    "train": Train(models=[_model(generator, fold) for generator in ("vae", "gan") for fold in (0, 1)]),
    "augment": Augment(
        sampled=1600,
        candidates=1557,
        generators={"vae": Sampled(sampled=800, candidates=788), "gan": Sampled(sampled=800, candidates=769)},
    ),
    "evaluate": Trial(
        task="recommend",
        metric="ndcg@10",
        seeds=3,
        units={"overall": 140, "cold": 20, "warm": 120},
        arms={
            "none": ArmResult(arm=Arm(name="none"), measured=_measured(1)),
            "vae": _against_none("vae", 1.12, 0.12, 0.1, WHOLE),
            "gan": _against_none("gan", 0.98, -0.02, 0.01, COLLAPSED),
        },
        baselines={"popularity": _measured(0.5), "covisitation": _measured(1.05)},
        leaks={"vocabulary": 0, "covisitation": 0},
        tail_share=0.5,
        chosen="vae",
        verdict=Verdict(decision="publish", reasons=("it helps",)),
        policy=Policy(
            tried=[Tried(option="counts-tail-1-2", epochs=2, lift={"cold": 0.04, "warm": -0.01})],
            chosen={"cold": {"tail": "counts-tail-1-2"}, "warm": {"tail": "none"}},
            cpu_seconds=60.0,
        ),
    ),
    "refit": Refit(
        rows=2400,
        candidates=788,
        recommender="models/refit",
        models=[TrainedModel(name="vae-seed0", folder="models/refit", seed=0, seconds=9.0)],
    ),
    "publish": Publish(augmented=788, chosen="vae"),
    "recommend": Recommend(
        recommendations=3000,
        arm="vae",
        model="models/vae",
        diversity=0.6,
        diversity_by_score=0.5,
        faithfulness=Faithfulness(users=0, fall_reason=0.0, fall_random=0.0, larger=0.0),
    ),
}


def by_hand(decision: str = "publish", **changes: Result) -> page.Night:
    """A night with everything that the page can show. changes: results by stage, instead of METRICS."""
    series = ("real", "vae", "gan")
    counts = [(name, events, 40 // events) for name in series for events in (1, 2, 5, 20)]
    events = [
        (name, user, f"{user}-{place}", None, f"product {place}", "GROCERY", 3)
        for name, user in (("real", "131"), ("vae", "generated-1"))
        for place in range(3)
    ]
    stages = {
        name: stage(
            name,
            metrics=(METRICS | changes)[name],
            decision=decision if name in ("evaluate", "publish") else "none",
            reasons=[REASONS[decision]] if name in ("evaluate", "publish") else [],
        )
        for name in STAGES[:-1]
    }
    return page.Night(
        date=DATE,
        run_id="2017-01-28-e9ff99bd",
        config_hash="1f" * 8,
        task="discovery",
        gate=config.load(Path(__file__).parents[2] / "conf" / "weeks.yaml").evaluate.gate,
        stages=stages,
        order=STAGES,
        generators=GENERATORS[:2],
        category="department",
        popularity=pd.DataFrame(counts, columns=["series", "events", "items"]),
        lengths=pd.DataFrame(counts, columns=["series", "events", "users"]),
        gaps=pd.DataFrame(
            [(name, place, 5) for name in series for place in (0, 3)], columns=["series", "bucket", "gaps"]
        ),
        categories=pd.DataFrame([(name, "GROCERY", 9) for name in series], columns=["series", "category", "events"]),
        examples=pd.DataFrame(
            [("vae", "generated-1", ["131"], True, 0.7)],
            columns=["series", "user_id", "source_users", "whole", "fidelity"],
        ),
        histories=pd.DataFrame(
            events, columns=["series", "user_id", "event_id", "parent_event_id", "title", "category", "n_events"]
        ),
        quarantine=pd.DataFrame([("no user_id", 1, '{"household_id": null}')], columns=["reason", "rows", "example"]),
        history=[page.PastNight(DATE - dt.timedelta(days=day), decision, REASONS[decision]) for day in (1, 0)],
        versions={"events": 3},
    )
