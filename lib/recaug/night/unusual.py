"""Figures of a night that are far from those of the last ones. Rows of a day: source.events.usual_rows."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import msgspec

from recaug.config import Alarms
from recaug.lake import runs
from recaug.night.context import Context
from recaug.results import ArmResult, Result, Trial

MAD = 1.4826  # from the median distance to the standard deviation of a normal distribution
LEAST_SHARE, LEAST = 0.05, 0.01  # of the median, and alone: nights that hardly differ are no reason to ring


class Usual(NamedTuple):
    """What is usual of a figure, from its last nights."""

    low: float
    high: float


def usual(values: Sequence[float], spreads: float) -> Usual:
    """Bounds by median and median absolute deviation, which one odd night hardly moves (Hampel 1974).

    >>> usual([0.10, 0.11, 0.10, 0.12, 0.90], spreads=2)
    Usual(low=0.08, high=0.14)
    """
    middle = median(values)
    spread = max(MAD * median(abs(value - middle) for value in values), LEAST_SHARE * abs(middle), LEAST)
    return Usual(round(middle - spreads * spread, 6), round(middle + spreads * spread, 6))


def _chosen(trial: Trial) -> ArmResult | None:
    return trial.arms[trial.chosen] if trial.chosen is not None else None


def _lift(trial: Trial) -> float | None:
    arm = _chosen(trial)
    return arm.lifts[trial.metric]["overall"].mean if arm is not None and arm.lifts else None


def _coverage(trial: Trial) -> float | None:
    arm = _chosen(trial)
    return arm.measured.catalogue.coverage if arm is not None else None


def _fidelity(trial: Trial) -> float | None:
    arm = _chosen(trial)
    return arm.fidelity.mean_fidelity if arm is not None and arm.fidelity is not None else None


FIGURES: Mapping[str, Mapping[str, Callable[[Any], float | None]]] = {
    "ingest": {"share of rows in quarantine": lambda came: came.quarantined / came.rows_in if came.rows_in else None},
    "evaluate": {"lift": _lift, "coverage of the lists": _coverage, "fidelity of the rows": _fidelity},
}


def with_warnings(context: Context, stage: str, metrics: Result) -> Result:
    """Add to a stage's metrics the warnings of what is far from the last nights."""
    if stage not in FIGURES:
        return metrics
    alarms = context.config.alarms
    before = [night.metrics for night in runs.before(context.lake.whole, context.date, stage, alarms.nights)]
    said = far(FIGURES[stage], metrics, before, alarms)
    already: tuple[str, ...] = getattr(metrics, "warnings", ())
    return msgspec.structs.replace(metrics, warnings=(*already, *said)) if said else metrics


def far(
    figures: Mapping[str, Callable[[Any], float | None]], now: Any, before: Sequence[Any], alarms: Alarms
) -> list[str]:
    """Say of each figure that is out of its bounds what is usual. before: metrics of the last nights."""
    said = []
    for name, read in figures.items():
        values = [value for night in before if (value := read(night)) is not None]
        value = read(now)
        if value is None or len(values) < alarms.at_least:
            continue
        bounds = usual(values, alarms.spreads)
        if not bounds.low <= value <= bounds.high:
            between = f"{bounds.low:.3f} to {bounds.high:.3f} is usual"
            said.append(f"{name}: {value:.3f} is far from the last {len(values)} nights, of which {between}")
    return said
