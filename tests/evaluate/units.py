"""Measured units from arrays of (seeds, units)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.evaluate.draws import Draws
from recaug.evaluate.statistics import Bounds, relative_lift
from recaug.evaluate.sums import Axes, Drawn, Sums
from recaug.results import Interval

Floats = NDArray[np.float64]
METRIC = "ndcg@10"


def seed_names(name: str, seeds: int) -> list[str]:
    return [f"{name}-seed{seed}" for seed in range(seeds)]


def units_of(arrays: Mapping[str, Floats]) -> pd.DataFrame:
    """Rows of the arrays' units, numbered from 0. arrays: name -> (seeds, units) of the metric."""
    return pd.concat(
        [
            pd.DataFrame({"unit": np.arange(len(row)), "scorer": scorer, METRIC: row})
            for name, values in arrays.items()
            for scorer, row in zip(seed_names(name, len(values)), values, strict=True)
        ],
        ignore_index=True,
    )


def drawn_of(arrays: Mapping[str, Floats], draws: Draws) -> dict[str, Drawn]:
    """What sums say of each name."""
    table = units_of(arrays)
    sums = Sums.of(table, Axes(tuple(table["scorer"].unique()), (), (METRIC,)), draws)
    return {name: sums.drawn(seed_names(name, len(values)), METRIC) for name, values in arrays.items()}


def lift_of(base: Floats, arm: Floats, draws: Draws, bounds: Bounds) -> Interval:
    """Relative lift of arrays."""
    drawn = drawn_of({"base": base, "arm": arm}, draws)
    return relative_lift(drawn["base"], drawn["arm"], bounds)
