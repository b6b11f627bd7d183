"""The gate: publishes generated rows only when held-out real data prove that they help."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.config import Gate

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and the bounds of its bootstrap interval."""

    mean: float
    low: float
    high: float


def mean_intervals(tables: list[Floats], bootstraps: int, confidence: float, seed: int) -> list[Interval]:
    """Mean of each metric over seeds and users, resampling both; all under the same draws.

    tables: each (seeds, users), users alike in all; nan where a user has no value, and so does not count.
    """
    drawn = _resampled_means(tables, bootstraps, seed)
    return [
        _interval(float(np.nanmean(values)), means, confidence) for values, means in zip(tables, drawn, strict=True)
    ]


def relative_lift(base: Floats, arm: Floats, bootstraps: int, confidence: float, seed: int) -> Interval:
    """Relative lift mean(arm) / mean(base) - 1, paired: the same users and seeds are drawn for both.

    base, arm: (seeds, users) of a metric, seed by seed and user by user alike (Efron and Tibshirani 1993, chapter 8).
    A base of zero gives a lift of 0 with bounds -inf and inf: nothing is proved.

    >>> round(relative_lift(np.ones((2, 50)), np.full((2, 50), 1.1), 100, 0.95, 0).low, 6)
    0.1
    """
    if base.shape != arm.shape:
        raise ValueError(f"base has shape {base.shape}, arm {arm.shape}; the comparison is paired")
    if base.size == 0 or base.mean() == 0:
        return Interval(0.0, -np.inf, np.inf)
    below, above = _resampled_means([base, arm], bootstraps, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        lifts = np.where(below > 0, above / below - 1, np.inf)
    return _interval(float(arm.mean() / base.mean() - 1), lifts, confidence)


def _resampled_means(tables: list[Floats], bootstraps: int, seed: int) -> list[Floats]:
    """Mean of each (seeds, users) table under the same draws of seeds and of users, with replacement."""
    rng, users = np.random.default_rng(seed), tables[0].shape[1]
    known = [np.where(np.isnan(table), 0.0, 1.0) for table in tables]
    means = [np.empty(bootstraps) for _ in tables]
    step = max(1, 20_000_000 // users)  # draws whose weights are held at once
    for start in range(0, bootstraps, step):
        part = slice(start, min(start + step, bootstraps))
        drawn = [np.bincount(rng.integers(users, size=users), minlength=users) for _ in range(bootstraps)[part]]
        weights = np.stack(drawn).astype(np.float64)  # (draws, users)
        for table, present, found in zip(tables, known, means, strict=True):
            sums, counts = weights @ np.nan_to_num(table).T, weights @ present.T  # (draws, seeds)
            found[part] = (sums / np.maximum(counts, 1) * _seed_weights(len(table), bootstraps, seed)[part]).sum(axis=1)
    return means


def _seed_weights(seeds: int, bootstraps: int, seed: int) -> Floats:
    """Share of each seed in each draw of seeds with replacement: (bootstraps, seeds)."""
    return np.random.default_rng([seed, seeds]).multinomial(seeds, np.full(seeds, 1 / seeds), size=bootstraps) / seeds


def _interval(mean: float, draws: Floats, confidence: float) -> Interval:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean, float(low), float(high))


class Verdict(NamedTuple):
    """decision: `publish` or `hold`; reasons: what speaks for it, one sentence each."""

    decision: str
    reasons: tuple[str, ...]


def decide(arm: str, lift: Mapping[str, Interval], fidelity: Mapping[str, float], gate: Gate) -> Verdict:
    """Publish if the lift is proved overall, or for cold users without harm overall, and nothing collapsed.

    lift: `overall` and, where there are cold users, `cold`. fidelity: coverage, entropy_ratio, duplicates, copies, and
    ranking of a trained generator.
    """
    faults = [
        f"{what} {fidelity[key]:.3f} is {'below' if least else 'above'} {bound:g}"
        for key, what, bound, least in (
            ("ranking", "ranking of held-out users over the counts'", gate.min_ranking, True),
            ("coverage", "coverage of the catalogue", gate.min_coverage, True),
            ("entropy_ratio", "entropy over the real one", gate.min_entropy, True),
            ("duplicates", "share of duplicate histories", gate.max_duplicates, False),
            ("copies", "share of copied histories", gate.max_copies, False),
        )
        if key in fidelity and (fidelity[key] < bound if least else fidelity[key] > bound)
    ]
    overall, cold = lift["overall"], lift.get("cold")
    said = f"{arm}: {gate.metric} changes by {_percent(overall)} for all users"
    if cold is not None:
        said += f" and by {_percent(cold)} for cold users"
    if faults:
        return Verdict("hold", (*(f"{arm}: {fault}" for fault in faults), said))
    if overall.low > gate.min_lift:
        return Verdict("publish", (f"{said}; the lower bound for all users is above {gate.min_lift:+.1%}",))
    if cold is not None and cold.low > gate.min_lift and overall.low > -gate.max_harm:
        why = f"the lower bound for cold users is above {gate.min_lift:+.1%} and all users lose less than"
        return Verdict("publish", (f"{said}; {why} {gate.max_harm:.1%}",))
    return Verdict("hold", (f"{said}; no lower bound is above {gate.min_lift:+.1%}",))


def _percent(lift: Interval) -> str:
    return f"{lift.mean:+.1%} [{lift.low:+.1%}, {lift.high:+.1%}]"
