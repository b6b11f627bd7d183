"""Counted translation: which terms of a query go with which terms of an item, by folds of the queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

Ints = NDArray[np.int64]


class Vocabulary(NamedTuple):
    """Terms of queries. names: stemmed; shown: as most queries write them; place: where in a query they stand, 0 to 1.

    number: of each name. lengths: terms of the train queries, one number a query.
    """

    names: Sequence[str]
    shown: Sequence[str]
    place: NDArray[np.float64]
    number: Mapping[str, int]
    lengths: Ints

    def text(self, terms: Sequence[int]) -> str:
        """Write terms as a query, in the order in which queries have them."""
        return " ".join(self.shown[term] for term in sorted(terms, key=lambda term: (self.place[term], term)))


class Pairs(NamedTuple):
    """Train queries and their items. query, item, fold: (pairs,); weight: (pairs,), the gain, at most 1.

    terms: (pairs, query terms), 1 where the query has the term.
    """

    query: Ints
    item: Ints
    fold: Ints
    weight: NDArray[np.float64]
    terms: csr_matrix


@dataclass(frozen=True, eq=False)
class Translation:
    """Counts of item term and query term, a table a fold of the queries: their sum is the whole.

    by_fold: (item terms, query terms); a pair's weight is shared among the terms of its item (the first step of IBM's
    model 1, Brown et al. 1993). same: (item terms,) the query term that is the same word, -1 for none. prior: pairs
    that an item's term goes with itself in before anything is counted. items: (items, item terms), 1 where it has it.
    """

    by_fold: Sequence[csr_matrix]
    same: Ints
    prior: float
    items: csr_matrix

    @cached_property
    def shares(self) -> csr_matrix:
        """The items' terms, each with its share of the item."""
        lengths = np.asarray(self.items.sum(axis=1)).ravel()
        return csr_matrix(diags(1 / np.maximum(lengths, 1)) @ self.items)

    def chances(self, left_out: frozenset[int]) -> csr_matrix:
        """P(query term | item term) by the folds that are not left out: (item terms, query terms)."""
        kept = [counts for fold, counts in enumerate(self.by_fold) if fold not in left_out]
        known = np.flatnonzero(self.same >= 0)
        itself = csr_matrix((np.full(len(known), self.prior), (known, self.same[known])), shape=self.by_fold[0].shape)
        counted = csr_matrix(sum(kept, itself))
        total = np.asarray(counted.sum(axis=1)).ravel() + np.where(self.same >= 0, 0.0, self.prior)
        return csr_matrix(diags(1 / np.maximum(total, 1e-9)) @ counted)

    def expected(self, items: Ints, left_out: Sequence[frozenset[int]]) -> csr_matrix:
        """P(query term | item), the mean over the item's terms; of each item without its own left-out folds.

        Returns (len(items), query terms); an item without terms, or whose folds are all left out, has what is its own.
        """
        rows, places = [], []
        for folds in sorted(set(left_out), key=sorted):
            own = np.array([place for place, out in enumerate(left_out) if out == folds])
            rows.append(self.shares[items[own]] @ self.chances(folds))
            places.append(own)
        if not rows:
            return csr_matrix((0, self.by_fold[0].shape[1]))
        order = np.argsort(np.concatenate(places), kind="stable")
        return csr_matrix(_stacked(rows)[order])


def _stacked(rows: Sequence[csr_matrix]) -> csr_matrix:
    from scipy.sparse import vstack

    return csr_matrix(vstack(rows))


def translate(pairs: Pairs, items: csr_matrix, same: Ints, folds: int, prior: float) -> Translation:
    """Count the pairs of each fold. items: (items, item terms), 1 where it has it."""
    lengths = np.maximum(np.asarray(items.sum(axis=1)).ravel(), 1)
    shared = csr_matrix(diags(pairs.weight / lengths[pairs.item]) @ items[pairs.item])
    by_fold = [csr_matrix(shared[own].T @ pairs.terms[own]) for own in (pairs.fold == fold for fold in range(folds))]
    return Translation(by_fold, same, prior, items)


def folds_of_items(pairs: Pairs, n_items: int) -> list[frozenset[int]]:
    """The folds of the queries that led to each item: what is left out where the item is asked about."""
    own: list[set[int]] = [set() for _ in range(n_items)]
    for item, fold in zip(pairs.item.tolist(), pairs.fold.tolist(), strict=True):
        own[item].add(fold)
    return [frozenset(folds) for folds in own]
