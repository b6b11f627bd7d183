"""Sections evaluate and recommend: the comparison, the policy, the gate and the lists."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import Count, Index, NonNegative, Positive, PositiveFloat, PositiveShare, Share, Strict
from recaug.config.generators import Augment


class Gate(Strict, kw_only=True):
    """Publishes only what held-out real data prove.

    metric: of the lift, a metric of the table; recall@50, of all items and of those without a train pair (`new items`),
        is of searches. min_lift: the lower bound of the relative lift must be above it,
        overall, or for cold users while the overall lower bound is above -max_harm. max_harm: so much of the metric may
        a gain for cold users cost overall. confidence: of the interval. bootstraps: draws of the users for it.
    min_units: users (queries, ...) of a slice below which its figures have no interval.
    min_ranking: a trained generator's NDCG@10 on validation users that it has not seen, over that of the other folds'
        counts; 0: no bound.
    min_coverage: distinct generated items over distinct real items (train window). min_entropy: of the generated
        items' distribution over the real one's. max_duplicates: share of generated histories equal to another one.
    max_copies: share of generated histories equal to a real one.
    max_attack_auc: the highest upper bound of all attacks' areas under the ROC curve, on any generator of the arm, see
        privacy; null: no bound. What is not audited is held to none.
    max_gap: between the lifts of cold and of warm users, and of each group of fairness and all others: what is proved
        to be more is held; null: no bound.

    The bound of the ranking is that of the nights that publish: what ranks worse than the counts, which nobody has to
    train, has nothing to add to them.
    """

    metric: Literal["ndcg@10", "hr@10", "recall@20", "recall@50", "recall@50 new items"] = "ndcg@10"
    min_lift: float = 0.0
    max_harm: NonNegative = 0.02
    confidence: Annotated[float, Meta(gt=0.5, lt=1)] = 0.95
    bootstraps: Positive = 2000
    min_units: Count = 10
    min_ranking: NonNegative = 0.9
    min_coverage: Share = 0.2
    min_entropy: Share = 0.8
    max_duplicates: Share = 0.01
    max_copies: Share = 0.0
    max_gap: NonNegative | None = None
    max_attack_auc: Annotated[float, Meta(gt=0.5, le=1)] | None = None


POLICY = "policy"  # the arm that the policy chooses


class Policy(Strict, kw_only=True):
    """Chooses what is added for cold and for warm users by successive halving on validation; nothing is a choice, too.

    rows: `all` of a generator's, as one choice; or kinds of them, each with a choice of its own: continuations with
        items of the `head`, with items of the `tail`, and `histories`.
    shares: of a generator's candidates. weights: factors of their weight. Every combination is tried with every
        generator that writes such rows.
    first_epochs: of the recommender's training in the first round; each round keeps the better half and trains it twice
        as long, up to sasrec.optimiser.epochs. epochs: of all rounds and trainings together; where less is left than
        the better half would need, fewer go on. What they cost in CPU seconds is recorded.

    By default it chooses whose rows, at their weight or at twice it, once for all that a generator writes.
    """

    rows: Annotated[list[Literal["all", "head", "tail", "histories"]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["all"]
    )
    shares: Annotated[list[PositiveShare], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1.0])
    weights: Annotated[list[PositiveFloat], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1.0, 2.0])
    first_epochs: Positive = 3
    epochs: Positive = 60

    def __post_init__(self) -> None:
        """Check what spans several values."""
        if len(self.rows) > len(set(self.rows) - {"all"}) > 0 or len(set(self.rows)) < len(self.rows):
            raise ValueError(f"rows {self.rows}: all stands alone, and each kind stands once")

    def check(self, augment: Augment) -> None:
        """Raise ValueError where the generators write no such rows, or the epochs do not last for the first round."""
        if not augment.choices:
            raise ValueError(
                "evaluate.policy has no generators to choose from: name some in augment.generators, or set it to null"
            )
        written = [rows for names in augment.choices for rows in augment.rows_of(names, self.rows)]
        if missing := set(self.rows) - set(written):
            raise ValueError(f"evaluate.policy.rows: no generator writes {', '.join(sorted(missing))}; leave it out")
        n_options = len(written) * len(self.shares) * len(self.weights)
        if (first := round_epochs(n_options, self.first_epochs, 1 + len(augment.controls))) > self.epochs:
            raise ValueError(f"evaluate.policy.epochs {self.epochs} is below the {first} of the first round; raise it")


def round_epochs(options: int, epochs: int, controls: int = 1) -> int:
    """Epochs of a round of the policy: with each option and each control, of which nothing added is one."""
    return (options + controls) * epochs


class Fairness(Strict, kw_only=True):
    """Groups whose lift is told beside that of all others, and, of items, how often lists show them.

    Of an attribute the twelve values that most users of the test have, each of gate.min_units of them or more.

    user: attributes of source.users. item: categorical attributes of source.items; a user belongs to the groups of the
    held-out items.
    """

    user: tuple[str, ...] = ()
    item: tuple[str, ...] = ()


class Evaluate(Strict, kw_only=True):
    """The same recommender with and without the candidates: same budget, several seeds.

    seeds: trainings of the recommender with each arm.
    blend: share of the co-visitation counts in a mixture with each arm's recommender, which is measured beside it;
        0: none. The gate judges the recommender alone.
    policy: what it chooses is the only arm with generated rows. null: each generator is one.
    """

    seeds: Positive = 3
    blend: Share = 0.0
    policy: Policy | None = Policy()
    gate: Gate = Gate()
    fairness: Fairness = Fairness()

    def __post_init__(self) -> None:
        """Check that the gate asks for what is measured of recommendations."""
        if self.gate.metric.startswith("recall@50"):
            raise ValueError(
                f"evaluate.gate.metric {self.gate.metric} is of searches; take ndcg@10, hr@10 or recall@20"
            )


class Recommend(Strict, kw_only=True):
    """Top-k lists for every user.

    k: items a user.
    diversity: weight of maximal marginal relevance; 0 leaves the lists in the order of the scores.
    index: exact: every item is scored for every user; ann: what an approximate index of the items' vectors proposes,
        for large catalogues (package faiss-cpu); the report says how many of the best items it found.
    """

    k: Positive = 20
    diversity: Share = 0.0
    index: Index = "exact"
