"""Means and lifts over units and seeds, with bootstrap intervals, from arrays and from tables of measured units.

A table of measured units has a row a unit, split and scorer: split, unit, scorer, a boolean column a slice of the
units, and a column a metric (nan where a unit has no value of it).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.results import Interval, Metric, Slice

Floats = NDArray[np.float64]
OVERALL = "overall"  # the slice of all units


class Bootstrap(NamedTuple):
    """Draws with replacement of units and seeds; confidence: of the interval; seed: of the draws.

    min_units: with a value; fewer have a mean without bounds.
    """

    draws: int
    confidence: float
    seed: int
    min_units: int = 1


def mean_intervals(
    tables: Sequence[Floats], draws: int, confidence: float, seed: int, min_units: int = 1
) -> list[Interval]:
    """Mean of each metric over seeds and units, resampling both; all under the same draws.

    tables: each (seeds, units), units alike in all; nan where a unit has no value, and so does not count. A draw
    without any unit that has a value is left out.
    """
    drawn = _resampled_means(tables, draws, seed)
    units = [int((~np.isnan(values)).any(axis=0).sum()) for values in tables]
    return [
        _interval(float(np.nanmean(values)), means if known >= min_units else means[:0], confidence)
        for values, means, known in zip(tables, drawn, units, strict=True)
    ]


def relative(base: Floats, arm: Floats) -> float:
    """Relative lift of the means, mean(arm) / mean(base) - 1; 0 where the base has none: nothing is proved.

    >>> round(relative(np.ones((2, 5)), np.full((2, 5), 1.5)), 6)
    0.5
    """
    if base.size == 0 or base.mean() == 0:
        return 0.0
    return float(arm.mean() / base.mean() - 1)


def relative_lift(base: Floats, arm: Floats, draws: int, confidence: float, seed: int, min_units: int = 1) -> Interval:
    """Relative lift mean(arm) / mean(base) - 1, paired: the same units and seeds are drawn for both.

    base, arm: (seeds, units) of a metric, seed by seed and unit by unit alike (Efron and Tibshirani 1993, chapter 8).
    A base of zero gives a lift of 0 without bounds: nothing is proved. A bound that draws of a base of zero leave open
    is none, and so are both of fewer than min_units units.
    Raises ValueError where the shapes differ.

    >>> round(relative_lift(np.ones((2, 50)), np.full((2, 50), 1.1), 100, 0.95, 0).low, 6)
    0.1
    """
    if base.shape != arm.shape:
        raise ValueError(f"base has shape {base.shape}, arm {arm.shape}; the comparison is paired")
    if base.size == 0 or base.mean() == 0:
        return Interval(mean=0.0)
    if base.shape[1] < min_units:
        return Interval(mean=relative(base, arm))
    below, above = _resampled_means([base, arm], draws, seed)
    lifts = np.full_like(below, np.inf)
    np.divide(above, below, out=lifts, where=below > 0)
    return _interval(relative(base, arm), lifts - 1, confidence)


def _resampled_means(tables: Sequence[Floats], bootstraps: int, seed: int) -> list[Floats]:
    """Mean of each (seeds, units) table under the same draws of seeds and of units, with replacement.

    nan where none of the drawn units has a value.
    """
    rng, units = np.random.default_rng(seed), tables[0].shape[1]
    known = [np.where(np.isnan(table), 0.0, 1.0) for table in tables]
    means = [np.empty(bootstraps) for _ in tables]
    step = max(1, 20_000_000 // units)  # draws whose weights are held at once
    for start in range(0, bootstraps, step):
        part = slice(start, min(start + step, bootstraps))
        drawn = [np.bincount(rng.integers(units, size=units), minlength=units) for _ in range(bootstraps)[part]]
        weights = np.stack(drawn).astype(np.float64)  # (draws, units)
        for table, present, mean in zip(tables, known, means, strict=True):
            sums, counts = weights @ np.nan_to_num(table).T, weights @ present.T  # (draws, seeds)
            of_seeds = _seed_weights(len(table), bootstraps, seed)[part]
            mean[part] = (sums / np.maximum(counts, 1) * of_seeds).sum(axis=1)
            mean[part][(counts == 0).any(axis=1)] = np.nan
    return means


def _seed_weights(seeds: int, bootstraps: int, seed: int) -> Floats:
    """Share of each seed in each draw of seeds with replacement: (bootstraps, seeds)."""
    return np.random.default_rng([seed, seeds]).multinomial(seeds, np.full(seeds, 1 / seeds), size=bootstraps) / seeds


def _interval(mean: float, draws: Floats, confidence: float) -> Interval:
    """Percentile interval of the draws that have a value; no bound where there is none, or beyond what is finite."""
    known = draws[~np.isnan(draws)]
    low, high = (_quantile(known, (1 + side * confidence) / 2) for side in (-1, 1))
    return Interval(mean=mean, low=low, high=high)


def _quantile(draws: Floats, share: float) -> float | None:
    """Quantile between two draws; None where one of them is infinite, or there is no draw."""
    ends = [np.quantile(draws, share, method=method) for method in ("lower", "higher")] if len(draws) else [np.inf]
    return float(np.quantile(draws, share)) if np.isfinite(ends).all() else None


def values(table: pd.DataFrame, scorers: Sequence[str], metric: Metric) -> Floats:
    """One metric of the scorers of a table: (scorers, units), units in the same order for each."""
    by_scorer = table.pivot(index="unit", columns="scorer", values=metric)
    return by_scorer[list(scorers)].to_numpy(dtype=np.float64).T


def sliced(table: pd.DataFrame, slices: Iterable[Slice]) -> dict[Slice, pd.DataFrame]:
    """Cut a table into all units and each slice of them; a slice without units is left out."""
    parts = {OVERALL: table} | {name: table[table[name].astype(bool)] for name in slices}
    return {name: part for name, part in parts.items() if len(part)}


def summaries(
    table: pd.DataFrame,
    scorers: Mapping[str, Sequence[str]],
    slices: Sequence[Slice],
    metrics: Sequence[Metric],
    bootstrap: Bootstrap,
) -> dict[str, dict[Slice, dict[Metric, Interval]]]:
    """Mean and interval of every metric, by name and slice of units; nothing where no unit has a value.

    scorers: name -> its scorers in the table of one split, a seed each.
    """
    means: dict[str, dict[Slice, dict[Metric, Interval]]] = {name: {} for name in scorers}
    for slice_, part in sliced(table, slices).items():
        by_metric = {metric: part.pivot(index="unit", columns="scorer", values=metric) for metric in metrics}
        cells = {
            (name, metric): by_metric[metric][list(own)].to_numpy(dtype=np.float64).T
            for name, own in scorers.items()
            for metric in metrics
        }
        known = {cell: numbers for cell, numbers in cells.items() if not np.isnan(numbers).all()}
        intervals = mean_intervals(list(known.values()), *bootstrap) if known else []
        for (name, metric), interval in zip(known, intervals, strict=True):
            means[name].setdefault(slice_, {})[metric] = interval
    return means


def lifts(
    table: pd.DataFrame,
    base: Sequence[str],
    scorers: Sequence[str],
    metric: Metric,
    slices: Sequence[Slice],
    bootstrap: Bootstrap,
) -> dict[Slice, Interval]:
    """Relative lift of some scorers of a split's table over others, seed by seed, by slice of units."""
    return {
        slice_: relative_lift(below, above, *bootstrap)
        for slice_, part in sliced(table, slices).items()
        for below, above in [_paired(part, base, scorers, metric)]
    }


