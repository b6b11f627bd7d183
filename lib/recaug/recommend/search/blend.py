"""Several rankers as one: a weighted sum of their scores, each a share of the best that a query could score."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.recommend.search.ranker import Floats, Ranker

HELD = 1 << 24  # scores of a ranker that are held at once


class Blend:
    """The sum of several rankers' scores times their weights."""

    def __init__(self, parts: Sequence[Ranker], weights: Sequence[float], name: str = "blend") -> None:
        self.parts, self.weights, self.name = parts, weights, name
        self.n_items = parts[0].n_items

    def read(self, queries: Sequence[str]) -> list[Any]:
        """What each part reads."""
        return [part.read(queries) for part in self.parts]

    def scores(self, read: list[Any], start: int, stop: int) -> Floats:
        """The weighted sum over the parts that count."""
        told = [own for own in zip(self.parts, self.weights, read, strict=True) if own[1]]
        (part, weight, own), *others = told
        total: Floats = np.float32(weight) * part.scores(own, start, stop)
        for part, weight, own in others:
            scores = part.scores(own, start, stop)
            total += scores if weight == 1 else np.float32(weight) * scores
        return total


class Candidates(NamedTuple):
    """What is looked at of each query: the first of every ranker, each once.

    items: (queries, n) int64, -1 for none; scores: (rankers, queries, n), of all rankers.
    """

    items: NDArray[np.int64]
    scores: Floats


def candidates(parts: Sequence[Ranker], queries: Sequence[str], depth: int) -> Candidates:
    """Take the first `depth` items of each ranker for each query, and what every ranker says of them."""
    blocks = list(_blocks(parts, queries, depth))
    width = max(block.items.shape[1] for block in blocks)
    items = [np.pad(block.items, ((0, 0), (0, width - block.items.shape[1])), constant_values=-1) for block in blocks]
    scores = [np.pad(block.scores, ((0, 0), (0, 0), (0, width - block.items.shape[1]))) for block in blocks]
    return Candidates(np.concatenate(items), np.concatenate(scores, axis=1))


def _blocks(parts: Sequence[Ranker], queries: Sequence[str], depth: int) -> Iterator[Candidates]:
    n_items = parts[0].n_items
    size, k = max(1, min(64, HELD // n_items)), min(depth, n_items)
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        scores = np.stack([part.scores(part.read(block), 0, n_items) for part in parts])
        first = np.argpartition(-scores, k - 1, axis=2)[:, :, :k]
        rows = [np.unique(first[:, row]) for row in range(len(block))]
        items = np.full((len(block), max(map(len, rows))), -1)
        for row, own in enumerate(rows):
            items[row, : len(own)] = own
        places = np.maximum(items, 0)[None].repeat(len(parts), axis=0)
        yield Candidates(items, np.take_along_axis(scores, places, axis=2))


def ordered(items: NDArray[np.int64], scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """The k best of the candidates by these scores, best first; (queries, k), -1 where there are fewer."""
    known = np.where(items < 0, -np.inf, scores)
    order = np.argsort(-known, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(items, order, axis=1)
    return np.pad(best, ((0, 0), (0, max(k - best.shape[1], 0))), constant_values=-1)


def combinations(names: Sequence[str], weights: Sequence[float]) -> Iterator[Mapping[str, float]]:
    """Every combination of weights; of the first ranker 1."""
    first, *others = names
    for drawn in itertools.product(weights, repeat=len(others)):
        yield {first: 1.0, **dict(zip(others, drawn, strict=True))}


def label(weights: Mapping[str, float]) -> str:
    """In tables: `bm25 1, pairs 0.5`."""
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items() if weight)
