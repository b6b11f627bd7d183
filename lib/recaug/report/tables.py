"""What the page shows as text and tables, shaped from the stages' records of one night."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from recaug.config import POLICY, STAGES, Gate
from recaug.evaluate.arms import BLENDED, LIFTED
from recaug.lake.runs import RunRecord
from recaug.report.plots import name, ordered

Stages = Mapping[str, RunRecord]

SLICES = {
    "overall": "All users",
    "cold": "Cold users",
    "warm": "Warm users",
    "catalogue": "The catalogue in everybody's lists",
}
METRICS = {
    "hr@10": "HR@10",
    "ndcg@10": "NDCG@10",
    "recall@20": "Recall@20",
    "recall@20 head": "Recall@20, head",
    "recall@20 tail": "Recall@20, tail",
    "recall@20 rare": "Recall@20, rare",
    "mrr@10": "MRR@10",
    "map@10": "MAP@10",
    "coverage@10": "Coverage@10",
    "novelty@10": "Novelty@10, bits",
    "gini@10": "Gini@10",
}
LOWER_IS_BETTER = frozenset({"gini@10"})
ARMS = {
    "none": "SASRec, no generated rows",
    "vae": "SASRec + VAE rows",
    "gan": "SASRec + GAN rows",
    "counts": "SASRec + counts' rows",
    "classic": "SASRec + classic rows",
    "rare_items": "SASRec + rows of rare items",
    "pseudo_prior": "SASRec + rows with earlier events",
    "policy": "SASRec + the policy's rows",
}
SPLITS = {
    "time": "windows of time",
    "leave_one_out": "leave-one-out",
    "share": "a share of each user's events held out",
    "users": "held-out users, part of their history folded in",
}
BASELINES = {"popularity": "popularity", "covisitation": "co-visitation", "content": "content-based"}
LIFT_COLUMNS = {("lifts", measure): METRICS[measure] for measure in LIFTED} | {
    ("blend_lifts", measure): f"{METRICS[measure]}, blend" for measure in LIFTED
}

# The stages' rows: what each reads and what it writes, as keys of counts with what a reader calls them.
FLOWS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ingest": (
        {"rows_in": "rows of the source"},
        {"events": "events", "duplicates": "duplicates dropped", "quarantined": "quarantined", "items": "items"},
    ),
    "prepare": (
        {"window_events": "events of the windows"},
        {
            "train": "train windows",
            "validation": "validation users",
            "test": "test users",
            "serve": "users to serve",
            "vocabulary": "items in the vocabulary",
            "covisitation": "co-visitation pairs",
            "negatives": "negatives",
        },
    ),
    "train": ({"train": "train windows"}, {"models": "models"}),
    "augment": (
        {"train": "train windows", "models": "models"},
        {
            "candidates": "candidate rows",
            "chosen": "of them chosen by the policy",
            "joined": "of them once more, for arms of several generators",
            "dropped": "rows below the fidelity bound",
        },
    ),
    "evaluate": ({"candidates": "candidate rows", "test": "test users"}, {"recommenders": "recommenders compared"}),
    "publish": ({"candidates": "candidate rows"}, {"augmented": "rows published"}),
    "recommend": ({"serve": "users"}, {"recommendations": "recommendations"}),
}


def counts(stages: Stages) -> dict[str, int]:
    """Rows in and out of the recorded stages by the keys of FLOWS, as the stages counted them."""
    metrics = {name: stage.metrics for name, stage in stages.items()}
    found: dict[str, int] = dict(metrics.get("prepare", {}).get("rows", {}))
    for stage, names in {
        "ingest": {key: key for key in ("rows_in", "events", "duplicates", "quarantined", "items")},
        "prepare": {
            "window_events": "events",
            "vocabulary": "items",
            "covisitation": "covisitation",
            "negatives": "negatives",
        },
        "augment": {"candidates": "candidates"},
        "publish": {"augmented": "augmented"},
        "recommend": {"recommendations": "recommendations"},
    }.items():
        found |= {ours: metrics[stage][theirs] for ours, theirs in names.items() if theirs in metrics.get(stage, {})}
    if "train" in metrics:
        found["models"] = len(metrics["train"]["models"])
    if "augment" in metrics:
        kept = sum(one["candidates"] for one in metrics["augment"]["generators"].values())
        found["dropped"] = metrics["augment"]["sampled"] - kept
        repeated = metrics["augment"]["candidates"] - kept
        if POLICY in metrics["augment"]:
            found["chosen"] = repeated
        elif repeated:
            found["joined"] = repeated
    if "evaluate" in metrics:
        found["recommenders"] = len(metrics["evaluate"]["arms"]) * metrics["evaluate"]["seeds"]
    return found


def decision(stages: Stages) -> str:
    """`publish`, `hold` or `none`: what publish recorded, or the gate where publish has not run."""
    for stage in ("publish", "evaluate"):
        if stage in stages and stages[stage].decision != "none":
            return stages[stage].decision
    return "none"


def reasons(stages: Stages) -> list[str]:
    """Why, in the words of the stage that decided."""
    for stage in ("publish", "evaluate"):
        if stage in stages and stages[stage].reasons:
            return list(stages[stage].reasons)
    return []


def verdict(stages: Stages, date: dt.date) -> str:
    """The decision in one sentence, without its reasons."""
    chosen = stages["evaluate"].metrics.get("chosen") if "evaluate" in stages else None
    rows = counts(stages).get("augmented", 0)
    match decision(stages):
        case "publish" if rows:
            by = f" of the {name(chosen)}" if chosen else ""
            return f"Published: {rows:,} generated rows{by} are the partition of {date}."
        case "publish":
            return f"The gate says publish; the partition of {date} is not written yet."
        case "hold":
            return f"Held: no generated rows for {date}."
    missing = [stage for stage in STAGES[:-1] if stage not in stages]
    if missing:
        return f"No decision for {date}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not recorded."
    return f"No decision for {date}."


def flows(stages: Stages, rows: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows in and out of each recorded stage: stage, read and wrote, each a list of (rows, label)."""

    def known(labels: Mapping[str, str]) -> list[tuple[int, str]]:
        return [(rows[key], label) for key, label in labels.items() if key in rows]

    return [
        {"stage": stage, "read": known(reads), "wrote": known(writes)}
        for stage, (reads, writes) in FLOWS.items()
        if stage in stages
    ]


