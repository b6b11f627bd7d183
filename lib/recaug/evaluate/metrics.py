"""Full-ranking metrics of top-k lists, one value a user; a user without a list counts with nothing found.

Each takes `hits`, (users, k) bool: whether the item at each rank is one of the user's targets, best rank first; and
`targets`, (users,) int: how many targets the user has (those outside the vocabulary too, which nobody can find).

The worked table of all of them, one user with 3 targets whose list of 5 holds two of them at ranks 1 and 4:

| rank | 1 | 2 | 3 | 4 | 5 |
|---|---|---|---|---|---|
| hit | 1 | 0 | 0 | 1 | 0 |
| 1 / log2(rank + 1) | 1 | .631 | .5 | .431 | .387 |
| precision at the rank | 1 | .5 | .333 | .5 | .4 |
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]


def hit_rate(hits: Hits, targets: Counts, k: int) -> Floats:
    """HR@k: 1 if any of the first k is a target.

    >>> hit_rate(np.array([[1, 0, 0, 1, 0]], bool), np.array([3]), 5)
    array([1.])
    """
    return hits[:, :k].any(axis=1).astype(np.float64)


def recall(hits: Hits, targets: Counts, k: int) -> Floats:
    """Recall@k: targets among the first k over all targets.

    >>> recall(np.array([[1, 0, 0, 1, 0]], bool), np.array([3]), 5).round(3)
    array([0.667])
    """
    return hits[:, :k].sum(axis=1) / targets


def discounts(k: int) -> Floats:
    """What a gain counts at each of the first k ranks: 1 / log2(rank + 1)."""
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def ndcg(hits: Hits, targets: Counts, k: int) -> Floats:
    """NDCG@k: sum of 1 / log2(rank + 1) over the hits, over that of the best list (Järvelin and Kekäläinen 2002).

    The best list of the worked table has hits at ranks 1 to 3: (1 + .431) / (1 + .631 + .5).

    >>> ndcg(np.array([[1, 0, 0, 1, 0]], bool), np.array([3]), 5).round(3)
    array([0.671])
    """
    k = min(k, hits.shape[1])
    discount = discounts(k)
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(targets, k)]
    gain: Floats = hits[:, :k] @ discount
    return gain / best


def mrr(hits: Hits, targets: Counts, k: int) -> Floats:
    """MRR@k: 1 / rank of the first hit, 0 without one.

    >>> mrr(np.array([[0, 1, 0, 1, 0]], bool), np.array([3]), 5)
    array([0.5])
    """
    first = hits[:, :k].argmax(axis=1)
    return np.where(hits[:, :k].any(axis=1), 1 / (first + 1), 0.0)


def average_precision(hits: Hits, targets: Counts, k: int) -> Floats:
    """AP@k, whose mean over users is MAP@k: mean over min(targets, k) of the precision at each hit's rank.

    (1 + .5) / 3 in the worked table.

    >>> average_precision(np.array([[1, 0, 0, 1, 0]], bool), np.array([3]), 5)
    array([0.5])
    """
    k = min(k, hits.shape[1])
    precision = np.cumsum(hits[:, :k], axis=1) / np.arange(1, k + 1)
    precisions: Floats = (precision * hits[:, :k]).sum(axis=1)
    return precisions / np.minimum(targets, k)


USER_METRICS = {
    "hr@10": (hit_rate, 10),
    "ndcg@10": (ndcg, 10),
    "recall@10": (recall, 10),
    "recall@20": (recall, 20),
    "mrr@10": (mrr, 10),
    "map@10": (average_precision, 10),
}


def coverage(exposures: Counts) -> float:
    """Share of the catalogue that anyone is shown. exposures: (items,) times each item is in a list.

    >>> coverage(np.array([5, 0, 1, 0]))
    0.5
    """
    return float((exposures > 0).mean())


def gini(exposures: Counts) -> float:
    """Gini index of the exposure: 0 if every item is shown alike, towards 1 if one item takes all.

    >>> round(gini(np.array([1, 1, 1, 1])), 3), round(gini(np.array([0, 0, 0, 4])), 3)
    (0.0, 0.75)
    """
    shown, n = np.sort(exposures).astype(np.float64), len(exposures)
    if shown.sum() == 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ shown / (n * shown.sum()))


def novelty(exposures: Counts, popularity: Floats) -> float:
    """Mean self-information of what is shown, -log2 p(item) in bits (Vargas and Castells 2011).

    exposures: (items,) times shown; popularity: (items,) share of the train events.

    >>> novelty(np.array([2, 2]), np.array([0.5, 0.25]))
    1.5
    """
    shown = exposures > 0
    if not shown.any():
        return 0.0
    bits = -np.log2(np.maximum(popularity[shown], 1e-12))
    return float(np.average(bits, weights=exposures[shown]))


def intra_list_diversity(vectors: Floats) -> Floats:
    """ILD: mean of 1 - cosine over the pairs of a list (Ziegler et al. 2005).

    vectors: (users, k, dim) of length one, k at least 2. Two alike and one at a right angle to both: (0 + 1 + 1) / 3.

    >>> intra_list_diversity(np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])).round(3)
    array([0.667])
    """
    k = vectors.shape[1]
    likeness = vectors @ vectors.transpose(0, 2, 1)
    pairs: Floats = (likeness.sum(axis=(1, 2)) - np.trace(likeness, axis1=1, axis2=2)) / (k * (k - 1))
    return 1 - pairs
