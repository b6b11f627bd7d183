"""Behaviour generators, cross-fitted: generator k learns from every user fold but k."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from pyspark.sql import SparkSession
from torch import Tensor, nn

from recaug.config import GAN, VAE, Config, CoVisitation, Optimiser
from recaug.lake.store import Store
from recaug.results import TrainedModel
from recaug.training.batches import Columns, row_batches
from recaug.training.checkpoint import model_folder, start_from
from recaug.training.inputs import Neighbours, Validation
from recaug.training.jobs import train
from recaug.training.loop import Batch, Part, Update
from recaug.training.models import behaviour_gan, behaviour_vae, covisitation
from recaug.training.models.context import distinct, sample_prefixes
from recaug.training.recommender import SHUFFLE_ROWS, rows_per_rank, steps_per_epoch
from recaug.training.validation import collapse, validation_ndcg
from recaug.training.worker import Worker

VALIDATION_EPOCHS = 2  # validation NDCG every so many epochs, and after the last


@dataclass(frozen=True, eq=False)
class GeneratorJob:
    """One generator to train.

    fold: left out of its rows; None leaves nobody out.
    files: of sequences' train split; content_hash: of the rows and all else that is read.
    rows: train rows of the other folds with two events or more; they decide the steps.
    neighbours: co-visitation of the other folds, for an informed generator; alike: items alike in the catalogue, for
        one that is informed by attributes. validation: for the curves only.
    start: an earlier night's model of the fold, to go on from, and each item's index there (n_items + 1,), 0 for none.
    """

    kind: Literal["vae", "gan"]
    fold: int | None
    models: Store
    files: Sequence[str]
    content_hash: str
    rows: int
    seed: int
    n_items: int
    log_popularity: np.ndarray
    neighbours: Neighbours | None
    validation: Validation
    alike: Neighbours | None = None
    start: tuple[str, np.ndarray] | None = None


def train_generators(
    jobs: Sequence[GeneratorJob], spark: SparkSession, config: Config, title: str
) -> list[TrainedModel]:
    """Train every job in one launch; finished models are found again. Load one with checkpoint.load_generator.

    Raises TrainingError as jobs.train does.
    """
    runs = [
        _Run(
            job,
            _settings(job, config),
            config.covisitation,
            config.prepare.task == "discovery",
            config.training.workers,
        )
        for job in jobs
    ]
    return train(runs, spark, config.training, title)


def _settings(job: GeneratorJob, config: Config) -> VAE | GAN:
    """The generator's section; where it goes on from another, fewer epochs and neither annealing nor warm-up."""
    section = config.vae if job.kind == "vae" else config.gan
    if job.start is None:
        return section
    epochs = min(config.training.warm_epochs or section.optimiser.epochs, section.optimiser.epochs)
    optimiser = msgspec.structs.replace(section.optimiser, epochs=epochs)
    if isinstance(section, VAE):
        return msgspec.structs.replace(section, optimiser=optimiser, anneal_share=0.0)
    return msgspec.structs.replace(section, optimiser=optimiser, warmup_epochs=0)