def curves(stages: Stages) -> pd.DataFrame:
    """Read per-epoch values of the night's generators in long form: kind, model, epoch, measure, value."""
    models = stages["train"].metrics["models"] if "train" in stages else {}
    rows = [
        (model.split("-")[0], model, epoch["epoch"], measure, float(value))
        for model, result in models.items()
        for epoch in result["curves"]
        for measure, value in epoch.items()
        if measure not in UNPLOTTED
    ]
    frame = pd.DataFrame(rows, columns=["kind", "model", "epoch", "measure", "value"])
    return frame.sort_values(["model", "measure", "epoch"], ignore_index=True)


UNPLOTTED = frozenset({"epoch", "seconds", "rows_per_second", "communication"})


def arm_label(arm: str) -> str:
    """What a reader calls an arm."""
    return ARMS.get(arm, f"SASRec + rows of {name(arm)}")


def metric_table(evaluation: Mapping[str, Any], part: str) -> dict[str, Any] | None:
    """The arms and baselines of one slice as rows: metrics (labels), rows of label and cells; None where not measured.

    A cell is None or has mean, low, high (both None where there is no interval), best (of its column).
    """
    arms, baselines = evaluation.get("arms", {}), evaluation.get("baselines", {})
    known = [*ARMS, *(arm for arm in arms if arm not in ARMS)]
    measured = {arm_label(arm): arms.get(arm, {}).get(part) for arm in known}
    measured |= {label: baselines.get(baseline, {}).get(part) for baseline, label in BASELINES.items()}
    measured |= {
        f"{arm_label(arm)}, blended with co-visitation": baselines.get(BLENDED.format(arm), {}).get(part)
        for arm in known
    }
    measured = {label: values for label, values in measured.items() if values}
    metrics = [metric for metric in METRICS if any(metric in values for values in measured.values())]
    if not metrics:
        return None
    best = {}
    for metric in metrics:
        means = [_interval(values[metric])["mean"] for values in measured.values() if metric in values]
        best[metric] = min(means) if metric in LOWER_IS_BETTER else max(means)
    rows = []
    for label, values in measured.items():
        cells = [_interval(values[metric]) if metric in values else None for metric in metrics]
        for metric, cell in zip(metrics, cells, strict=True):
            if cell is not None:
                cell["best"] = cell["mean"] == best[metric]
        rows.append({"label": label, "cells": cells})
    users = evaluation.get("users", {}).get(part)
    return {"slice": SLICES[part], "users": users, "metrics": [METRICS[metric] for metric in metrics], "rows": rows}


