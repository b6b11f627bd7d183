"""The re-ranker of search: grown on the validation queries, of which no tower and no count has learnt."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from recaug.clickstream.splits import SPLITS
from recaug.config import Reranker
from recaug.evaluate.gate import best
from recaug.evaluate.search_metrics import NDCG, Judged, listed_gains, measured
from recaug.generators.query_inputs import LOGGED
from recaug.night.context import Context
from recaug.night.search.data import SearchData
from recaug.recommend.search.blend import Blend, Candidates, ordered
from recaug.recommend.search.ranker import Floats
from recaug.recommend.search.rerank import Reranked

FOLDS = 5  # of the validation queries
LENGTH = 50
Predicted = NDArray[np.float64]


def fit_reranker(
    context: Context, data: SearchData, blend: Blend, settings: Reranker, judged: Judged
) -> tuple[Reranked, str, dict[str, float]]:
    """Grow the trees and choose how much the blend's own score counts.

    Each validation query is told by trees that have not seen it, so that `keep` is chosen fairly. Returns the ranker,
    the label of what was chosen, and NDCG@10 by label.
    """
    language = context.config.search_ranking.language
    ranker = Reranked(blend, data.catalogue, language, popularity(data), settings)
    looked = ranker.first(judged.texts, settings.depth)
    features = ranker.features(judged.texts, looked)
    gains = listed_gains(looked.items, judged.gains) / judged.gains.max()
    told = _left_out(ranker, features, gains, looked, context.config.seed)
    tried = {f"keep {keep:g}": keep for keep in settings.keep}
    validation = {
        name: _ndcg(ordered(looked.items, ranker.total(looked, told, keep), LENGTH), judged)
        for name, keep in tried.items()
    }
    settled = best(validation)
    known = looked.items >= 0
    grown = ranker.grown(features[known], gains[known], context.config.seed)
    return replace(grown, keep=tried[settled]), settled, validation


def regrow(ranker: Reranked, data: SearchData, seed: int) -> Reranked:
    """Grow the trees on the queries of validation and test, of which the ranker's towers have not learnt."""
    features, gains = [], []
    for split in SPLITS[1:]:
        judged = data.judged(split)
        looked = ranker.first(judged.texts, ranker.settings.depth)
        known = looked.items >= 0
        features.append(ranker.features(judged.texts, looked)[known])
        gains.append((listed_gains(looked.items, judged.gains) / judged.gains.max())[known])
    return ranker.grown(np.concatenate(features), np.concatenate(gains), seed)


def popularity(data: SearchData) -> Floats:
    """Sum of the train queries' gains of each item, (n_items,), where searches were logged; else 0.

    Who grades judges each item for one query or two: that it was graded for a train query tells that it answers none of
    the others, which no shop's catalogue would.
    """
    return _sums(data.of_split(SPLITS[0]), len(data.catalogue))


def popularity_of_all(data: SearchData) -> Floats:
    """The same of all queries, as much in all as of the train queries: the trees know no other scale."""
    known, own = _sums(data.judgements, len(data.catalogue)), popularity(data)
    return known * np.float32(own.sum() / max(known.sum(), 1e-9))


def _sums(rows: pd.DataFrame, n_items: int) -> Floats:
    logged = rows[rows["source"].isin(LOGGED)]
    return np.bincount(logged["item_index"], logged["gain"], n_items).astype(np.float32)


def _left_out(ranker: Reranked, features: Floats, gains: Predicted, looked: Candidates, seed: int) -> Predicted:
    """What trees say of each query's candidates that were grown on other queries."""
    told, known = np.zeros(gains.shape), looked.items >= 0
    rows = np.arange(len(gains))
    for learn, ask in GroupKFold(min(FOLDS, len(rows))).split(rows, groups=rows):
        grown = ranker.grown(features[learn][known[learn]], gains[learn][known[learn]], seed)
        assert grown.trees is not None
        told[ask] = grown.trees.predict(features[ask].reshape(-1, features.shape[2])).reshape(told[ask].shape)
    return told


def _ndcg(items: NDArray[np.int64], judged: Judged) -> float:
    return float(measured("reranked", items, judged)[NDCG].mean())
