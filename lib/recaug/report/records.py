"""What the page says of the night's stages: rows in and out, the decision, curves of training, what it cost."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import pandas as pd

from recaug.lake.runs import RunRecord
from recaug.report.numbers import percent
from recaug.report.series import Series, arm_looks
from recaug.results import Augment, Ingest, Prepare, Publish, Recommend, Refit, Result, Search, Train, Trial

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
WARNINGS = 10
DECIDING = ("publish", "evaluate", "search")
UNPLOTTED = frozenset({"epoch", "seconds", "rows_per_second", "communication"})  # of a curve


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
    """Rows in and out of the recorded stages by the keys of flows.FLOWS, as the stages counted them."""
    return {key: rows for record in stages.values() for key, rows in _counted(record.metrics).items()}


def _counted(metrics: Result) -> dict[str, int]:
    """The rows of one stage."""
    rows: dict[str, int] = {}
    match metrics:
        case Ingest():
            of_log = ("rows_read", "events", "duplicates", "quarantined")
            names = ("items", *(of_log if metrics.rows_in or metrics.searches is None else ()))
            rows = {name: getattr(metrics, name) for name in names}
            rows |= {"searches": metrics.searches.taken} if metrics.searches is not None else {}
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
        case Search():
            rows = {"queries": sum(metrics.queries.values()), "judgements": metrics.judgements}
            if metrics.generated is not None:
                rows["generated_queries"] = sum(own.rows for own in metrics.generated.fidelity.values())
                rows["published_queries"] = metrics.generated.published
            if metrics.lists is not None:
                rows["search_lists"] = metrics.lists.rows
    return rows


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
    """`publish`, `hold` or `none`: what publish recorded, the gate where that has not run, or search alone."""
    for stage in DECIDING:
        if stage in stages and stages[stage].decision != "none":
            return stages[stage].decision
    return "none"


def reasons(stages: Stages) -> list[str]:
    """Why, in the words of the stage that decided."""
    for stage in DECIDING:
        if stage in stages and stages[stage].reasons:
            return list(stages[stage].reasons)
    return []


def beside(stages: Stages) -> bool:
    """Whether the night has a search beside what its decision is of."""
    return "search" in stages and any(stage in stages for stage in DECIDING[:-1])


def verdict(stages: Stages, date: dt.date, generators: Sequence[Series], order: Sequence[str]) -> str:
    """The decision in one sentence, without its reasons. order: the stages of the night."""
    counted = counts(stages)
    rows = counted.get("augmented", 0)
    queries = counted.get("published_queries", 0) if not beside(stages) else 0
    match decision(stages):
        case "publish" if rows:
            chosen = chosen_label(result_of(stages, Trial), generators)
            by = f" of the {chosen}" if chosen else ""
            return f"Published: {rows:,} generated rows{by} are the partition of {date}."
        case "publish" if queries:
            return f"Published: {queries:,} generated queries are those of {date}."
        case "publish":
            return f"The gate says publish; the partition of {date} is not written yet."
        case "hold":
            return f"Held: no generated {'rows' if 'publish' in order else 'queries'} for {date}."
    missing = [stage for stage in order[:-1] if stage not in stages]
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
    found = (
        f" They come from an approximate index, which found {percent(listed.recall)} of the best items of all."
        if listed.recall is not None
        else ""
    )
    return (
        f"Two items of a list differ by {listed.diversity:.2f} (1 - cosine of their embeddings; "
        f"{listed.diversity_by_score:.2f} in the order of the scores). Without the events that the first "
        f"recommendation names, its score falls by {faith.fall_reason:.2f}, without as many others by "
        f"{faith.fall_random:.2f}; the named ones weigh more for {percent(faith.larger, 0)} of "
        f"{faith.users:,} users.{found}"
    )
