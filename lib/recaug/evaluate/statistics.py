"""Means and lifts over units and seeds, with bootstrap intervals, from sums of measured units (see sums.py).

Units are resampled by a Poisson bootstrap (see draws.py), with the same draws for every scorer, so that comparisons are
paired; seeds are drawn with replacement, the same for each name of as many.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recaug.evaluate.sums import Drawn, Floats, Sums
from recaug.results import Interval, Metric, Slice


class Bounds(NamedTuple):
    """confidence: of an interval. min_units: with a value; fewer have a mean without bounds."""

    confidence: float
    min_units: int = 1


def mean_interval(drawn: Drawn, bounds: Bounds) -> Interval:
    """Mean over seeds and units that have a value; a draw without any is left out."""
    means = _drawn_means(drawn)
    return _interval(drawn.mean, means if drawn.units >= bounds.min_units else means[:0], bounds.confidence)


def relative(base: Drawn, arm: Drawn) -> float:
    """Relative lift of the means, mean(arm) / mean(base) - 1; 0 where the base has none: nothing is proved."""
    return arm.mean / base.mean - 1 if base.units and base.mean else 0.0


def relative_lift(base: Drawn, arm: Drawn, bounds: Bounds) -> Interval:
    """Relative lift mean(arm) / mean(base) - 1, paired: the same units and seeds are drawn for both.

    base, arm: of the same slice, seed by seed alike (Efron and Tibshirani 1993, chapter 8).
    A base of zero gives a lift of 0 without bounds: nothing is proved. A bound that draws of a base of zero leave open
    is none, and so are both of fewer than min_units units.
    Raises ValueError where the seeds are not as many, or the units with a value not the same.
    """
    if base.counts.shape != arm.counts.shape or (np.stack([base.counts, arm.counts]) != base.counts[0]).any():
        base_of, arm_of = (f"{len(part.counts)} seeds of {part.units} units" for part in (base, arm))
        raise ValueError(f"base has {base_of}, arm {arm_of}, not of the same; the comparison is paired")
    mean = relative(base, arm)
    if not base.units or not base.mean or base.units < bounds.min_units:
        return Interval(mean=mean)
    return _interval(mean, _drawn_lifts(base, arm), bounds.confidence)


def lift_gap(
    sums: Sums,
    base: Sequence[str],
    scorers: Sequence[str],
    metric: Metric,
    slices: tuple[Slice, Slice],
    bounds: Bounds,
) -> Interval | None:
    """Relative lift of the first slice's units less that of the second's.

    The units of each slice are drawn by themselves, the seeds for both alike. None where a slice has no unit, or the
    base finds nothing for it; a bound that draws of a base of zero leave open is none, as of a lift.
    """
    pairs = [(sums.drawn(base, metric, name), sums.drawn(scorers, metric, name)) for name in slices]
    if any(not below.units or not below.mean for below, _ in pairs):
        return None
    mean = relative(*pairs[0]) - relative(*pairs[1])
    if min(below.units for below, _ in pairs) < bounds.min_units:
        return Interval(mean=mean)
    first, second = (_drawn_lifts(*pair) for pair in pairs)
    drawn = ~(np.isnan(first) | np.isnan(second))
    with np.errstate(invalid="ignore"):  # where neither has a base
        differences = (first - second)[drawn]
    # A draw without a base on either side lies at both ends: it may be anything.
    low, high = (np.where(np.isnan(differences), end, differences) for end in (-np.inf, np.inf))
    share = (1 - bounds.confidence) / 2
    return Interval(mean=mean, low=_quantile(low, share), high=_quantile(high, 1 - share))


def _drawn_means(drawn: Drawn) -> Floats:
    """Mean over seeds and units in each draw of both: (draws,), nan where none of the drawn units has a value."""
    means = drawn.by_draw
    seeds, draws = means.shape
    weighted: Floats = means * _seed_weights(seeds, draws, drawn.seed).T
    return weighted.sum(axis=0)


def _drawn_lifts(base: Drawn, arm: Drawn) -> Floats:
    """Relative lift in each draw: (draws,), infinite where the base is zero, nan where no unit is drawn."""
    below, above = _drawn_means(base), _drawn_means(arm)
    lifts: Floats = np.where(np.isnan(below), np.nan, np.inf)
    np.divide(above, below, out=lifts, where=below > 0)
    return lifts - 1


def _seed_weights(seeds: int, draws: int, seed: int) -> Floats:
    """Share of each seed in each draw of seeds with replacement: (draws, seeds)."""
    return np.random.default_rng([seed, seeds]).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds


def _interval(mean: float, draws: Floats, confidence: float) -> Interval:
    """Percentile interval of the draws that have a value; no bound where there is none, or beyond what is finite."""
    known = draws[~np.isnan(draws)]
    low, high = (_quantile(known, (1 + side * confidence) / 2) for side in (-1, 1))
    return Interval(mean=mean, low=low, high=high)


def _quantile(draws: Floats, share: float) -> float | None:
    """Quantile between two draws; None where one of them is infinite, or there is no draw."""
    ends = [np.quantile(draws, share, method=method) for method in ("lower", "higher")] if len(draws) else [np.inf]
    return float(np.quantile(draws, share)) if np.isfinite(ends).all() else None


def summaries(
    sums: Sums, scorers: Mapping[str, Sequence[str]], metrics: Sequence[Metric], bounds: Bounds
) -> dict[str, dict[Slice, dict[Metric, Interval]]]:
    """Mean and interval of every metric, by name and slice of units; nothing where no unit has a value.

    scorers: name -> its scorers, a seed each.
    """
    means: dict[str, dict[Slice, dict[Metric, Interval]]] = {name: {} for name in scorers}
    for name, own in scorers.items():
        for slice_ in sums.slices:
            cells = {metric: sums.drawn(own, metric, slice_) for metric in metrics}
            known = {metric: mean_interval(cell, bounds) for metric, cell in cells.items() if cell.units}
            if known:
                means[name][slice_] = known
    return means


def lifts(
    sums: Sums, base: Sequence[str], scorers: Sequence[str], metric: Metric, bounds: Bounds
) -> dict[Slice, Interval]:
    """Relative lift of some scorers over others, seed by seed, by slice that has units."""
    return {
        slice_: relative_lift(sums.drawn(base, metric, slice_), sums.drawn(scorers, metric, slice_), bounds)
        for slice_ in sums.slices
    }


def mean_lifts(sums: Sums, base: Sequence[str], scorers: Sequence[str], metric: Metric) -> dict[Slice, float]:
    """The same without bounds."""
    return {
        slice_: relative(sums.drawn(base, metric, slice_), sums.drawn(scorers, metric, slice_))
        for slice_ in sums.slices
    }
