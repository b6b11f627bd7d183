"""What lists make of the catalogue, from how often each scorer shows each item: scorer, item_index, n."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.evaluate.metrics import coverage, gini, novelty
from recaug.results import Catalogue, Interval


def catalogue_of(shown: pd.DataFrame, scorers: Sequence[str], events: NDArray[np.float32]) -> Catalogue:
    """Coverage, Gini and novelty of the lists, mean over the scorers. events: (n_items + 1,) of the train split."""
    share = (events / events.sum()).astype(np.float64)[1:]
    rows = []
    for scorer in scorers:
        own = shown[shown["scorer"] == scorer]
        counts = np.bincount(own["item_index"], weights=own["n"], minlength=len(events))[1:].astype(np.int64)
        rows.append((coverage(counts), gini(counts), novelty(counts, share)))
    covered, uneven, bits = np.mean(rows, axis=0).tolist()
    return Catalogue(coverage=covered, gini=uneven, novelty=bits)


def coverage_of(shown: pd.DataFrame, scorers: Sequence[str], n_items: int) -> Interval:
    """Share of the catalogue in some lists: mean, lowest and highest of the scorers."""
    shares = [int((shown["scorer"] == scorer).sum()) / n_items for scorer in scorers]
    return Interval(mean=float(np.mean(shares)), low=min(shares), high=max(shares))


def tail_share(shown: pd.DataFrame, scorers: Sequence[str], head: NDArray[np.bool_]) -> float:
    """Share of the places in some lists that items outside the head hold, of all scorers together; 0 without a list."""
    own = shown[shown["scorer"].isin(scorers)]
    tail = ~head[own["item_index"].to_numpy(dtype=np.int64)]
    return float(own["n"][tail].sum() / max(own["n"].sum(), 1))
