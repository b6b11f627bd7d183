"""BM25 over the catalogue's fields as a sparse matrix, whose product with queries are the scores.

bm25s builds the same (a test compares them), in a Python loop: 29 s where this takes 1, of 54,667 titles.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, hstack

from recaug.recommend.search.analysis import pairs, stemmed, trigrams
from recaug.recommend.search.ranker import Floats

BLOCK = 16_384  # items of a matrix
KINDS: Mapping[str, Callable[[list[str]], list[str]]] = {"bm25": list, "pairs": pairs, "trigrams": trigrams}
Fields = Mapping[str, Sequence[list[str]]]  # field -> the words of each item in it


@dataclass(frozen=True, eq=False)
class Postings:
    """A field's terms as numbers. items: of each, its terms' places in the vocabulary."""

    items: list[NDArray[np.int32]]
    vocabulary: dict[str, int]


def postings(texts: Sequence[list[str]], kind: str, vocabulary: dict[str, int]) -> Postings:
    """Number the terms of a field; a new one is added to the vocabulary, which the fields of a catalogue share."""
    of_words = KINDS[kind]
    rows = [
        np.array([vocabulary.setdefault(term, len(vocabulary)) for term in of_words(list(words))], np.int32)
        for words in texts
    ]
    return Postings(rows, vocabulary)


def bm25_matrix(field: Postings, k1: float, b: float) -> csr_matrix:
    """Score each item for each term alone, as Lucene does (Kamphuis et al. 2020): (terms, items) float32.

    log(1 + (n - df + 0.5) / (df + 0.5)) tf / (tf + k1 (1 - b + b length / mean length)), so at most the idf.
    """
    lengths = np.array([len(row) for row in field.items], np.int64)
    shape = (len(field.vocabulary), len(lengths))
    if not lengths.any():
        return csr_matrix(shape, dtype=np.float32)
    of_item = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    counts = csr_matrix((np.ones(len(of_item), np.float32), (np.concatenate(field.items), of_item)), shape=shape)
    counts.sum_duplicates()
    df = np.diff(counts.indptr)
    idf = np.log1p((len(lengths) - df + 0.5) / (df + 0.5))
    damping = k1 * (1 - b + b * lengths / lengths.mean())
    counts.data = (np.repeat(idf, df) * counts.data / (counts.data + damping[counts.indices])).astype(np.float32)
    return counts


def product(queries: csr_matrix, terms: csr_matrix) -> Floats:
    """Multiply (queries, terms) by (terms, items), to the last bit as `@` does, into a dense matrix.

    The postings of the queries' terms alone are taken, and added up where their scores belong, as one long vector.
    """
    (n_queries, _), (_, n_items) = queries.shape, terms.shape
    own = terms[queries.indices]  # (a term of a query, items)
    of_query = np.repeat(np.arange(n_queries, dtype=np.int32), np.diff(queries.indptr)) * np.int32(n_items)
    places = own.indices + np.repeat(of_query, np.diff(own.indptr))
    laid = csc_matrix((own.data, places, own.indptr), shape=(n_queries * n_items, own.shape[0]))
    scores: Floats = laid @ queries.data
    return scores.reshape(n_queries, n_items)


@dataclass(frozen=True, eq=False)
class Lexical:
    """BM25 of one kind of terms. Scores are shares of the best that the query could score: 1 where all is there.

    matrices: (terms, items) of each block of items. ceiling: (terms,) what an item can score by a term.
    """

    name: str
    language: str
    vocabulary: Mapping[str, int]
    matrices: Sequence[csr_matrix]
    ceiling: NDArray[np.float32]
    n_items: int

    @cached_property
    def unknown(self) -> float:
        """What an item could have scored by a term that none has."""
        return float(self.ceiling.max(initial=1e-6))

    def read(self, queries: Sequence[str]) -> csr_matrix:
        """Count the terms of each query, over the best that it could score: (queries, terms)."""
        rows, columns, shares = [], [], []
        for row, words in enumerate(stemmed(queries, self.language)):
            terms = KINDS[self.name](words)
            known = [self.vocabulary[term] for term in terms if term in self.vocabulary]
            best = float(self.ceiling[known].sum()) + self.unknown * (len(terms) - len(known))
            rows += [row] * len(known)
            columns += known
            shares += [1 / max(best, 1e-6)] * len(known)
        return csr_matrix((np.array(shares, np.float32), (rows, columns)), shape=(len(queries), len(self.vocabulary)))

    def scores(self, read: csr_matrix, start: int, stop: int) -> Floats:
        """Scores of the items from start up to stop, of whole blocks or a part of one."""
        first, last = start // BLOCK, (stop - 1) // BLOCK
        blocks = [product(read, self.matrices[place]) for place in range(first, last + 1)]
        joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        return joined[:, start - first * BLOCK : stop - first * BLOCK]


@dataclass(frozen=True, eq=False)
class Numbered:
    """The fields of a catalogue as numbers of one vocabulary, from which indexes of several settings are made."""

    kind: str
    language: str
    fields: Mapping[str, Postings]
    n_items: int

    @classmethod
    def of(cls, fields: Fields, kind: str, language: str, weights: Mapping[str, float]) -> "Numbered":
        """Number the fields that count and are not empty. fields: stemmed words."""
        vocabulary: dict[str, int] = {}
        used = {name: texts for name, texts in fields.items() if weights.get(name, 0) and any(texts)}
        numbered = {name: postings(texts, kind, vocabulary) for name, texts in used.items()}
        return cls(kind, language, numbered, max((len(texts) for texts in fields.values()), default=0))

    def index(self, weights: Mapping[str, float], k1: float, b: float) -> Lexical:
        """Index the fields, each with its weight."""
        whole: csr_matrix | None = None
        vocabulary: Mapping[str, int] = {}
        for name, own in self.fields.items():
            matrix = bm25_matrix(own, k1, b) * np.float32(weights[name])
            whole, vocabulary = matrix if whole is None else whole + matrix, own.vocabulary
        if whole is None:
            whole = csr_matrix((0, self.n_items), dtype=np.float32)
        matrix = whole.tocsr()
        matrix.sort_indices()
        columns = matrix.tocsc()
        blocks = [csr_matrix(columns[:, start : start + BLOCK]) for start in range(0, max(self.n_items, 1), BLOCK)]
        ceiling = np.zeros(len(vocabulary), np.float32)
        held = np.diff(matrix.indptr) > 0
        ceiling[held] = np.maximum.reduceat(matrix.data, matrix.indptr[:-1][held]) if held.any() else 0
        return Lexical(self.kind, self.language, vocabulary, blocks, ceiling, self.n_items)


def joined(blocks: Sequence[csr_matrix]) -> csr_matrix:
    """Put the blocks of a ranker together: (terms, items)."""
    return csr_matrix(hstack(blocks))
