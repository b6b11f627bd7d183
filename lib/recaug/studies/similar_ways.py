"""What a look-up of similar items is held against: popularity, chance, the same attribute, content and counts."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import functions as F

from recaug.clickstream.terms import item_terms
from recaug.evaluate.look_up import WAY, Way
from recaug.night.context import Context
from recaug.recommend.index import Exact
from recaug.recommend.similar import LookUp
from recaug.training.inputs import neighbours

NONE = -1


def ways_of(context: Context, look_up: LookUp, warm: int) -> dict[str, Way]:
    """Every way of finding items for an item, by name. warm: items of the vocabulary, which come first, by popularity.

    random: of the whole catalogue. popularity: the most frequent items of the train events. same <attribute>: of each
    categorical one, the most frequent items with the same value. content: cosine of the catalogue's words and
    attributes. counts: what users had together in the train events, then the most frequent.
    """
    n, seed = len(look_up.item_ids), context.config.seed

    def latents(rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        return look_up.nearest(rows, k).places

    def by_chance(rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        return np.random.default_rng(seed).integers(0, n, (len(rows), k))

    ways: dict[str, Way] = {WAY: latents, "random": by_chance, "popularity": popular}
    catalogue = context.lake.read("items")
    ids = pd.DataFrame({"item_id": look_up.item_ids, "item_index": np.arange(1, n + 1)})
    numbered = context.spark.createDataFrame(ids)
    source = context.config.source.items
    for name in source.categorical if source is not None else ():
        values = catalogue.select("item_id", F.col("categorical")[name].alias("value")).toPandas()
        of_item = values.set_index("item_id")["value"].reindex(look_up.item_ids)
        ways[f"same {name}"] = SameValue(pd.factorize(of_item)[0]).nearest
    ways["content"] = Content(item_terms(catalogue, numbered)[1:]).nearest
    least = context.config.privacy.min_users
    counted = neighbours(context.lake.read("covisitation"), warm, 10 * context.config.similar_items.k, least).items
    ways["counts"] = Counted(counted[1:].astype(np.int64) - 1).nearest
    return ways


def popular(rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The first k places, without the item itself."""
    first = np.arange(k + 1)
    return np.stack([first[first != row][:k] for row in rows])


class SameValue:
    """Items with the same value of an attribute. codes: (n,), -1 for none."""

    def __init__(self, codes: NDArray[np.int64]) -> None:
        self.codes = codes
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(codes.max(initial=-1) + 2))
        self.items = [order[start:end] for start, end in pairwise(ends)]

    def nearest(self, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """The first k of them; none where the item has no value."""
        return _lists([self.items[self.codes[row]][: k + 1] if self.codes[row] >= 0 else [] for row in rows], rows, k)


class Content:
    """Items whose words and attributes are alike. terms: of item_terms, without the row of padding."""

    def __init__(self, terms: object) -> None:
        self.index = Exact(terms)

    def nearest(self, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Those of the largest cosine."""
        return self.index.best(self.index.vectors[rows], rows, k).places


class Counted:
    """What users had together, then what is popular. near: (warm, M) places, strongest first, -1 for none."""

    def __init__(self, near: NDArray[np.int64]) -> None:
        self.near = near

    def nearest(self, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """The strongest; an item without events has popular ones alone."""
        own = [self.near[row][self.near[row] >= 0] if row < len(self.near) else [] for row in rows]
        first = np.arange(2 * k + 1)
        return _lists([[*dict.fromkeys([*near[: k + 1], *first])] for near in own], rows, k)


def _lists(found: Sequence[Sequence[int] | NDArray[np.int64]], rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    lists = np.full((len(rows), k), NONE)
    for listed, of_row, row in zip(lists, found, rows, strict=True):
        kept = [place for place in of_row if place != row][:k]
        listed[: len(kept)] = kept
    return lists
