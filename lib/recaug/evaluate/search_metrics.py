"""Metrics of search over graded gains: one value a query, in a table of measured units (see sums.py)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recaug.evaluate.metrics import discounts

Floats = NDArray[np.float64]
Items = NDArray[np.int64]
NDCG, RECALL, MRR = "ndcg@10", "recall@50", "mrr@50"
RECALL_NEW, RECALL_KNOWN = "recall@50 new items", "recall@50 known items"
METRICS = (NDCG, RECALL, MRR, RECALL_NEW, RECALL_KNOWN)
DEPTH = 50  # of a list that is measured


class Judged(NamedTuple):
    """The queries of a split, and what the items are worth to each.

    gains: (queries, items), what is not judged 0. new: (items,), whether no train query has a gain of it. slices:
    boolean (queries,) by name.
    """

    split: str
    texts: list[str]
    gains: csr_matrix
    new: NDArray[np.bool_]
    slices: Mapping[str, NDArray[np.bool_]]


def listed_gains(items: Items, gains: csr_matrix) -> Floats:
    """Look up what each listed item is worth to its query; -1, for no item, is worth nothing. Returns (queries, k)."""
    rows = np.repeat(np.arange(len(items)), items.shape[1])
    looked = np.asarray(gains[rows, np.maximum(items, 0).ravel()], dtype=np.float64).reshape(items.shape)
    return np.where(items < 0, 0.0, looked)


def graded_ndcg(listed: Floats, ideal: Floats, k: int) -> Floats:
    """NDCG@k with linear gains: sum of gain / log2(rank + 1) over the best list's (Järvelin and Kekäläinen 2002).

    listed: (queries, n) gains of the listed items, best rank first; ideal: (queries, k) the highest gains there are,
    falling. nan where there is no gain at all. One query whose items are worth 2 and 1, of which the list has the
    second at rank 1 and the first at rank 3: (1 + 2 / 2) / (2 + 1 / 1.585).

    >>> graded_ndcg(np.array([[1.0, 0.0, 2.0]]), np.array([[2.0, 1.0, 0.0]]), 3).round(3)
    array([0.76])
    """
    discount = discounts(k)
    best = ideal[:, :k] @ discount[: ideal.shape[1]]
    gained = listed[:, :k] @ discount[: listed.shape[1]]
    return np.divide(gained, best, out=np.full(len(best), np.nan), where=best > 0)


def highest_gains(gains: csr_matrix, k: int) -> Floats:
    """Give the k highest gains of each query, falling; 0 where there are fewer."""
    highest = np.zeros((gains.shape[0], k))
    for row, (start, stop) in enumerate(zip(gains.indptr[:-1], gains.indptr[1:], strict=True)):
        own = np.sort(gains.data[start:stop])[::-1][:k]
        highest[row, : len(own)] = own
    return highest


def measured(name: str, items: Items, judged: Judged) -> pd.DataFrame:
    """Measure a ranker's lists: a row a query, columns unit, split, scorer, METRICS and the slices.

    items: (queries, at least DEPTH), best first. Recall counts every item with a gain above 0; `recall@50 new items`
    those of them that no train query has, `recall@50 known items` the others; nan where a query has none.
    """
    listed = listed_gains(items[:, :DEPTH], judged.gains)
    worth = judged.gains > 0
    hits = listed > 0
    new_hits = hits & judged.new[np.maximum(items[:, :DEPTH], 0)]
    first = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    n_worth = np.asarray(worth.sum(axis=1)).ravel()
    n_new = np.asarray(worth @ judged.new.astype(np.float64)).ravel()
    columns = {
        NDCG: graded_ndcg(listed, highest_gains(judged.gains, 10), 10),
        RECALL: _share(hits.sum(axis=1), n_worth),
        MRR: np.where(n_worth > 0, first, np.nan),
        RECALL_NEW: _share(new_hits.sum(axis=1), n_new),
        RECALL_KNOWN: _share((hits & ~new_hits).sum(axis=1), n_worth - n_new),
    }
    units = {"unit": np.arange(len(items)), "split": judged.split, "scorer": name}
    table = pd.DataFrame({**units, **columns, **judged.slices})
    return table[n_worth > 0].reset_index(drop=True)


def _share(part: NDArray[np.int64], whole: NDArray[np.float64]) -> Floats:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