def _interval(value: Any) -> dict[str, Any]:
    """A metric is a plain number or has mean, low and high."""
    if isinstance(value, Mapping):
        return {"mean": value["mean"], "low": value.get("low"), "high": value.get("high")}
    return {"mean": value, "low": None, "high": None}


def lift_table(evaluation: Mapping[str, Any], part: str) -> dict[str, Any] | None:
    """Each arm's lift of several measures in one slice: columns (labels), rows of arm and cells; None without any.

    A cell is None, where nothing was measured, or has mean, low, high.
    """
    arms = [
        arm for arm in ordered(evaluation.get("lifts", {})) if part in next(iter(evaluation["lifts"][arm].values()))
    ]
    if not arms:
        return None
    columns = {column: label for column, label in LIFT_COLUMNS.items() if evaluation.get(column[0])}
    rows = [
        {"arm": arm, "cells": [_finite(evaluation[kind][arm][measure][part]) for kind, measure in columns]}
        for arm in arms
    ]
    return {"slice": SLICES[part], "columns": [*columns.values()], "rows": rows}


def exposure(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Whose items are shown to whom: columns (labels of slices of users), rows of arm and shares of the places.

    A share is that of the items outside the head; `real` is theirs of the train events. None where nothing was shown.
    """
    shares = evaluation.get("exposure")
    if not shares:
        return None
    parts = [part for part in SLICES if part in shares["none"]]
    arms = ["none", *ordered(arm for arm in shares if arm != "none")]
    rows = [{"label": arm_label(arm), "shares": [shares[arm][part] for part in parts]} for arm in arms]
    return {"columns": [SLICES[part] for part in parts], "rows": rows, "real": evaluation["tail_share"]}


def _finite(lift: Mapping[str, float]) -> Mapping[str, float] | None:
    """A lift, or None where its base found nothing."""
    return lift if math.isfinite(lift["low"]) and math.isfinite(lift["high"]) else None


def lifts(evaluation: Mapping[str, Any]) -> pd.DataFrame:
    """Lifts in long form, for the forest plot: slice, generator, window, mean, low, high.

    A lift without finite bounds (the base found nothing) is left out.
    """
    rows = []
    for part, label in SLICES.items():
        for generator in ordered(evaluation.get("lift", {})):
            for window, key in (("test", "lift"), ("validation", "validation_lift")):
                values = evaluation[key].get(generator, {}).get(part)
                if values is not None and math.isfinite(values["low"]) and math.isfinite(values["high"]):
                    rows.append((label, generator, window, values["mean"], values["low"], values["high"]))
    return pd.DataFrame(rows, columns=["slice", "generator", "window", "mean", "low", "high"])


def fidelity(evaluation: Mapping[str, Any], gate: Gate) -> dict[str, Any] | None:
    """Fidelity and collapse of each generator beside the gate's bounds: generators, rows of label, bound, values.

    A value has number and kept (None where there is no bound).
    """
    measured = evaluation.get("fidelity") or {}
    if not measured:
        return None
    generators, rows = ordered(measured), []
    for key, label, low, high in (
        ("ranking", "NDCG@10 on users it has not seen, of the counts' own", gate.min_ranking or None, None),
        ("coverage", "distinct items generated, of the real ones", gate.min_coverage, None),
        ("entropy_ratio", "entropy of the items, of the real one's", gate.min_entropy, None),
        ("duplicates", "histories equal to another generated one", None, gate.max_duplicates),
        ("copies", "histories equal to a real one", None, gate.max_copies),
        ("told_apart", "told from real ones by a classifier: area under its curve (50 % is chance)", None, None),
        ("mean_fidelity", "mean fidelity of the candidates", None, None),
    ):
        values = [_bounded(measured[generator].get(key), low, high) for generator in generators]
        if any(value is not None for value in values):
            bound = (
                f"at least {percent(low)}"
                if low is not None
                else f"at most {percent(high)}"
                if high is not None
                else ""
            )
            rows.append({"label": label, "bound": bound, "values": values})
    return {"generators": [name(generator) for generator in generators], "rows": rows}


def _bounded(number: float | None, low: float | None, high: float | None) -> dict[str, Any] | None:
    if number is None:
        return None
    kept = None if low is None and high is None else (low is None or number >= low) and (high is None or number <= high)
    return {"number": number, "kept": kept}


def policy(stages: Stages) -> list[dict[str, Any]]:
    """What the policy tried, the last round first: option, epochs, cold and warm (lift and kept, or None).

    kept: chosen for that slice of users and kind of rows, in the option's last round. Empty where no policy was asked.
    """
    found = stages["augment"].metrics.get(POLICY) if "augment" in stages else None
    if found is None:
        return []
    rounds = sorted(found["tried"], key=lambda one: (-one["epochs"], one["option"]))
    last = {one["option"]: one["epochs"] for one in found["tried"]}
    return [
        {"option": one["option"], "epochs": one["epochs"]}
        | {
            part: {
                "lift": one["lift"][part],
                "kept": one["option"] in found["chosen"][part].values() and last[one["option"]] == one["epochs"],
            }
            if part in one["lift"]
            else None
            for part in ("cold", "warm")
        }
        for one in rounds
    ]


def costs(stages: Stages) -> list[dict[str, Any]]:
    """Cost of each recorded stage and of the night: stage, cpu_seconds, wall_seconds, peak_memory_mb, share.

    The last row is the night: sums of the seconds, the highest peak. The report itself is not finished yet.
    """
    done = [stage for stage in stages.values() if stage.stage != "report"]
    if not done:
        return []
    longest = max(stage.wall_seconds for stage in done) or 1.0
    rows = [_cost(stage.stage, [stage], stage.wall_seconds / longest) for stage in done]
    return [*rows, _cost("night", done, 0.0)]


def lift_per_minute(stages: Stages) -> dict[str, Any] | None:
    """What the chosen generator's lift on the test window cost: lift, cpu_minutes of train and augment, per_minute.

    None where nothing was judged. The two stages' cost is that of all generators of the night.
    """
    if not {"train", "augment", "evaluate"} <= set(stages):
        return None
    judged = stages["evaluate"].metrics
    if judged.get("chosen") is None:
        return None
    lift = judged["lift"][judged["chosen"]]["overall"]["mean"]
    minutes = (stages["train"].cpu_seconds + stages["augment"].cpu_seconds) / 60
    return {"arm": judged["chosen"], "lift": lift, "cpu_minutes": minutes, "per_minute": lift / max(minutes, 1e-9)}


def leaks(evaluation: Mapping[str, Any]) -> str | None:
    """Say in a sentence what the leak checks found; None where none was made."""
    found = evaluation.get("leaks")
    if found is None:
        return None
    return f"{len(found)} leak checks of what the models learnt from found {sum(found.values())} rows that know more."


def lists_told(stages: Stages) -> str | None:
    """Say how diverse the lists are, and whether the reasons are true; None where that was not measured."""
    metrics = stages["recommend"].metrics if "recommend" in stages else {}
    faith = metrics.get("faithfulness")
    if not faith or not faith["users"]:
        return None
    return (
        f"Two items of a list differ by {metrics['diversity']:.2f} (1 - cosine of their embeddings; "
        f"{metrics['diversity_by_score']:.2f} in the order of the scores). Without the events that the first "
        f"recommendation names, its score falls by {faith['fall_reason']:.2f}, without as many others by "
        f"{faith['fall_random']:.2f}; the named ones weigh more for {percent(faith['larger'], 0)} of "
        f"{faith['users']:,} users."
    )


def _cost(label: str, stages: Sequence[RunRecord], share: float) -> dict[str, Any]:
    return {
        "stage": label,
        "cpu_seconds": sum(stage.cpu_seconds for stage in stages),
        "wall_seconds": sum(stage.wall_seconds for stage in stages),
        "peak_memory_mb": max(stage.peak_memory_mb for stage in stages),
        "share": share,
    }


def seconds(value: float) -> str:
    """`48 s`, `3 min 20 s`; the spaces do not break."""
    if value < 60:
        return f"{value:.1f}\u00a0s" if value < 10 else f"{value:.0f}\u00a0s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\u00a0min\u00a0{rest:02d}\u00a0s"


def percent(share: float, digits: int = 1, sign: bool = False) -> str:
    """`12.3 %`, with its sign where asked."""
    return f"{share * 100:{'+' if sign else ''}.{digits}f}\u00a0%"


def figure(value: float) -> str:
    """A metric with as many digits as say something: `.0812`, `5.21`."""
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def interval(values: Mapping[str, float]) -> str:
    """`.0531 [.0508, .0556]`."""
    mean, low, high = (figure(values[key]) for key in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
