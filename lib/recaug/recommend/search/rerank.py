"""The first of a blend's list in the order of boosted trees, which see how query and item match."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from recaug.config import Reranker
from recaug.recommend.search.blend import Blend, Candidates, candidates, ordered
from recaug.recommend.search.catalogue import Catalogue
from recaug.recommend.search.matches import matches
from recaug.recommend.search.ranker import Blocks, Floats, Lists

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reranked:
    """A blend, the first `depth` items of which are put in order by what trees say and keep times its own score.

    popularity: (n_items,), sums of the train queries' gains. An item is looked at beside the others of its list, so
    its lists are its own.
    """

    blend: Blend
    catalogue: Catalogue
    language: str
    popularity: Floats
    settings: Reranker
    trees: HistGradientBoostingRegressor | None = None
    keep: float = 1.0
    name: str = "reranked"

    @property
    def n_items(self) -> int:
        """Of the catalogue."""
        return self.blend.n_items

    def read(self, queries: Sequence[str]) -> list[object]:
        """As the blend."""
        return self.blend.read(queries)

    def scores(self, read: list[object], start: int, stop: int) -> Floats:
        """As the blend, before the trees."""
        return self.blend.scores(read, start, stop)

    def lists(self, queries: Sequence[str], k: int, blocks: Blocks) -> Lists:
        """Give the k best of the first `depth` items for each query."""
        looked = self.first(queries, max(k, self.settings.depth))
        total = self.total(looked, self.told(queries, looked), self.keep)
        scores = -np.sort(-np.where(looked.items < 0, 0, total), axis=1)[:, :k]
        scores = np.pad(scores, ((0, 0), (0, k - scores.shape[1])))
        return Lists(ordered(looked.items, total, k), scores.astype(np.float32))

    def first(self, queries: Sequence[str], depth: int) -> Candidates:
        """The first `depth` items of the blend, best first, and what every part says of them."""
        looked = candidates(self.blend.parts, queries, depth)
        blended = self.blended(looked)
        known = np.where((looked.items < 0) | (blended <= 0), -np.inf, blended)
        order = np.argsort(-known, axis=1, kind="stable")[:, :depth]
        scores = np.take_along_axis(looked.scores, order[None].repeat(len(looked.scores), axis=0), axis=2)
        listed = np.isfinite(np.take_along_axis(known, order, axis=1))
        return Candidates(np.where(listed, np.take_along_axis(looked.items, order, axis=1), -1), scores)

    def blended(self, looked: Candidates) -> Numbers:
        """The blend's scores of candidates."""
        return np.tensordot(np.array(self.blend.weights, np.float64), looked.scores, axes=1)

    def told(self, queries: Sequence[str], looked: Candidates) -> Numbers:
        """What the trees say: the gain that they expect of each candidate, as a share of the highest."""
        if self.trees is None or not looked.items.size:
            return np.zeros(looked.items.shape)
        features = self.features(queries, looked)
        told: Numbers = self.trees.predict(features.reshape(-1, features.shape[2]))
        return told.reshape(looked.items.shape)

    def total(self, looked: Candidates, told: Numbers, keep: float) -> Numbers:
        """What the order is by, above 0 for every candidate."""
        total = told + keep * self.blended(looked)
        return total - total.min(axis=1, keepdims=True) + 1e-6 if total.size else total

    def features(self, queries: Sequence[str], looked: Candidates) -> Floats:
        """What the trees see of each candidate: (queries, depth, features).

        The scores of all parts and of the blend, each also below the highest of the list; the place; the popularity;
        and `matches` of the words.
        """
        scores = np.concatenate([looked.scores, self.blended(looked)[None]]).transpose(1, 2, 0)
        below = scores - scores.max(axis=1, keepdims=True)
        place = np.broadcast_to(np.arange(looked.items.shape[1])[None, :, None], (*looked.items.shape, 1))
        popular = np.log1p(self.popularity[np.maximum(looked.items, 0)])[:, :, None]
        words = matches(queries, looked.items, self.catalogue, self.language)
        return np.concatenate([scores, below, place, popular, words], axis=2).astype(np.float32)

    def grown(self, features: Floats, gains: Numbers, seed: int) -> "Reranked":
        """Grow the trees. features: (pairs, features); gains: (pairs,), 0 to 1."""
        trees = HistGradientBoostingRegressor(
            max_iter=self.settings.trees,
            learning_rate=self.settings.learning_rate,
            max_leaf_nodes=self.settings.leaves,
            min_samples_leaf=self.settings.min_leaf_pairs,
            early_stopping=False,
            random_state=seed,
        ).fit(features, gains)
        return replace(self, trees=trees)
