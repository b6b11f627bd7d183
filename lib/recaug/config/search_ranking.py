"""Section search: how queries are answered, and what jobs/benchmark_search.py compares."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import NonNegative, Positive, PositiveFloat, Share, Strict
from recaug.config.search_queries import Queries
from recaug.config.training import Optimiser

Field = Literal["title", "text", "attributes"]
Weights = Annotated[list[NonNegative], Meta(min_length=1)]


class Lexical(Strict, kw_only=True):
    """BM25 (Robertson and Zaragoza 2009) over terms of the catalogue, in every combination of k1 and b.

    fields: of the catalogue, and what each counts. k1: how soon a term that an item names again adds nothing.
    b: how much a long field counts less.
    """

    fields: dict[Field, NonNegative] = msgspec.field(
        default_factory=lambda: {"title": 1.0, "text": 0.3, "attributes": 0.3}
    )
    k1: list[PositiveFloat] = msgspec.field(default_factory=lambda: [0.3, 0.6, 1.2])
    b: list[Share] = msgspec.field(default_factory=lambda: [0.3, 0.5, 0.75])


class TowersOptimiser(Optimiser, kw_only=True):
    """As the towers of Home Depot are trained. batch_rows: pairs a step, over all ranks together."""

    epochs: Positive = 2
    batch_rows: Positive = 512
    learning_rate: PositiveFloat = 0.002


class TwoTower(Strict, kw_only=True):
    """Two towers over hashed words, pairs of words and character trigrams, in one space (Huang et al. 2013).

    buckets: that terms are hashed into. dim: numbers of a query and an item. query_terms, item_terms: that are read, at
        most; words first. dropout: chance that a term is not seen in a training step. temperature: by which the cosine
        is divided in the softmax, at the start. validation_items: that a validation query is held against.
    """

    buckets: Positive = 1 << 16
    dim: Positive = 128
    query_terms: Positive = 96
    item_terms: Positive = 256
    dropout: Share = 0.2
    temperature: PositiveFloat = 0.05
    validation_items: Positive = 20_000
    optimiser: TowersOptimiser = TowersOptimiser()


class Reranker(Strict, kw_only=True):
    """Boosted trees that put the first of a blend's list in another order.

    depth: items of a list. trees, learning_rate, leaves, min_leaf_pairs: of the trees. keep: how much the blend's own
    score counts beside the trees', to choose from.
    """

    depth: Positive = 100
    trees: Positive = 200
    learning_rate: PositiveFloat = 0.05
    leaves: Positive = 31
    min_leaf_pairs: Positive = 50
    keep: Weights = msgspec.field(default_factory=lambda: [0.0, 0.3, 1.0, 3.0])


class SearchRanking(Strict, kw_only=True):
    """How queries are answered; what is a list to choose from is chosen on validation by NDCG@10.

    date: the night whose tables jobs/benchmark_search.py reads.
    language: of the stemmer, such as english, german or french (Snowball's names); none: words as they are. Signs of
        scripts without spaces are never stemmed.
    blend: weights to try of pairs, trigrams and two_tower beside BM25's 1.
    reranker: boosted trees after the blend; null: none.
    queries: generated queries, proved on the blend; null: none.
    length: items of a list in search_lists. block_queries: whose scores are held at once. block_items: that are scored
        at once.
    """

    date: dt.date | None = None
    language: str = "english"
    bm25: Lexical = Lexical()
    two_tower: TwoTower = TwoTower()
    blend: Weights = msgspec.field(default_factory=lambda: [0.0, 0.25, 0.5, 1.0, 2.0])
    reranker: Reranker | None = Reranker()
    queries: Queries | None = None
    length: Positive = 50
    block_queries: Positive = 64
    block_items: Positive = 16_384
