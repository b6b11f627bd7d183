"""What every ranker of search is, and the first k items of the whole catalogue for each query, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Ranker(Protocol):
    """A score of each item for each query. Travels to the Python workers by pickle."""

    @property
    def name(self) -> str:
        """In tables."""
        ...

    @property
    def n_items(self) -> int:
        """Of the catalogue, counted from 0."""
        ...

    def read(self, queries: Sequence[str]) -> Any:
        """Give what it knows of normalised queries, once for all items."""
        ...

    def scores(self, read: Any, start: int, stop: int) -> Floats:
        """Scores of the items from start up to stop: (queries, stop - start), at most about 1; higher is better."""
        ...


class Lists(NamedTuple):
    """The best items of each query, best first. items: (queries, k) int64, -1 where there is none; scores: float32."""

    items: NDArray[np.int64]
    scores: Floats


class Blocks(NamedTuple):
    """How much is scored at once: queries x items."""

    queries: int = 64
    items: int = 16_384


BLOCKS = Blocks()


@runtime_checkable
class OwnLists(Protocol):
    """A ranker that looks at an item beside the others of a list, and so makes its lists itself."""

    def lists(self, queries: Sequence[str], k: int, blocks: Blocks) -> Lists:
        """As top."""
        ...


def top(ranker: Ranker, queries: Sequence[str], k: int, blocks: Blocks = BLOCKS) -> Lists:
    """Give the k best items of the whole catalogue for each query; an item without a score above 0 is not listed.

    Of equals the item that is first in the catalogue's order, which knows nothing of popularity.
    """
    if isinstance(ranker, OwnLists):
        parts = [ranker.lists(block, k, blocks) for block in _cut(queries, blocks.queries)]
    else:
        parts = [_of_block(ranker, block, k, blocks.items) for block in _cut(queries, blocks.queries)]
    if not parts:
        return Lists(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
    return Lists(np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts]))


def top_of_each(
    rankers: Mapping[str, Ranker], queries: Sequence[str], k: int, blocks: Blocks = BLOCKS
) -> dict[str, Lists]:
    """Do as top for several rankers, and ask what blends share but once."""
    lists: dict[str, list[Lists]] = {name: [] for name in rankers}
    for block in _cut(queries, blocks.queries):
        once = {id(part): Kept(part) for ranker in rankers.values() for part in getattr(ranker, "parts", ())}
        for name, ranker in rankers.items():
            shared = ranker
            if parts := getattr(ranker, "parts", None):
                shared = copy(ranker)
                shared.parts = [once[id(part)] for part in parts]  # type: ignore[attr-defined]
            lists[name].append(top(shared, block, k, blocks))
    return {name: Lists(*(np.concatenate(arrays) for arrays in zip(*own, strict=True))) for name, own in lists.items()}


class Kept:
    """A ranker that remembers what it has told of one block of queries."""

    def __init__(self, ranker: Ranker) -> None:
        self.ranker, self.name, self.n_items = ranker, ranker.name, ranker.n_items
        self._read: Any = None
        self._scores: dict[tuple[int, int], Floats] = {}

    def read(self, queries: Sequence[str]) -> Any:
        """Read them once."""
        if self._read is None:
            self._read = self.ranker.read(queries)
        return self._read

    def scores(self, read: Any, start: int, stop: int) -> Floats:
        """Score a block of items once."""
        if (start, stop) not in self._scores:
            self._scores[start, stop] = self.ranker.scores(read, start, stop)
        return self._scores[start, stop]


def _cut(queries: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (queries[start : start + size] for start in range(0, len(queries), size))


def _of_block(ranker: Ranker, queries: Sequence[str], k: int, size: int) -> Lists:
    """Merge the best of each block of items."""
    read, best = ranker.read(queries), Lists(np.full((len(queries), k), -1), np.zeros((len(queries), k), np.float32))
    for start in range(0, ranker.n_items, size):
        stop = min(start + size, ranker.n_items)
        found = _best(ranker.scores(read, start, stop), k, best.scores[:, -1])
        items = np.concatenate([best.items, np.where(found.items < 0, -1, found.items + start)], axis=1)
        scores = np.concatenate([best.scores, found.scores], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # earlier items come first among equals
        best = Lists(np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1))
    return best


def _best(scores: Floats, k: int, least: Floats) -> Lists:
    """The best k of a block of items, those that score above the least of the query's list so far: (queries, k).

    After the first block few do, and finding these is all that there is to do.
    """
    above = scores > least[:, None]
    counts = np.count_nonzero(above, axis=1)
    many = np.flatnonzero(counts > k)
    above[many] = False
    found = Lists(np.full((len(scores), k), -1), np.zeros((len(scores), k), np.float32))
    rows, items = np.divmod(np.flatnonzero(above), scores.shape[1])
    places = np.arange(len(rows)) - np.searchsorted(rows, rows)  # among those of the query
    found.items[rows, places], found.scores[rows, places] = items, scores[rows, items]
    if len(many):
        own = _first(scores[many], k)
        found.items[many], found.scores[many] = own.items, own.scores
    return found


def _first(scores: Floats, k: int) -> Lists:
    """The best k of queries that have more than k, in the items' order."""
    chosen = np.sort(np.argpartition(scores, -k, axis=1)[:, -k:], axis=1)
    least = np.take_along_axis(scores, chosen, axis=1).min(axis=1)
    for row in np.flatnonzero(np.count_nonzero(scores >= least[:, None], axis=1) > k):  # equals at the edge
        above, equal = np.flatnonzero(scores[row] > least[row]), np.flatnonzero(scores[row] == least[row])
        chosen[row] = np.sort(np.concatenate([above, equal[: k - len(above)]]))
    return Lists(chosen, np.take_along_axis(scores, chosen, axis=1))


class RandomOrder:
    """Every item in an order that is drawn anew for each query: what chance gives."""

    name = "random"

    def __init__(self, n_items: int, seed: int) -> None:
        self.n_items, self.seed = n_items, seed

    def read(self, queries: Sequence[str]) -> Sequence[str]:
        """The queries, whose texts seed the orders."""
        return queries

    def scores(self, read: Sequence[str], start: int, stop: int) -> Floats:
        """Random numbers."""
        rows = [np.random.default_rng([self.seed, start, *query.encode()[:64]]) for query in read]
        return np.stack([rng.random(stop - start, dtype=np.float32) for rng in rows]) + np.float32(1e-6)
