"""Tables of what a trial measured: each arm and baseline by slice, and whose items their lists show."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import stdev
from typing import NamedTuple

from recaug.evaluate.arms import NONE
from recaug.report import numbers
from recaug.report.series import Series, arm_looks, arm_title
from recaug.results import ArmResult, Interval, Measured, Trial

CATALOGUE = "catalogue"
SLICES = {
    "overall": "All users",
    "cold": "Cold users",
    "warm": "Warm users",
    CATALOGUE: "The catalogue in everybody's lists",
}
METRICS = {
    "hr@10": "HR@10",
    "ndcg@10": "NDCG@10",
    "recall@20": "Recall@20",
    "recall@20 head": "Recall@20, head",
    "recall@20 tail": "Recall@20, tail",
    "recall@20 rare": "Recall@20, rare",
    "ndcg@10 rare": "NDCG@10, rare",
    "ndcg@10 new": "NDCG@10, new",
    "mrr@10": "MRR@10",
    "map@10": "MAP@10",
    "coverage@10": "Coverage@10",
    "novelty@10": "Novelty@10, bits",
    "gini@10": "Gini@10",
}
LOWER_IS_BETTER = frozenset({"gini@10"})
SPLITS = {
    "time": "windows of time",
    "leave_one_out": "leave-one-out",
    "share": "a share of each user's events held out",
    "users": "held-out users, part of their history folded in",
}
BASELINES = {"popularity": "popularity", "covisitation": "co-visitation", "content": "content-based"}


class Cell(NamedTuple):
    """A metric and its interval, without bounds where there is none; best: of its column."""

    mean: float
    low: float | None
    high: float | None
    best: bool


class Row(NamedTuple):
    """An arm or baseline; a cell is None where nothing was measured."""

    label: str
    cells: list[Cell | None]


class MetricTable(NamedTuple):
    """One slice. users: in it, None for the catalogue. metrics: labels of the columns."""

    slice: str
    users: int | None
    metrics: list[str]
    rows: list[Row]


class Shares(NamedTuple):
    """Shares of the places in an arm's lists, by slice."""

    label: str
    shares: list[float]


class Exposure(NamedTuple):
    """Whose items are shown to whom. columns: labels of slices; real: the share of the train events."""

    columns: list[str]
    rows: list[Shares]
    real: float


def arms_in_order(trial: Trial, generators: Sequence[Series]) -> list[ArmResult]:
    """The arms in the order of the page, the one without generated rows first."""
    return [trial.arms[name] for name in arm_looks((result.arm for result in trial.arms.values()), generators)]


def metric_table(trial: Trial | None, part: str, generators: Sequence[Series]) -> MetricTable | None:
    """The arms, the baselines and the mixtures of one slice, or the catalogue; None where nothing was measured."""
    if trial is None:
        return None
    measured = [(label, values) for label, lists in _compared(trial, generators) if (values := _values(lists, part))]
    metrics = [metric for metric in METRICS if any(metric in values for _, values in measured)]
    if not metrics:
        return None
    best = {metric: _best(metric, [values for _, values in measured]) for metric in metrics}
    rows = [Row(label, [_cell(values.get(metric), best[metric]) for metric in metrics]) for label, values in measured]
    return MetricTable(SLICES[part], trial.units.get(part), [METRICS[metric] for metric in metrics], rows)


def _compared(trial: Trial, generators: Sequence[Series]) -> list[tuple[str, Measured]]:
    """All that stands in the table, each with what a reader calls it."""
    arms = [(arm_title(result.arm, generators), result) for result in arms_in_order(trial, generators)]
    baselines = [*(name for name in BASELINES if name in trial.baselines), *sorted(trial.baselines.keys() - BASELINES)]
    return [
        *((title, result.measured) for title, result in arms),
        *((BASELINES.get(name, name), trial.baselines[name]) for name in baselines),
        *((f"{title}, blended with co-visitation", result.blend) for title, result in arms if result.blend is not None),
    ]


def _values(measured: Measured, part: str) -> dict[str, Interval]:
    """Metric -> value, of a slice of users or of the catalogue."""
    if part != CATALOGUE:
        return measured.measures.get(part, {})
    catalogue = measured.catalogue
    values = {"coverage@10": catalogue.coverage, "novelty@10": catalogue.novelty, "gini@10": catalogue.gini}
    return {metric: Interval(mean=value) for metric, value in values.items()}


def _best(metric: str, measured: Iterable[Mapping[str, Interval]]) -> float:
    means = [values[metric].mean for values in measured if metric in values]
    return min(means) if metric in LOWER_IS_BETTER else max(means)


def _cell(value: Interval | None, best: float) -> Cell | None:
    return None if value is None else Cell(value.mean, value.low, value.high, value.mean == best)


class SeedRow(NamedTuple):
    """An arm's trainings, the gate's metric of each. deviation: over them, of a sample."""

    label: str
    means: list[float]
    deviation: float


def by_seed(trial: Trial | None, generators: Sequence[Series]) -> list[SeedRow]:
    """The arms that were trained more than once."""
    results = arms_in_order(trial, generators) if trial is not None else []
    return [
        SeedRow(arm_title(result.arm, generators), result.by_seed, stdev(result.by_seed))
        for result in results
        if len(result.by_seed) > 1
    ]


class GroupRow(NamedTuple):
    """A group beside all others. lift, gap: with their intervals. shares: see Group.exposure, real first."""

    label: str
    units: int
    lift: str
    gap: str
    shares: tuple[float | None, ...]


def groups(trial: Trial | None) -> list[GroupRow]:
    """The groups of evaluate.fairness, in their order."""
    return [
        GroupRow(
            f"{group.attribute} {group.value}",
            group.units,
            _change(group.lift),
            _change(group.gap),
            tuple(group.exposure.get(of) for of in ("real", "base", "arm")),
        )
        for group in (trial.groups if trial is not None else ())
    ]


def _change(lift: Interval | None) -> str:
    return "" if lift is None else numbers.change(lift)


def exposure(trial: Trial | None, generators: Sequence[Series]) -> Exposure | None:
    """Share of the places in each arm's lists that items outside the head hold; None where nothing was shown."""
    if trial is None or NONE not in trial.arms or not trial.arms[NONE].measured.exposure:
        return None
    parts = [part for part in SLICES if part in trial.arms[NONE].measured.exposure]
    rows = [
        Shares(arm_title(result.arm, generators), [result.measured.exposure[part] for part in parts])
        for result in arms_in_order(trial, generators)
    ]
    return Exposure([SLICES[part] for part in parts], rows, trial.tail_share)