def lift_gap(
    table: pd.DataFrame,
    base: Sequence[str],
    scorers: Sequence[str],
    metric: Metric,
    slices: tuple[Slice, Slice],
    bootstrap: Bootstrap,
) -> Interval | None:
    """Relative lift of the first slice's units less that of the second's.

    The units of each slice are drawn by themselves, the seeds for both alike. None where a slice has no unit, or the
    base finds nothing for it; a bound that draws of a base of zero leave open is none, as of a lift.
    """
    parts = sliced(table, slices)
    if any(name not in parts for name in slices):
        return None
    pairs = [_paired(parts[name], base, scorers, metric) for name in slices]
    if any(below.size == 0 or below.mean() == 0 for below, _ in pairs):
        return None
    mean = relative(*pairs[0]) - relative(*pairs[1])
    if min(below.shape[1] for below, _ in pairs) < bootstrap.min_units:
        return Interval(mean=mean)
    drawn = []
    for below, above in (_resampled_means(pair, bootstrap.draws, bootstrap.seed) for pair in pairs):
        lifted = np.full_like(below, np.inf)
        np.divide(above, below, out=lifted, where=below > 0)
        drawn.append(lifted)
    with np.errstate(invalid="ignore"):  # where neither has a base
        differences = drawn[0] - drawn[1]
    # A draw without a base on either side lies at both ends: it may be anything.
    low, high = (np.where(np.isnan(differences), end, differences) for end in (-np.inf, np.inf))
    share = (1 - bootstrap.confidence) / 2
    return Interval(mean=mean, low=_quantile(low, share), high=_quantile(high, 1 - share))


def mean_lifts(
    table: pd.DataFrame, base: Sequence[str], scorers: Sequence[str], metric: Metric, slices: Sequence[Slice]
) -> dict[Slice, float]:
    """The same without bounds, which take longer."""
    return {slice_: relative(*_paired(part, base, scorers, metric)) for slice_, part in sliced(table, slices).items()}


def _paired(table: pd.DataFrame, base: Sequence[str], scorers: Sequence[str], metric: Metric) -> tuple[Floats, Floats]:
    """Values of both for the units that have one: some have no target of the metric's kind."""
    below, above = values(table, base, metric), values(table, scorers, metric)
    measured = ~np.isnan(below[0])
    return below[:, measured], above[:, measured]
