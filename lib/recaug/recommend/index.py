"""Finds the vectors of largest inner product: all of them compared, or the likeliest cells of an index alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse

from recaug.config.base import Index
from recaug.errors import ConfigError

UNIT = 1e5  # scores are compared in hundred-thousandths, so that rounding of sums orders nothing
CELL_ITEMS = 100  # vectors a cell, at least
PROBED = 0.03  # of the cells that are looked into, and at least
LEAST_PROBED = 32
TRAINED_ON = 40  # vectors a cell, from which its middle is learnt
ROUNDS = 10  # of k-means
QUERIES = 256  # at once


class Found(NamedTuple):
    """The best places of each query, best first: (queries, k) int64, -1 where there are no more; and their scores."""

    places: NDArray[np.int64]
    scores: NDArray[np.float64]


class Vectors(Protocol):
    """Vectors that can be looked up. Travels to the Python workers by pickle."""

    def best(self, queries: Any, own: NDArray[np.int64], k: int) -> Found:
        """The k places of largest inner product with each query, those of a score above 0; ties to the lower place.

        queries: (queries, dim) float32. own: (queries,), a place that is not to be found, -1 for none.
        """
        ...


def check_index(index: Index, key: str) -> None:
    """Raise ConfigError where the YAML asks for an index whose package is not installed. key: that asks for it."""
    package = PACKAGES[index]
    if package is not None and find_spec(package) is None:
        raise ConfigError(f"{key}: {index} needs the package faiss-cpu; install recaug[ann], or set it to exact")


@dataclass(frozen=True, eq=False)
class Exact:
    """Compares a query with every vector. vectors: (n, dim) float32, dense or sparse."""

    vectors: Any

    @classmethod
    def of(cls, vectors: Any, seed: int) -> "Exact":
        """Take the vectors as they are."""
        return cls(vectors)

    def best(self, queries: Any, own: NDArray[np.int64], k: int) -> Found:
        """As of Vectors, QUERIES at once."""
        steps = range(0, queries.shape[0], QUERIES)
        return _together(
            [self._block(queries[step : step + QUERIES], own[step : step + QUERIES], k) for step in steps], k
        )

    def _block(self, queries: Any, own: NDArray[np.int64], k: int) -> Found:
        scores = self._products(queries).mul_(UNIT).round_()
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = 0
        edge = scores.topk(min(k, scores.shape[1]), dim=1).values[:, -1:].clamp(min=1)
        row, place = (scores >= edge).nonzero(as_tuple=True)  # with all that tie at the edge
        return _ranked(row.numpy(), place.numpy(), scores[row, place].numpy(), len(own), k)

    def _products(self, queries: Any) -> torch.Tensor:
        if issparse(self.vectors):
            return torch.from_numpy(np.ascontiguousarray((self.vectors @ queries.T.toarray()).T))
        return torch.from_numpy(queries) @ torch.from_numpy(self.vectors).T


@dataclass(frozen=True, eq=False)
class Cells:
    """Vectors in cells around middles; a query looks into those of the nearest middles (faiss' inverted file).

    cells: faiss' IndexIVFFlat.
    """

    cells: Any

    @classmethod
    def of(cls, vectors: NDArray[np.float32], seed: int) -> "Cells":
        """Learn the cells, on one thread: the same vectors and seed give the same cells."""
        import faiss

        faiss.omp_set_num_threads(1)
        n, dim = vectors.shape
        n_cells = max(min(n // CELL_ITEMS, int(4 * n**0.5)), 1)  # so that learning them costs about as much as n
        cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, n_cells, faiss.METRIC_INNER_PRODUCT)
        cells.cp.seed, cells.cp.niter, cells.cp.max_points_per_centroid = seed + 1, ROUNDS, TRAINED_ON
        cells.cp.min_points_per_centroid = 1
        cells.nprobe = min(max(int(PROBED * n_cells), LEAST_PROBED), n_cells)
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        cells.train(rows)
        cells.add(rows)
        return cls(cells)

    def nearest(self, queries: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        """Places of some n of the largest inner products with each query: (queries, n), -1 where there are no more."""
        import faiss

        faiss.omp_set_num_threads(1)  # one Spark task, one core
        places: NDArray[np.int64] = self.cells.search(np.ascontiguousarray(queries, dtype=np.float32), n)[1]
        return places


@dataclass(frozen=True, eq=False)
class Approximate:
    """Compares a query with some of the vectors. vectors: (n, dim) float32; cells: of them."""

    vectors: NDArray[np.float32]
    cells: Cells

    @classmethod
    def of(cls, vectors: NDArray[np.float32], seed: int) -> "Approximate":
        """Learn the cells."""
        return cls(vectors, Cells.of(vectors, seed))

    def best(self, queries: NDArray[np.float32], own: NDArray[np.int64], k: int) -> Found:
        """As of Vectors, among 4 k candidates, whose scores are those of Exact; of more ties than that some."""
        places = self.cells.nearest(queries, 4 * k + 1)
        scores = np.rint(np.einsum("qd,qcd->qc", queries, self.vectors[places]) * np.float32(UNIT))
        row, column = np.nonzero((places >= 0) & (places != own[:, None]) & (scores >= 1))
        return _ranked(row, places[row, column], scores[row, column], len(own), k)


INDEXES: Mapping[Index, type[Exact] | type[Approximate]] = {"exact": Exact, "ann": Approximate}
PACKAGES: Mapping[Index, str | None] = {"exact": None, "ann": "faiss"}


def _ranked(
    row: NDArray[np.int64], place: NDArray[np.int64], scores: NDArray[np.float32], n_rows: int, k: int
) -> Found:
    """Put each row's places in order, and keep the first k. row: ascending; scores: in 1 / UNIT."""
    order = np.lexsort((place, -scores, row))
    row, place, scores = row[order], place[order], scores[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < k
    found = Found(np.full((n_rows, k), -1, np.int64), np.zeros((n_rows, k)))
    found.places[row[kept], rank[kept]] = place[kept]
    found.scores[row[kept], rank[kept]] = scores[kept].astype(np.float64) / UNIT
    return found


def _together(parts: list[Found], k: int) -> Found:
    if not parts:
        return Found(np.zeros((0, k), np.int64), np.zeros((0, k)))
    return Found(np.concatenate([part.places for part in parts]), np.concatenate([part.scores for part in parts]))
