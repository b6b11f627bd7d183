"""What the page says of the night's stages: rows in and out, the decision, curves of training, what it cost."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import pandas as pd

from recaug.config import STAGES
from recaug.lake.runs import RunRecord
from recaug.report.numbers import percent
from recaug.report.series import Series, arm_looks
from recaug.results import Augment, Ingest, Prepare, Publish, Recommend, Refit, Result, Train, Trial

Stages = Mapping[str, RunRecord]
Kind = TypeVar("Kind", bound=Result)

# Rows that a night was given and did not take, those that there are.
ASIDE = {
    "ignored": "ignored by a rule",
    "held": "taken before",
    "later": "of later days",
    "earlier": "of days before",
    "too_late": "too late for any night",
}
# The stages' rows: what each reads and what it writes, as keys of counts with what a reader calls them.
FLOWS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ingest": (
        {"rows_read": "rows of the source"},
        {
            "events": "events",
            "duplicates": "duplicates dropped",
            "quarantined": "quarantined",
            **ASIDE,
            "items": "items",
        },
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
        {"candidates": "candidate rows", "dropped": "rows below the fidelity bound"},
    ),
    "evaluate": ({"candidates": "candidate rows", "test": "test users"}, {"recommenders": "recommenders compared"}),
    "refit": ({"refit_rows": "train windows of all days"}, {"refit_candidates": "candidate rows"}),
    "publish": ({"candidates": "candidate rows"}, {"augmented": "rows published"}),
    "recommend": ({"serve": "users"}, {"recommendations": "recommendations"}),
}
WARNINGS = 10
UNPLOTTED = frozenset({"epoch", "seconds", "rows_per_second", "communication"})  # of a curve


class Flow(NamedTuple):
    """A stage's rows in and out, each with what a reader calls them."""

    stage: str
    read: list[tuple[int, str]]
    wrote: list[tuple[int, str]]


class StageCost(NamedTuple):
    """What a stage, or the night, cost; share: of the longest stage's wall time."""

    stage: str
    cpu_seconds: float
    wall_seconds: float
    peak_memory_mb: float
    share: float


def result_of(stages: Stages, kind: type[Kind]) -> Kind | None:
    """What the stage with results of this kind found; None where it is not recorded."""
    return next((record.metrics for record in stages.values() if isinstance(record.metrics, kind)), None)


def counts(stages: Stages) -> dict[str, int]:
    """Rows in and out of the recorded stages by the keys of FLOWS, as the stages counted them."""
    return {key: rows for record in stages.values() for key, rows in _counted(record.metrics).items()}


def _counted(metrics: Result) -> dict[str, int]:
    """The rows of one stage."""
    rows: dict[str, int] = {}
    match metrics:
        case Ingest():
            names = ("rows_read", "events", "items", "duplicates", "quarantined")
            rows = {name: getattr(metrics, name) for name in names}
            rows |= {name: number for name in ASIDE if (number := getattr(metrics, name))}
        case Prepare():
            pairs = {"covisitation": metrics.covisitation, "negatives": metrics.negatives}
            rows = {**metrics.rows, "window_events": metrics.events, "vocabulary": metrics.items, **pairs}
        case Train():
            rows = {"models": len(metrics.models)}
        case Augment():
            rows = {"candidates": metrics.candidates, "dropped": metrics.sampled - metrics.candidates}
        case Trial():
            rows = {"recommenders": len(metrics.arms) * metrics.seeds}
        case Refit() if metrics.models:
            rows = {"refit_rows": metrics.rows, "refit_candidates": metrics.candidates}
        case Publish():
            rows = {"augmented": metrics.augmented}
        case Recommend():
            rows = {"recommendations": metrics.recommendations}
    return rows


def flows(stages: Stages, rows: Mapping[str, int]) -> list[Flow]:
    """Rows in and out of each recorded stage, those that were counted."""

    def known(labels: Mapping[str, str]) -> list[tuple[int, str]]:
        return [(rows[key], label) for key, label in labels.items() if key in rows]

    return [Flow(stage, known(reads), known(writes)) for stage, (reads, writes) in FLOWS.items() if stage in stages]


