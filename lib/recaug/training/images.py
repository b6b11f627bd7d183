"""The image GAN, the image VAE and the classifier that judges them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.config import Images, Optimiser
from recaug.lake.store import Store
from recaug.training.batches import row_batches
from recaug.training.checkpoint import model_folder
from recaug.training.jobs import Plain
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models.behaviour_gan import DISCRIMINATOR_LOSSES, GENERATOR_LOSSES
from recaug.training.models.behaviour_vae import kl_divergence
from recaug.training.models.image_classifier import ImageClassifier
from recaug.training.models.image_gan import ImageGAN, differentiable_augmentation
from recaug.training.models.image_layers import to_unit
from recaug.training.models.image_vae import ImageVAE
from recaug.training.recommender import rows_per_rank
from recaug.training.worker import Worker

Kind = Literal["gan", "vae", "classifier"]


@dataclass(frozen=True, eq=False)
class ImageJob(Plain):
    """One model of pictures to train.

    name: in the progress bar and of the folder. files: of image_rows; content_hash: of those rows. An epoch is
    images.epoch_steps steps, whatever the number of pictures, so that every size has the same budget.
    """

    kind: Kind
    name: str
    config: Images
    models: Store
    files: Sequence[str]
    content_hash: str
    seed: int
    classes: int
    workers: int

    @property
    def section(self) -> Any:
        """The kind's own part of the configuration."""
        return getattr(self.config, self.kind)

    @property
    def optimiser(self) -> Optimiser:
        """Of the kind's section."""
        optimiser: Optimiser = self.section.optimiser
        return optimiser

    @property
    def steps_per_epoch(self) -> int:
        """The same for every size."""
        return self.config.epoch_steps

    @property
    def folder(self) -> Store:
        """Where the finished model will lie."""
        made_of = {
            "meta": self.meta(),
            "section": self.section,
            "steps": self.steps_per_epoch,
            "rows": self.content_hash,
            "seed": self.seed,
            "workers": self.workers,
        }
        return model_folder(self.models, f"image-{self.kind}", made_of)

    def meta(self) -> dict[str, Any]:
        """Architecture and arguments."""
        shape = {"size": self.config.size, "channels": self.config.channels, "width": self.section.width}
        arguments: dict[str, Any] = {"classes": self.classes, **shape}
        if self.kind == "classifier":
            arguments["dropout"] = self.config.classifier.dropout
        else:
            arguments |= {"network": self.config.network, "z_dim": self.section.z_dim}
        if self.kind == "gan":
            arguments["spectral_norm"] = self.config.gan.spectral_norm
        return {"arguments": arguments}

    def task(self, worker: Worker) -> "ImageGANTask | ImageVAETask | ClassifierTask":
        """Build the model."""
        arguments, shape = self.meta()["arguments"], (self.config.size, self.config.size, self.config.channels)
        if self.kind == "gan":
            return ImageGANTask(ImageGAN(**arguments), self.config, shape)
        if self.kind == "vae":
            return ImageVAETask(ImageVAE(**arguments), self.config, shape)
        return ClassifierTask(ImageClassifier(**arguments), self.config, shape)

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """Pictures and their classes."""
        rows = rows_per_rank(self.optimiser, worker)
        return row_batches(
            self.files,
            ["pixels", "code"],
            rows,
            seed=self.seed,
            shuffle_rows=rows * self.steps_per_epoch,
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
        )


def pictures_of(batch: Batch, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """A batch's pictures, (batch, channels, height, width) in -1 to 1, and their classes (batch,)."""
    return to_unit(batch["pixels"].view(-1, *shape)), batch["code"].long()


class ImageGANTask:
    """The discriminator and the generator in turn; both see pictures through differentiable augmentation."""

    def __init__(self, model: ImageGAN, config: Images, shape: tuple[int, int, int]) -> None:
        self.model, self.config, self.shape = model, config.gan, shape
        self.module: nn.Module = model
        self.parts: Mapping[str, ParameterGroup] = {
            "discriminator": ParameterGroup(
                list(model.discriminator.parameters()), config.gan.discriminator_learning_rate, (0.0, 0.99)
            ),
            "generator": ParameterGroup(
                list(model.generator.parameters()), config.gan.optimiser.learning_rate, (0.0, 0.99)
            ),
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """The discriminator, then the generator; then the averaged weights follow."""
        real, labels = pictures_of(batch, self.shape)
        see = differentiable_augmentation if self.config.augmentation else nn.Identity()
        rows = torch.tensor(float(len(real)), device=real.device)
        judge, loss = self.model.discriminator, self.config.loss
        with torch.no_grad():
            fake = self.model(self._noise(real), labels)
        told_real, told_fake = judge(see(real), labels), judge(see(fake), labels)
        yield Update("discriminator", DISCRIMINATOR_LOSSES[loss](told_real, told_fake).sum(), rows)
        scores = judge(see(self.model(self._noise(real), labels)), labels)
        yield Update("generator", GENERATOR_LOSSES[loss](scores).sum(), rows)
        self.model.follow(self.config.ema)

    def _noise(self, real: Tensor) -> Tensor:
        return torch.randn((len(real), self.config.z_dim), device=real.device)

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Deviation between samples of one class from other noise, in grey values from 0 to 1: 0 is collapse."""
        device, seed = next(self.model.parameters()).device, torch.Generator().manual_seed(epoch)
        labels = torch.arange(self.model.classes).repeat_interleave(8)
        with torch.no_grad():
            made = self.model.smooth(
                torch.randn((len(labels), self.config.z_dim), generator=seed).to(device),
                F.one_hot(labels, self.model.classes).float().to(device),
            )
        return {"spread": float(made.view(self.model.classes, 8, -1).std(dim=1).mean() / 2)}


class ImageVAETask:
    """The bound of each picture given its class."""

    def __init__(self, model: ImageVAE, config: Images, shape: tuple[int, int, int]) -> None:
        self.model, self.config, self.shape = model, config.vae, shape
        self.module: nn.Module = model
        self.parts: Mapping[str, ParameterGroup] = {
            "model": ParameterGroup(
                list(model.parameters()), config.vae.optimiser.learning_rate, (0.9, 0.999), (model.log_sigma,)
            )
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        pictures, labels = pictures_of(batch, self.shape)
        noise = torch.randn((len(pictures), self.config.z_dim), device=pictures.device)
        decoded, mu, log_variance = self.model(pictures, labels, noise)
        loss = self.model.negative_log_likelihood(decoded, pictures)
        loss = loss + self.config.beta * kl_divergence(mu, log_variance)
        yield Update("model", loss.sum(), torch.tensor(float(len(pictures)), device=pictures.device))

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """The learnt sigma of a pixel, in grey values from 0 to 1."""
        return {"sigma": float(self.model.log_sigma.detach().exp()) / 2}


class ClassifierTask:
    """Cross-entropy of the class."""

    def __init__(self, model: ImageClassifier, config: Images, shape: tuple[int, int, int]) -> None:
        self.model, self.shape = model, shape
        self.module: nn.Module = model
        self.parts: Mapping[str, ParameterGroup] = {
            "model": ParameterGroup(list(model.parameters()), config.classifier.optimiser.learning_rate, (0.9, 0.999))
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        pictures, labels = pictures_of(batch, self.shape)
        loss = F.cross_entropy(self.model(pictures), labels, reduction="sum")
        yield Update("model", loss, torch.tensor(float(len(pictures)), device=pictures.device))

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Nothing: it is judged where all are, in evaluate/images.py."""
        return {}
