"""The two towers as a ranker: cosines of vectors that were made once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recaug.recommend.search.analysis import hashed, stemmed
from recaug.recommend.search.catalogue import Catalogue
from recaug.recommend.search.ranker import Floats
from recaug.training.checkpoint import load_model
from recaug.training.models.two_tower import TwoTower
from recaug.training.two_tower import encode_items, encode_queries


@dataclass(frozen=True, eq=False)
class Towers:
    """Cosine of query and item. vectors: (n_items, dim) of length 1. query_terms: hashed terms that are read."""

    model: TwoTower
    language: str
    query_terms: int
    vectors: Floats
    name: str = "two_tower"

    @property
    def n_items(self) -> int:
        """Of the catalogue."""
        return len(self.vectors)

    def read(self, queries: Sequence[str]) -> Floats:
        """Vectors of the queries, (queries, dim)."""
        with torch.no_grad():
            vectors: Floats = encode_queries(self.model, self.hash(queries)).numpy()
        return vectors

    def hash(self, queries: Sequence[str]) -> NDArray[np.int32]:
        """Hashed terms of queries."""
        return hash_queries(queries, self.language, self.buckets, self.query_terms)

    @property
    def buckets(self) -> int:
        """That terms are hashed into."""
        return len(self.model.terms) - 1

    def scores(self, read: Floats, start: int, stop: int) -> Floats:
        """Cosines."""
        return read @ self.vectors[start:stop].T


def load_towers(folder: str, language: str, query_terms: int, items: NDArray[np.int32]) -> Towers:
    """Build a finished model and encode the catalogue. items: (n_items, width) hashed terms."""
    model = load_model(folder)
    assert isinstance(model, TwoTower)
    with torch.no_grad():
        vectors = encode_items(model, items).numpy()
    return Towers(model, language, query_terms, vectors)


def hash_queries(queries: Sequence[str], language: str, buckets: int, width: int) -> NDArray[np.int32]:
    """Hash normalised queries: (queries, width)."""
    rows = [hashed(words, (), buckets, width) for words in stemmed(queries, language)]
    return np.stack(rows) if rows else np.zeros((0, width), np.int32)


def hash_items(catalogue: Catalogue, buckets: int, width: int) -> NDArray[np.int32]:
    """Hash titles and texts, title first, and attributes: (n_items, at most width), as wide as the longest."""
    texts = zip(catalogue.fields["title"], catalogue.fields["text"], catalogue.attributes, strict=True)
    rows = np.stack([hashed([*title, *text], own, buckets, width) for title, text, own in texts])
    return rows[:, : max(1, int((rows > 0).sum(axis=1).max()))]


def inverse_frequency(items: NDArray[np.int32], buckets: int) -> Floats:
    """How rare each hashed term is among the items, from 0 to 1: (buckets + 1,)."""
    once = np.concatenate([np.unique(row[row > 0]) for row in items])
    df = np.bincount(once, minlength=buckets + 1)
    idf = np.log1p((len(items) - df + 0.5) / (df + 0.5))
    return (idf / idf.max()).astype(np.float32)