@dataclass(frozen=True, eq=False)
class _Run:
    """A GeneratorJob with what the configuration adds."""

    job: GeneratorJob
    config: VAE | GAN
    covisitation: CoVisitation
    discovery: bool
    workers: int

    @property
    def name(self) -> str:
        return f"{self.job.kind}-{'all' if self.job.fold is None else f'fold{self.job.fold}'}"

    @property
    def generator(self) -> str:
        return self.job.kind

    @property
    def fold(self) -> int | None:
        return self.job.fold

    @property
    def start(self) -> str | None:
        return None if self.job.start is None else self.job.start[0]

    @property
    def seed(self) -> int:
        return self.job.seed

    @property
    def optimiser(self) -> Optimiser:
        return self.config.optimiser

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(self.job.rows, self.optimiser)

    @property
    def folder(self) -> Store:
        return model_folder(
            self.job.models,
            self.name,
            {
                "config": self.config,
                "meta": self.meta(),
                "discovery": self.discovery,
                "rows": self.job.content_hash,
                "log_popularity": self.job.log_popularity.tobytes(),
                "seed": self.seed,
                "workers": self.workers,
                "start": None
                if self.job.start is None
                else (Store(self.job.start[0]).name, self.job.start[1].tobytes()),
            },
        )

    def meta(self) -> dict[str, Any]:
        arguments = {
            "n_items": self.job.n_items,
            "hidden": self.config.hidden,
            "z_dim": self.config.z_dim,
            "dropout": self.config.dropout,
        }
        if isinstance(self.config, GAN):
            arguments["spectral_norm"] = self.config.spectral_norm
            arguments["minibatch_statistics"] = self.config.minibatch_statistics
        counts = self.covisitation
        return {
            "architecture": self.job.kind,
            "arguments": arguments,
            "covisitation": {"window": counts.window, "backward": counts.backward, "decay": counts.decay}
            if self.config.informed
            else None,
        }

    def task(self, worker: Worker) -> "VAETask | GANTask":
        meta, near, alike = self.meta(), None, None
        if self.job.neighbours is not None and meta["covisitation"] is not None:
            items, weights = (torch.from_numpy(table) for table in self.job.neighbours)
            near = covisitation.CoVisitation(items, weights, **meta["covisitation"])
        if near is not None and self.config.attributes and self.job.alike is not None:
            alike = covisitation.Likeness(*(torch.from_numpy(table) for table in self.job.alike))
        extra: dict[str, Any] = {
            "covisitation": near,
            "likeness": alike,
            "log_popularity": torch.from_numpy(self.job.log_popularity),
        }
        watch = Watch(self.job.validation, self.discovery, self.seed, worker.device)
        if isinstance(self.config, VAE):
            vae = behaviour_vae.BehaviourVAE(**meta["arguments"], **extra)
            self._start(vae)
            return VAETask(vae, self.config, self.discovery, watch)
        gan = behaviour_gan.BehaviourGAN(**meta["arguments"], **extra)
        self._start(gan)
        return GANTask(gan, self.config, self.discovery, watch)

    def _start(self, model: nn.Module) -> None:
        if self.job.start is not None:
            start_from(model, self.job.start[0], torch.from_numpy(self.job.start[1]))

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """Rows of the other folds with something to predict."""
        rows = rows_per_rank(self.optimiser, worker)
        shuffle = min(SHUFFLE_ROWS, max(self.job.rows // worker.size, rows))

        def keep(columns: Columns) -> np.ndarray:
            chosen: np.ndarray = (columns["fold"] != self.job.fold) & (columns["length"] >= 2)
            return chosen

        columns = ["items", "fold", "length"]
        return row_batches(
            self.job.files,
            columns,
            rows,
            seed=self.seed,
            shuffle_rows=shuffle,
            rank=worker.rank,
            size=worker.size,
            keep=keep,
        )


@dataclass(frozen=True, eq=False)
class Watch:
    """What is measured of a generator while it trains."""

    validation: Validation
    mask_seen: bool
    seed: int
    device: torch.device

    def measure(
        self, model: behaviour_vae.BehaviourVAE | behaviour_gan.BehaviourGAN, epoch: int, last: bool
    ) -> dict[str, float]:
        """Collapse of samples, and now and then the ranking of held-out items."""
        contexts = self.validation.histories[self.validation.histories[:, 0] > 0]
        metrics = collapse(model, contexts, self.seed, self.device)
        if last or (epoch + 1) % VALIDATION_EPOCHS == 0:
            metrics["validation_ndcg@10"] = validation_ndcg(
                model.next_logits, self.validation, self.mask_seen, self.device
            )
        return metrics


class VAETask:
    """The beta-VAE's bound for the bag of what is to come, seen through a prefix of the history."""

    def __init__(self, model: behaviour_vae.BehaviourVAE, config: VAE, discovery: bool, watch: Watch) -> None:
        self.model, self.config, self.discovery, self.watch = model, config, discovery, watch
        self.module: nn.Module = model
        self.parts: Mapping[str, Part] = {
            "model": Part(list(model.parameters()), config.optimiser.learning_rate, (0.9, 0.999), fast(model.informed))
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        history = trimmed(batch["items"])
        whole = self.config.predicts == "history"
        context = history if whole else sample_prefixes(history)
        to_come = history if whole else history.masked_fill(context > 0, 0)
        noise = torch.randn(len(history), self.config.z_dim, device=history.device)
        logits, mu, log_variance = self.model(context, history, noise)
        if self.discovery and not whole:
            logits = logits.scatter(1, context, -torch.inf)  # what was seen cannot come again
        beta = self.config.beta * min(1.0, share / max(self.config.anneal_share, 1e-9))
        loss = behaviour_vae.negative_elbo(
            logits, to_come, mu, log_variance, beta=beta, free_bits=self.config.free_bits
        )
        yield Update("model", loss.sum(), (distinct(to_come) > 0).sum())

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Collapse and validation."""
        return self.watch.measure(self.model, epoch, last)


class GANTask:
    """The discriminator and the generator in turn on each batch; the generator by maximum likelihood first."""

    def __init__(self, model: behaviour_gan.BehaviourGAN, config: GAN, discovery: bool, watch: Watch) -> None:
        self.model, self.config, self.discovery, self.watch = model, config, discovery, watch
        self.module: nn.Module = model
        betas = (0.5, 0.999)  # little momentum: the two chase each other (Radford et al. 2016)
        warmup, rate = config.warmup_epochs, config.optimiser.learning_rate
        generator, informed = list(model.generator.parameters()), fast(model.generator.informed)
        self.parts: Mapping[str, Part] = {
            "likelihood": Part(generator, rate, (0.9, 0.999), informed, (0, warmup)),
            "generator": Part(generator, rate, betas, informed, (warmup, None)),
            "discriminator": Part(
                list(model.discriminator.parameters()), config.discriminator_learning_rate, betas, (), (0, None)
            ),
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """The discriminator, then the generator: by likelihood alone in the warm-up, then against the discriminator."""
        history = trimmed(batch["items"])
        context = sample_prefixes(history)
        to_come = history.masked_fill(context > 0, 0)
        rows = torch.tensor(float(len(history)), device=history.device)
        yield Update("discriminator", self._discriminator_loss(context, history, to_come).sum(), rows)
        if epoch < self.config.warmup_epochs:
            logits = self._logits(context, history)
            yield Update(
                "likelihood", behaviour_vae.multinomial_nll(logits, to_come).sum(), (distinct(to_come) > 0).sum()
            )
            return
        yield Update("generator", self._generator_loss(context, history, to_come).sum(), rows)

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Collapse and validation."""
        return self.watch.measure(self.model, epoch, last)

    def _logits(self, context: Tensor, history: Tensor) -> Tensor:
        """Logits from fresh noise; what was seen cannot come again in discovery."""
        z = torch.randn(len(context), self.config.z_dim, device=context.device)
        logits: Tensor = self.model.generator(z, context, history)
        return logits.scatter(1, context, -torch.inf) if self.discovery else logits

    def _discriminator_loss(self, context: Tensor, history: Tensor, to_come: Tensor) -> Tensor:
        """Mean over so many pairs of an item to come, each as likely, and a generated one."""
        judge, n = self.model.discriminator, self.config.discriminator_items
        with torch.no_grad():
            generated = torch.multinomial(torch.softmax(self._logits(context, history), dim=1), n, replacement=True)
        chosen = to_come.gather(1, torch.multinomial((to_come > 0).float(), n, replacement=True))
        real, fake = judge.items(chosen), judge.items(generated)  # each (batch, n, hidden)
        loss = behaviour_gan.DISCRIMINATOR_LOSSES[self.config.loss](judge(context, real), judge(context, fake))
        if self.config.loss == "wasserstein" and self.config.gradient_penalty:
            penalty = behaviour_gan.gradient_penalty(judge, context, real, fake)
            loss = loss + self.config.gradient_penalty * penalty
        return loss.mean(dim=1) + judge.spread_error(real)

    def _generator_loss(self, context: Tensor, history: Tensor, to_come: Tensor) -> Tensor:
        judge, logits = self.model.discriminator, self._logits(context, history)
        fake = behaviour_gan.gumbel_one_hot(logits, self.config.gumbel_temperature) @ judge.items.weight
        loss = behaviour_gan.GENERATOR_LOSSES[self.config.loss](judge(context, fake))
        if self.config.likelihood_weight:
            items = (distinct(to_come) > 0).sum(dim=1).clamp(min=1)
            loss = loss + self.config.likelihood_weight * behaviour_vae.multinomial_nll(logits, to_come) / items
        return loss


def fast(informed: covisitation.Informed | None) -> tuple[nn.Parameter, ...]:
    """The scalars of the informed term: they have further to go than weights among thousands."""
    return tuple(informed.parameters()) if informed is not None else ()


def trimmed(items: Tensor) -> Tensor:
    """Cut a left-aligned batch to its longest row. items: (batch, length)."""
    return items[:, : max(int((items > 0).sum(dim=1).max()), 2)]
