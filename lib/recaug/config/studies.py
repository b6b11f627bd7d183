"""Sections of the studies: benchmark, learning_curve and attributes."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import Count, Index, NonNegative, Positive, PositiveFloat, PositiveShare, Share, Strict
from recaug.config.generators import Entry
from recaug.config.prepare import Prepare
from recaug.config.training import Optimiser, SASRec

Model = Literal["popularity", "als", "content", "covisitation", "vae", "sasrec", "blend"]


class CountsGrid(Strict, kw_only=True):
    """Settings of the co-visitation counts to try, in every combination.

    window, backward, decay: as of the section covisitation.
    """

    window: list[Positive] = msgspec.field(default_factory=lambda: [5, 20])
    backward: list[NonNegative] = msgspec.field(default_factory=lambda: [0.5, 1.0])
    decay: list[Share] = msgspec.field(default_factory=lambda: [0.8, 0.95])


class ALSGrid(Strict, kw_only=True):
    """Settings of Spark's implicit ALS (Hu, Koren and Volinsky 2008) to try, in every combination.

    rank: numbers a user and an item. regularisation: weight of their squares. alpha: how much surer an event makes.
    iterations: of the alternation.
    """

    rank: list[Positive] = msgspec.field(default_factory=lambda: [64])
    regularisation: list[PositiveFloat] = msgspec.field(default_factory=lambda: [0.01, 0.1])
    alpha: list[PositiveFloat] = msgspec.field(default_factory=lambda: [1.0, 10.0])
    iterations: Positive = 10


class Benchmark(Strict, kw_only=True):
    """What jobs/benchmark_recommenders.py compares: validation chooses each model's settings, the test is seen once.

    date: the night whose windows, or leave-one-out, are compared.
    models: in the table's order, among them `vae`, a generator's network from every user's rows; `content`, by the
        catalogue's words and attributes; `blend`, a mixture of covisitation and sasrec. By default all but vae, which
        needs settings of its own.
    vae: the settings of that network, an entry as of augment.generators, of which nothing is drawn.
    sasrec: settings to try, each as the section sasrec, by a name; none: those of the section.
    seeds: of each deep model. content: decays of older events to try. blend: shares of covisitation to try.
    step_days: between the nights of two folds.
    folds: of the cross-validation. With prepare.split `time` their nights lie step_days apart and end with `date`
        (rolling origin); with `users` each holds out other users. The table is over the users of all folds.
    """

    date: dt.date
    models: list[Model] = msgspec.field(
        default_factory=lambda: ["popularity", "als", "content", "covisitation", "sasrec", "blend"]
    )
    seeds: Positive = 3
    folds: Positive = 1
    step_days: Positive = 7
    covisitation: CountsGrid = CountsGrid()
    als: ALSGrid = ALSGrid()
    vae: Entry | None = None
    sasrec: dict[str, SASRec] = msgspec.field(default_factory=dict)
    content: list[Share] = msgspec.field(default_factory=lambda: [0.8, 0.95, 1.0])
    blend: list[Share] = msgspec.field(default_factory=lambda: [0.2, 0.4, 0.6, 0.8])

    def __post_init__(self) -> None:
        """Check what a model needs beside it."""
        if "blend" in self.models and (missing := {"covisitation", "sasrec"} - set(self.models)):
            raise ValueError(f"benchmark.models has blend without {' and '.join(sorted(missing))}, which it mixes")
        if "vae" in self.models and self.vae is None:
            raise ValueError("benchmark.models has vae without benchmark.vae, its settings")

    def check(self, prepare: Prepare) -> None:
        """Raise ValueError where the split has not so many folds."""
        holdout = prepare.holdout
        if self.folds > 1 and prepare.split not in ("time", "users"):
            raise ValueError(f"benchmark.folds: prepare.split {prepare.split} has one fold")
        if prepare.split == "users" and holdout is not None and self.folds > holdout.folds:
            raise ValueError(f"benchmark.folds {self.folds} is above prepare.holdout.folds {holdout.folds}")


class LearningCurve(Strict, kw_only=True):
    """What jobs/benchmark_augmentation.py draws: the arms of `augment.generators` over shares of the users.

    date: the night whose windows, or leave-one-out, are judged. shares: of the users.
    """

    date: dt.date
    shares: Annotated[list[PositiveShare], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [0.1, 0.25, 0.5, 1.0]
    )


class ItemEnhancement(Strict, kw_only=True):
    """Classic enhancement of items: copies that the attribute VAE learns from beside the real ones, in as many steps.

    copies: of each item. noise: on a number, in its standard deviations. typos, dropped_words: chance of a word of
    title or text to be typed wrongly, or to be left out.
    """

    copies: Positive = 3
    noise: NonNegative = 0.0
    typos: Share = 0.0
    dropped_words: Share = 0.0


class AttributesOptimiser(Optimiser, kw_only=True):
    """As the completion of Beauty and Toys is trained. batch_rows: items a step, over all ranks together."""

    epochs: Positive = 20
    batch_rows: Positive = 256
    learning_rate: PositiveFloat = 0.002
    clip_norm: PositiveFloat = 20.0


class Attributes(Strict, kw_only=True):
    """Completion of the catalogue by a multimodal VAE, jobs/complete_attributes.py.

    The modalities are every categorical, multi-valued, numeric and vector attribute, the text and the behaviour: what
    is known of the items that users had together with this one.

    text: which of the columns title and text make the text modality, as words and pairs of words. text_buckets: that
        these are hashed into. min_items: a value that fewer items have is neither learnt nor filled in.
    neighbours: kept for each item, by co-visitation and over one item between. behaviour_dim: numbers an item, singular
        vectors of the co-visitation.
    classic: enhanced copies of the items to learn from; null: none.
    members: VAEs that differ in their seed, whose probabilities are averaged.
    hidden, z_dim, dropout, beta, anneal_share: as of the VAE. drop: chance that a modality of an item is hidden from
        the encoder in a training step, so that the others learn to tell it; drop_behaviour: of the behaviour.
    validation_share, test_share: of the given values, which are not learnt from; on the first the probabilities are
        calibrated, on the second they are measured against what is known.
    min_probability: a gap is filled from it on, else it stays. max_doubt: a given value below it is listed as doubtful;
        one of several, below so much of its share of the catalogue.
    tolerance: a number counts as right that is off by so much of the truth.

    Where the shipped shops differ, the width, dropout and members are those of Beauty and Toys, the largest of them.
    """

    text: list[Literal["title", "text"]] = []
    text_buckets: Positive = 1024
    min_items: Positive = 2
    neighbours: Positive = 100
    behaviour_dim: Count = 32
    classic: ItemEnhancement | None = None
    members: Positive = 5
    hidden: Positive = 256
    z_dim: Positive = 128
    dropout: Share = 0.4
    drop: Share = 0.5
    drop_behaviour: Share = 0.1
    beta: NonNegative = 0.001
    anneal_share: Share = 0.5
    validation_share: PositiveShare = 0.05
    test_share: PositiveShare = 0.3
    min_probability: Share = 0.8
    max_doubt: Share = 0.01
    tolerance: PositiveFloat = 0.1
    optimiser: AttributesOptimiser = AttributesOptimiser()

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to learn from")


class SimilarItems(Strict, kw_only=True):
    """Items like each other by where the attribute VAE puts them, jobs/similar_items.py.

    k: similar items an item. index: as of recommend.
    users: of those with held-out events, so many at most tell how good the look-up is.
    """

    k: Positive = 10
    index: Index = "exact"
    users: Positive = 20_000
