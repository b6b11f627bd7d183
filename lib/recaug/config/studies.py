"""Sections of the studies: benchmark, learning_curve, attributes and images."""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta

from recaug.config.base import Count, NonNegative, Positive, PositiveFloat, PositiveShare, Share, Strict
from recaug.config.generators import Entry
from recaug.config.prepare import Prepare
from recaug.config.source import Source
from recaug.config.training import Optimiser


class CountsGrid(Strict, kw_only=True):
    """Settings of the co-visitation counts to try, in every combination; see CoVisitation."""

    window: list[Positive]
    backward: list[NonNegative]
    decay: list[Share]


class ALSGrid(Strict, kw_only=True):
    """Settings of Spark's implicit ALS (Hu, Koren and Volinsky 2008) to try, in every combination."""

    rank: list[Positive]
    regularisation: list[PositiveFloat]
    alpha: list[PositiveFloat]
    iterations: Positive


class Benchmark(Strict, kw_only=True):
    """What jobs/benchmark_recommenders.py compares: validation chooses each model's settings, the test is seen once.

    date: the night whose windows, or leave-one-out, are compared.
    models: in the table's order. vae: a generator's network, from every user's rows; content: by the catalogue's words
        and attributes; blend: a mixture of covisitation and sasrec.
    vae: the settings of that network, an entry as of augment.generators, of which nothing is drawn.
    seeds: of each deep model. content: decays of older events to try. blend: shares of covisitation to try.
    folds: of the cross-validation. With prepare.split `time` their nights lie step_days apart and end with `date`
        (rolling origin); with `users` each holds out other users. The table is over the users of all folds.
    """

    date: dt.date
    models: list[Literal["popularity", "als", "content", "covisitation", "vae", "sasrec", "blend"]]
    seeds: Positive
    folds: Positive = 1
    step_days: Positive = 7
    covisitation: CountsGrid
    als: ALSGrid
    vae: Entry | None = None
    content: list[Share]
    blend: list[Share]

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
    shares: Annotated[list[PositiveShare], Meta(min_length=1)]


class ItemEnhancement(Strict, kw_only=True):
    """Classic enhancement of items: copies that the attribute VAE learns from beside the real ones, in as many steps.

    copies: of each item. noise: on a number, in its standard deviations. typos, dropped_words: chance of a word of
    title or text to be typed wrongly, or to be left out.
    """

    copies: Positive
    noise: NonNegative = 0.0
    typos: Share = 0.0
    dropped_words: Share = 0.0


class Attributes(Strict, kw_only=True):
    """Completion of the catalogue by a multimodal VAE, jobs/complete_attributes.py.

    The modalities are every categorical, multi-valued, numeric and vector attribute, the text and the behaviour: what
    is known of the items that users had together with this one.

    text: which of the columns title and text make the text modality, as words and pairs of words hashed into
        text_buckets. min_items: a value that fewer items have is neither learnt nor filled in.
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
    """

    text: list[Literal["title", "text"]] = []
    text_buckets: Positive = 4096
    min_items: Positive
    neighbours: Positive
    behaviour_dim: Count
    classic: ItemEnhancement | None = None
    members: Positive = 1
    hidden: Positive
    z_dim: Positive
    dropout: Share
    drop: Share
    drop_behaviour: Share
    beta: NonNegative
    anneal_share: Share
    validation_share: PositiveShare
    test_share: PositiveShare
    min_probability: Share
    max_doubt: Share
    tolerance: PositiveFloat = 0.1
    optimiser: Optimiser

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to learn from")


class ImageSource(Source, kw_only=True):
    """Labelled pictures: SQL expressions over the source's columns.

    image: the bytes of a picture, or the path of a file that the executors see. split: train, validation or test; null:
        a tenth each is held out, by a hash of image_id.
    """

    image_id: str
    image: str
    label: str
    split: str | None = None


class Enhancement(Strict, kw_only=True):
    """Classic enhancement of pictures, each by numbers of its own.

    noise: standard deviation, of values from 0 to 1. rotation: degrees, to both sides. scaling: share, up and down.
    flip: left to right, every other one.
    """

    noise: NonNegative
    rotation: NonNegative
    scaling: Share
    flip: bool


class ImageGAN(Strict, kw_only=True):
    """Class-conditional GAN of pictures.

    width: channels of the last convolution. ema: decay of the averaged weights that samples come from. augmentation:
    the discriminator sees pictures through differentiable augmentation (Zhao et al. 2020), for small sets.
    """

    z_dim: Positive
    width: Positive
    loss: Literal["non_saturating", "hinge"]
    spectral_norm: bool
    augmentation: bool
    ema: Share
    discriminator_learning_rate: PositiveFloat
    optimiser: Optimiser


class ImageVAE(Strict, kw_only=True):
    """Class-conditional VAE of pictures; the pixels' sigma is learnt."""

    z_dim: Positive
    width: Positive
    beta: NonNegative
    optimiser: Optimiser


class ImageClassifier(Strict, kw_only=True):
    """Judges pictures: trained on real ones, with and without generated ones, and asked about real ones."""

    width: Positive
    dropout: Share
    optimiser: Optimiser


class Images(Strict, kw_only=True):
    """Generated pictures and what they are worth, jobs/generate_images.py.

    size, channels: pictures are cut to size x size, grey or red, green and blue. network: of GAN and VAE.
    generators: `vae`, `gan`, and `classic`: real pictures enhanced; each is an arm beside the real pictures alone.
    per_class: so many real pictures a class, each a comparison of its own; null: all. generated: pictures an arm adds
    for each real one. seeds: of the classifiers. epoch_steps: of an epoch, whatever the number of pictures.
    """

    source: ImageSource
    size: Literal[28, 32]
    channels: Literal[1, 3]
    network: Literal["convolutional", "perceptron"]
    generators: Annotated[list[Literal["vae", "gan", "classic"]], Meta(min_length=1)]
    per_class: Annotated[list[Positive | None], Meta(min_length=1)]
    generated: Positive
    seeds: Positive
    epoch_steps: Positive
    classic: Enhancement
    gan: ImageGAN
    vae: ImageVAE
    classifier: ImageClassifier
