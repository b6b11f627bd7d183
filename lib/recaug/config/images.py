"""Section images: labelled pictures, what generates more of them, and what judges those."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import NonNegative, Positive, PositiveFloat, Share, Strict
from recaug.config.source import Source
from recaug.config.training import Optimiser


class ImageSource(Source, kw_only=True):
    """Labelled pictures: SQL expressions over the source's columns.

    image_id: what tells pictures apart. label: the picture's class.
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

    noise: NonNegative = 0.02
    rotation: NonNegative = 10.0
    scaling: Share = 0.1
    flip: bool = True


class ImageGANOptimiser(Optimiser, kw_only=True):
    """AdamW, as of Optimiser, for the generator of pictures."""

    epochs: Positive = 30
    learning_rate: PositiveFloat = 0.0002
    warmup_share: Share = 0.05
    clip_norm: PositiveFloat = 10.0


class ImageVAEOptimiser(Optimiser, kw_only=True):
    """AdamW, as of Optimiser; the bound is a sum over pixels, whose gradient is large."""

    epochs: Positive = 20
    warmup_share: Share = 0.05
    clip_norm: PositiveFloat = 1000.0


class ClassifierOptimiser(Optimiser, kw_only=True):
    """AdamW, as of Optimiser, with some decay of the weights, for the pictures are few."""

    epochs: Positive = 8
    learning_rate: PositiveFloat = 0.002
    weight_decay: NonNegative = 0.01
    clip_norm: PositiveFloat = 5.0


class ImageGAN(Strict, kw_only=True):
    """Class-conditional GAN of pictures.

    z_dim: numbers of the noise. loss: non-saturating, or hinge. spectral_norm: of the discriminator's layers.
    discriminator_learning_rate: of its own AdamW.
    width: channels of the last convolution. ema: decay of the averaged weights that samples come from. augmentation:
    the discriminator sees pictures through differentiable augmentation (Zhao et al. 2020), for small sets.
    """

    z_dim: Positive = 100
    width: Positive = 24
    loss: Literal["non_saturating", "hinge"] = "hinge"
    spectral_norm: bool = True
    augmentation: bool = True
    ema: Share = 0.995
    discriminator_learning_rate: PositiveFloat = 0.0004
    optimiser: ImageGANOptimiser = ImageGANOptimiser()


class ImageVAE(Strict, kw_only=True):
    """Class-conditional VAE of pictures; the pixels' sigma is learnt.

    z_dim: latent dimensions. width: channels of the last convolution. beta: weight of the KL.
    """

    z_dim: Positive = 32
    width: Positive = 24
    beta: NonNegative = 1.0
    optimiser: ImageVAEOptimiser = ImageVAEOptimiser()


class ImageClassifier(Strict, kw_only=True):
    """Judges pictures: trained on real ones, with and without generated ones, and asked about real ones.

    width: channels of the first convolution. dropout: chance that a feature is left out in a training step.
    """

    width: Positive = 24
    dropout: Share = 0.3
    optimiser: ClassifierOptimiser = ClassifierOptimiser()


class Images(Strict, kw_only=True):
    """Generated pictures and what they are worth, jobs/generate_images.py.

    size, channels: pictures are cut to size x size, grey or red, green and blue. network: of GAN and VAE.
    generators: `vae`, `gan`, and `classic`: real pictures enhanced; each is an arm beside the real pictures alone.
    per_class: so many real pictures a class, each a comparison of its own; null: all. generated: pictures an arm adds
    for each real one. seeds: of the classifiers. epoch_steps: of an epoch, whatever the number of pictures.
    """

    source: ImageSource
    size: Literal[28, 32] = 32
    channels: Literal[1, 3] = 3
    network: Literal["convolutional", "perceptron"] = "convolutional"
    generators: Annotated[list[Literal["vae", "gan", "classic"]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["vae", "gan", "classic"]
    )
    per_class: Annotated[list[Positive | None], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [10, 50, None]
    )
    generated: Positive = 1
    seeds: Positive = 3
    epoch_steps: Positive = 50
    classic: Enhancement = Enhancement()
    gan: ImageGAN = ImageGAN()
    vae: ImageVAE = ImageVAE()
    classifier: ImageClassifier = ImageClassifier()
