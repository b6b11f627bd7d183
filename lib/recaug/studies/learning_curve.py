"""What generated rows are worth where data are thin: the arms of a night over growing shares of the users."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from recaug.config import STAGES
from recaug.evaluate.arms import BLENDED, NONE, arms_of
from recaug.lake import runs
from recaug.night.context import Context
from recaug.night.nightly import one_line_errors, run_night
from recaug.report import learning_curve as page

Results = dict[str, dict[str, dict[str, Any]]]
FILE = "results.json"  # under the artifacts
MEASURES = ("hr@10", "ndcg@10")


def run_learning_curve(context: Context, say: Callable[[str], None] = print) -> Results:
    """Run the night up to its evaluation for each share of the users.

    Writes results.json (the contract), results.md and index.html under artifacts, and returns the results: share ->
    arm -> hr@10, ndcg@10, coverage (each mean, low, high; of cold users under `cold`), lift (of gate.metric against
    the arm none; of cold users under its `cold`), lifts (measure -> slice), blend and blend_lifts (the same of the
    mixture with the counts), users, seeds, run_id. coverage is over the seeds.
    A share that results.json holds of this very run is taken from there: the test is seen once.
    """
    settings = context.config.learning_curve
    assert settings is not None
    store = context.artifacts
    before: Results = json.loads(store.read(FILE)) if store.exists(FILE) else {}
    results: Results = {
        share: arms for share, arms in before.items() if all(arm["run_id"] == context.run_id for arm in arms.values())
    }
    arms = [NONE, *(arm.name for arm in arms_of(context.config.augment))]
    for share in settings.shares:
        if f"{share:g}" in results:
            say(f"{share:.0%} of the users: {store.address(FILE)} holds this run, the test is seen once")
            continue
        say(f"{share:.0%} of the users")
        prepare = msgspec.structs.replace(context.config.prepare, user_share=share)
        night = replace(context, config=msgspec.structs.replace(context.config, prepare=prepare))
        run_night(night.config, night.date, night.spark, STAGES[: STAGES.index("evaluate") + 1], resume=True, say=say)
        judged = runs.find(night.lake, night.date, "evaluate")
        assert judged is not None
        results[f"{share:g}"] = {arm: _arm(judged.metrics, arm, context.run_id) for arm in arms}
        with one_line_errors("benchmark"):  # after each share, for the largest takes hours
            store.write(FILE, json.dumps(results, indent=2) + "\n")
            store.write("results.md", page.markdown(results))
            store.write("index.html", page.render(results, context.run_id, context.config))
    return results


def _arm(metrics: Mapping[str, Any], arm: str, run_id: str) -> dict[str, Any]:
    """One arm's part of the contract from what the evaluate stage recorded."""
    parts = {
        part: {name: metrics["arms"][arm][part][name] for name in MEASURES}
        | {"coverage": metrics["coverage"][arm][part]}
        for part in ("overall", "cold")
        if part in metrics["arms"][arm]
    }
    blended = metrics["baselines"].get(BLENDED.format(arm), {})
    lifts = metrics["lift"].get(arm, {})
    lift = lifts.get("overall", {}) | ({"cold": lifts["cold"]} if "cold" in lifts else {})
    return {
        **parts["overall"],
        "cold": parts.get("cold", {}),
        "lift": lift,
        "lifts": metrics["lifts"].get(arm, {}),
        "blend": {part: {name: blended[part][name] for name in MEASURES} for part in parts if part in blended},
        "blend_lifts": metrics["blend_lifts"].get(arm, {}),
        "users": metrics["users"]["overall"],
        "seeds": metrics["seeds"],
        "run_id": run_id,
    }
