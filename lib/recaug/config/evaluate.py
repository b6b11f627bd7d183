"""Sections evaluate and recommend: the comparison, the gate and the lists."""

from typing import Annotated, Literal

from msgspec import Meta

from recaug.config.base import NonNegative, Positive, Share, Strict


class Gate(Strict, kw_only=True):
    """Publishes only what held-out real data prove.

    metric: of the lift, a metric of the table. min_lift: the lower bound of the relative lift must be above it,
        overall, or for cold users while the overall lower bound is above -max_harm. confidence: of the interval.
    min_ranking: a trained generator's NDCG@10 on validation users that it has not seen, over that of the other folds'
        counts; 0: no bound.
    min_coverage: distinct generated items over distinct real items (train window). min_entropy: of the generated
        items' distribution over the real one's. max_duplicates: share of generated histories equal to another one.
    max_copies: share of generated histories equal to a real one.
    """

    metric: Literal["ndcg@10", "hr@10", "recall@20"]
    min_lift: float
    max_harm: NonNegative
    confidence: Annotated[float, Meta(gt=0.5, lt=1)]
    bootstraps: Positive
    min_ranking: NonNegative = 0.0
    min_coverage: Share
    min_entropy: Share
    max_duplicates: Share
    max_copies: Share


class Evaluate(Strict, kw_only=True):
    """The same recommender with and without the candidates: same budget, several seeds.

    blend: share of the co-visitation counts in a mixture with each arm's recommender, which is measured beside it;
        0: none. The gate judges the recommender alone.
    """

    seeds: Positive
    blend: Share = 0.0
    gate: Gate


class Recommend(Strict, kw_only=True):
    """Top-k lists for every user.

    diversity: weight of maximal marginal relevance; 0 leaves the lists in the order of the scores.
    """

    k: Positive
    diversity: Share = 0.0