def warnings(stages: Stages) -> list[str]:
    """What the stages found odd: WARNINGS lines at most, the last of which counts the others."""
    ingested, refitted = result_of(stages, Ingest), result_of(stages, Refit)
    lines = [] if ingested is None else list(ingested.warnings)
    trial = result_of(stages, Trial)
    lines += [] if trial is None else trial.warnings
    if refitted is not None and refitted.faults:
        lines.append(f"the rows of all days are not used but those that were proved: {'; '.join(refitted.faults)}")
    return lines if len(lines) <= WARNINGS else [*lines[: WARNINGS - 1], f"and {len(lines) - WARNINGS + 1} more"]


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


def verdict(stages: Stages, date: dt.date, generators: Sequence[Series]) -> str:
    """The decision in one sentence, without its reasons."""
    rows = counts(stages).get("augmented", 0)
    match decision(stages):
        case "publish" if rows:
            chosen = chosen_label(result_of(stages, Trial), generators)
            by = f" of the {chosen}" if chosen else ""
            return f"Published: {rows:,} generated rows{by} are the partition of {date}."
        case "publish":
            return f"The gate says publish; the partition of {date} is not written yet."
        case "hold":
            return f"Held: no generated rows for {date}."
    missing = [stage for stage in STAGES[:-1] if stage not in stages]
    if missing:
        return f"No decision for {date}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not recorded."
    return f"No decision for {date}."


def chosen_label(trial: Trial | None, generators: Sequence[Series]) -> str | None:
    """What a reader calls the arm that was chosen; None where none was."""
    if trial is None or trial.chosen is None:
        return None
    return arm_looks([trial.arms[trial.chosen].arm], generators)[trial.chosen].label


def curves(stages: Stages) -> pd.DataFrame:
    """Read per-epoch values of the night's generators in long form: series, model, epoch, measure, value."""
    trained = result_of(stages, Train)
    rows = [
        (model.generator, model.name, int(epoch["epoch"]), measure, float(value))
        for model in (trained.models if trained is not None else ())
        for epoch in model.curves
        for measure, value in epoch.items()
        if measure not in UNPLOTTED
    ]
    frame = pd.DataFrame(rows, columns=["series", "model", "epoch", "measure", "value"])
    return frame.sort_values(["model", "measure", "epoch"], ignore_index=True)


def costs(stages: Stages) -> list[StageCost]:
    """Cost of each recorded stage, and last of the night: sums of the seconds, the highest peak.

    The report itself is not finished yet.
    """
    done = [stage for stage in stages.values() if stage.stage != "report"]
    if not done:
        return []
    longest = max(stage.wall_seconds for stage in done) or 1.0
    rows = [_cost(stage.stage, [stage], stage.wall_seconds / longest) for stage in done]
    return [*rows, _cost("night", done, 0.0)]


def _cost(label: str, stages: Sequence[RunRecord], share: float) -> StageCost:
    return StageCost(
        stage=label,
        cpu_seconds=sum(stage.cpu_seconds for stage in stages),
        wall_seconds=sum(stage.wall_seconds for stage in stages),
        peak_memory_mb=max(stage.peak_memory_mb for stage in stages),
        share=share,
    )


def lists(stages: Stages) -> str | None:
    """Say how diverse the lists are, and whether the reasons are true; None where that was not measured."""
    listed = result_of(stages, Recommend)
    if listed is None or not listed.faithfulness.users:
        return None
    faith = listed.faithfulness
    return (
        f"Two items of a list differ by {listed.diversity:.2f} (1 - cosine of their embeddings; "
        f"{listed.diversity_by_score:.2f} in the order of the scores). Without the events that the first "
        f"recommendation names, its score falls by {faith.fall_reason:.2f}, without as many others by "
        f"{faith.fall_random:.2f}; the named ones weigh more for {percent(faith.larger, 0)} of "
        f"{faith.users:,} users."
    )
