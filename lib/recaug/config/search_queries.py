"""Section search_ranking.queries: generated queries, what they are used for, and the gate that judges them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import Count, NonNegative, Positive, PositiveFloat, Share, Strict
from recaug.config.evaluate import Gate
from recaug.config.training import Optimiser

Weights = Annotated[list[PositiveFloat], Meta(min_length=1)]


class QueryOptimiser(Optimiser, kw_only=True):
    """As the VAE of queries is trained. batch_rows: pairs a step, over all ranks together."""

    epochs: Positive = 6
    patience: Positive | None = 2
    batch_rows: Positive = 512
    learning_rate: PositiveFloat = 0.003


class QueryVAE(Strict, kw_only=True):
    """A conditional VAE over the terms of a query, given the item (Sohn et al. 2015), that starts as the counts.

    dim: numbers of a term of an item. hidden, z_dim: of the layers and of the latent. dropout: chance that a term of an
    item is not seen. beta: weight of the divergence. item_terms: of an item that are read, at most; counted: its
    likeliest query terms by the counts, at most.
    """

    dim: Positive = 64
    hidden: Positive = 128
    z_dim: Positive = 16
    dropout: Share = 0.2
    beta: NonNegative = 0.5
    item_terms: Positive = 48
    counted: Positive = 128
    optimiser: QueryOptimiser = QueryOptimiser()


class Queries(Strict, kw_only=True):
    """Queries for the items of the catalogue, beside controls that know nothing; used only where the gate proves them.

    generators: counts (which query terms go with which title terms), vae (informed by the counts), classic (real
        queries written otherwise: typing errors, words dropped, swapped, parted and joined, units, synonyms).
    per_item: queries drawn for an item. folds: of the train queries; no query teaches the counts that are asked about
        it. prior: of an item's term going with itself, in pairs. min_queries: a term of fewer train queries is not
        generated. min_users: a real query, or a term, of fewer known users is rare, and may be personal: never written.
    field_weights: to try of a field of generated words beside the ranker. pair_weights: to try of a generated query
        beside a real one where the towers learn; pairs_per_item: of an item without a train pair, or made of its own
        queries. Validation chooses.
    seeds: trainings of the towers with each arm. round_trip: a query must find its item among so many.
    examples: of each generator, on the page.
    gate: as evaluate.gate; its metric is what validation chooses by, too.
    """

    generators: list[Literal["counts", "vae", "classic"]] = msgspec.field(default_factory=lambda: ["counts", "vae"])
    per_item: Positive = 8
    folds: Annotated[int, Meta(ge=2)] = 5
    prior: PositiveFloat = 1.0
    min_queries: Positive = 2
    min_users: Count = 3
    field_weights: Weights = msgspec.field(default_factory=lambda: [0.1, 0.2, 0.4, 0.8, 1.6])
    pair_weights: Annotated[list[PositiveFloat], Meta()] = msgspec.field(default_factory=lambda: [0.1, 0.3])
    pairs_per_item: Positive = 2
    seeds: Positive = 2
    round_trip: Positive = 50
    examples: Positive = 12
    vae: QueryVAE = QueryVAE()
    gate: Gate = Gate(metric="recall@50 new items", max_duplicates=1.0)

    def __post_init__(self) -> None:
        """Check what spans several values."""
        if len(set(self.generators)) < len(self.generators) or not self.generators:
            raise ValueError(f"generators {self.generators}: each stands once, and one of counts, vae and classic")
        if self.gate.metric not in SEARCHED:
            raise ValueError(f"gate.metric {self.gate.metric} is none of searches: {', '.join(SEARCHED)}")


SEARCHED = ("ndcg@10", "recall@50", "recall@50 new items")  # metrics of lists for queries
