"""Behaviour diffusion: its settings, and how it is trained (Wang et al. 2023)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from recaug.config.base import NonNegative, Positive, PositiveFloat, PositiveShare, Share
from recaug.generators.learning import Watch, fast, trimmed
from recaug.generators.neural import NetworkOptimiser, Neural
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models.behaviour_diffusion import BehaviourDiffusion
from recaug.training.models.behaviour_vae import multinomial_nll
from recaug.training.models.context import distinct, sample_prefixes
from recaug.training.models.scores import Scores


class DiffusionOptimiser(NetworkOptimiser, kw_only=True):
    """AdamW, as of Optimiser, with the small steps that Beauty and Toys want."""

    epochs: Positive = 4
    learning_rate: PositiveFloat = 0.0003


class Diffusion(Neural, kw_only=True):
    """Behaviour diffusion: noise on the bag of a prefix, and a denoiser that says what is to come.

    hidden: numbers of the denoiser's hidden layer. dropout: share of the bag that a training step hides.
    steps: of the noise. first_noise, last_noise: its variance at the first and the last step, where the bag has length
        one; it rises linearly between them. sampling_steps: so many are added and removed when it is sampled.
    reconstruction: weight of the likelihood of the whole bag, beside that of what is to come.
    """

    label = "diffusion"
    colour = ("#5b4fc7", "#a99ff2")
    network: ClassVar[type[nn.Module]] = BehaviourDiffusion

    kind: Literal["diffusion"] = "diffusion"
    hidden: Positive = 200
    dropout: Share = 0.5
    steps: Positive = 5
    first_noise: PositiveFloat = 0.01
    last_noise: PositiveShare = 0.1
    sampling_steps: Positive = 1
    reconstruction: NonNegative = 0.5
    optimiser: DiffusionOptimiser = DiffusionOptimiser()

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        super().__post_init__()
        if self.sampling_steps > self.steps:
            raise ValueError(f"sampling_steps {self.sampling_steps} is above steps {self.steps}")
        if not self.first_noise <= self.last_noise < 1:
            raise ValueError(f"first_noise {self.first_noise} and last_noise {self.last_noise} do not rise below 1")
        if self.draw.new_users:
            raise ValueError("draw.new_users must be 0: so little noise is no prior that users could be drawn from")

    def arguments(self) -> dict[str, Any]:
        """Give what the network's constructor needs."""
        names = ("hidden", "dropout", "steps", "first_noise", "last_noise", "sampling_steps")
        return {name: getattr(self, name) for name in names}

    def task(self, module: Any, discovery: bool, watch: Watch) -> "DiffusionTask":
        """Give what is trained of the network."""
        return DiffusionTask(module, self, discovery, watch)


class DiffusionTask:
    """The bound for the bag of what is to come, seen through a prefix of the history and noise.

    A row's step is drawn by its weight in the bound (Schedule.chances), which needs no memory of earlier losses: ranks
    and resumed trainings draw alike.
    """

    def __init__(self, model: BehaviourDiffusion, config: Diffusion, discovery: bool, watch: Watch) -> None:
        self.model, self.config, self.discovery, self.watch = model, config, discovery, watch
        self.module: nn.Module = model
        self.chances = model.schedule.chances()
        self.parts: Mapping[str, ParameterGroup] = {
            "model": ParameterGroup(
                list(model.parameters()), config.optimiser.learning_rate, (0.9, 0.999), fast(model.head.informed)
            )
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        history = trimmed(batch["items"])
        context = sample_prefixes(history)
        to_come = history.masked_fill(context > 0, 0)
        chances = self.chances.to(history.device)
        logits = self.model(context, history, 1 + torch.multinomial(chances, len(history), replacement=True))
        unseen = logits.scatter(1, context, -torch.inf) if self.discovery else logits  # nothing comes again
        loss = multinomial_nll(Scores(unseen), to_come)
        if self.config.reconstruction:
            loss = loss + self.config.reconstruction * multinomial_nll(Scores(logits), history)
        yield Update("model", loss.sum(), (distinct(to_come) > 0).sum())

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Collapse and validation."""
        return self.watch.measure(self.model, epoch, last)
