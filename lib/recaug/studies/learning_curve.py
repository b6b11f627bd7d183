"""What generated rows are worth where data are thin: the arms of a night over growing shares of the users."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from recaug.config import STAGES
from recaug.night.context import Context
from recaug.night.experiment import arms_to_be
from recaug.night.failures import one_line_errors
from recaug.night.nightly import run_night
from recaug.report import learning_curve as page
from recaug.report.series import arm_looks, generators_of
from recaug.results import Measured, Slice, Trial

Results = dict[str, dict[str, dict[str, Any]]]
FILE = "results.json"  # under the artifacts
SHOWN = ("hr@10", "ndcg@10")  # metrics
PARTS = ("overall", "cold")


def run_learning_curve(context: Context, say: Callable[[str], None] = print) -> Results:
    """Run the night up to its evaluation for each share of the users.

    Writes results.json (the contract), results.md and index.html under artifacts, and returns the results: share ->
    arm -> label, hr@10, ndcg@10, coverage (each mean, low, high; of cold users under `cold`), lift (of gate.metric
    against the arm none; of cold users under its `cold`), lifts (measure -> slice), blend and blend_lifts (the same of
    the mixture with the counts), users, seeds, by_seed (gate.metric of each), run_id. coverage is over the seeds.
    A share that results.json holds of this very run is taken from there: the test is seen once.
    """
    settings = context.config.learning_curve
    assert settings is not None
    store = context.artifacts
    before: Results = json.loads(store.read(FILE)) if store.exists(FILE) else {}
    results: Results = {
        share: arms for share, arms in before.items() if all(arm["run_id"] == context.study_id for arm in arms.values())
    }
    looks = arm_looks(arms_to_be(context), generators_of(context.config))
    for share in settings.shares:
        if f"{share:g}" in results:
            say(f"{share:.0%} of the users: {store.address(FILE)} holds this run, the test is seen once")
            continue
        say(f"{share:.0%} of the users")
        prepare = msgspec.structs.replace(context.config.prepare, user_share=share)
        night = replace(context, config=msgspec.structs.replace(context.config, prepare=prepare))
        run_night(night.config, night.date, night.spark, STAGES[: STAGES.index("evaluate") + 1], resume=True, say=say)
        trial = night.recorded("evaluate").metrics
        results[f"{share:g}"] = {
            arm: {"label": look.label} | _arm(trial, arm, context.study_id) for arm, look in looks.items()
        }
        with one_line_errors("benchmark"):  # after each share, for the largest takes hours
            store.write(FILE, json.dumps(results, indent=2) + "\n")
            store.write("results.md", page.markdown(results))
            store.write("index.html", page.render(results, context.study_id, context.config, looks))
    return results


def _arm(trial: Trial, arm: str, run_id: str) -> dict[str, Any]:
    """One arm's part of the contract from what the evaluate stage recorded."""
    result = trial.arms[arm]
    parts = {
        part: _means(result.measured, part) | {"coverage": _plain(result.measured.coverage[part])}
        for part in PARTS
        if part in result.measured.measures
    }
    lifts = _plain(result.lifts)
    lift = lifts.get(trial.metric, {})
    return {
        **parts["overall"],
        "cold": parts.get("cold", {}),
        "lift": lift.get("overall", {}) | ({"cold": lift["cold"]} if "cold" in lift else {}),
        "lifts": lifts,
        "blend": {part: _means(result.blend, part) for part in parts} if result.blend is not None else {},
        "blend_lifts": _plain(result.blend_lifts),
        "users": trial.units["overall"],
        "seeds": trial.seeds,
        "by_seed": {trial.metric: result.by_seed},
        "run_id": run_id,
    }


def _means(measured: Measured, part: Slice) -> dict[str, Any]:
    return {metric: _plain(measured.measures[part][metric]) for metric in SHOWN}


def _plain(result: Any) -> Any:
    """As JSON holds it."""
    return msgspec.to_builtins(result)
