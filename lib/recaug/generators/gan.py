"""The behaviour GAN: its settings, how it is trained, and how its discriminator rejects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import msgspec
import torch
from torch import Tensor, nn

from recaug.config.base import Count, NonNegative, Positive, PositiveFloat, Share
from recaug.generators.base import Contexts, DrawBoth
from recaug.generators.learning import Watch, fast, trimmed
from recaug.generators.neural import NetworkOptimiser, Neural
from recaug.generators.rejection import reject
from recaug.generators.samplers import Continuing, NewUsers, Several
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models.behaviour_gan import (
    DISCRIMINATOR_LOSSES,
    GENERATOR_LOSSES,
    BehaviourGAN,
    gradient_penalty,
    gumbel_one_hot,
)
from recaug.training.models.behaviour_vae import multinomial_nll
from recaug.training.models.context import distinct, sample_prefixes
from recaug.training.models.scores import Scores, Seen


class DrawRejecting(DrawBoth):
    """Continuations and histories of the GAN, whose discriminator can reject what is drawn.

    oversampling: continuations drawn for each to be kept; the discriminator rejects the others. 1: none is.
    """

    temperature: PositiveFloat = 1.0
    weight: NonNegative = 0.3
    histories: NonNegative = 0.1
    oversampling: Positive = 1


class GANOptimiser(NetworkOptimiser, kw_only=True):
    """epochs: those of maximum likelihood included, so that half of them are of the game."""

    epochs: Positive = 4


class GAN(Neural, kw_only=True):
    """Behaviour GAN: noise and context to the next item, straight-through Gumbel-softmax.

    hidden: numbers of a hidden layer. z_dim: of the noise. dropout: share of the bag that a training step hides.
    warmup_epochs: of maximum likelihood, first. loss: `non_saturating` (Goodfellow et al. 2014), `hinge`, `wasserstein`
        (with gradient penalty). gradient_penalty: its weight; `wasserstein` wants 10. spectral_norm: of the
        discriminator's layers. likelihood_weight: share of the likelihood that stays in the generator's loss.
    minibatch_statistics: the discriminator sees how far a batch's items spread (Karras et al. 2018).
    gumbel_temperature: of the relaxed sample. discriminator_learning_rate: of its own AdamW.
    discriminator_items: items to come, and as many generated ones, that it judges of each row of a step.
    full_softmax_items: as of the VAE.
    """

    label = "GAN"
    colour = ("#b04c06", "#f0924a")
    network: ClassVar[type[nn.Module]] = BehaviourGAN

    kind: Literal["gan"] = "gan"
    hidden: Positive = 200
    z_dim: Positive = 64
    dropout: Share = 0.5
    warmup_epochs: Count = 2
    loss: Literal["non_saturating", "hinge", "wasserstein"] = "non_saturating"
    spectral_norm: bool = True
    minibatch_statistics: bool = False
    gradient_penalty: NonNegative = 0.0
    likelihood_weight: NonNegative = 1.0
    gumbel_temperature: PositiveFloat = 1.0
    discriminator_learning_rate: PositiveFloat = 0.005
    discriminator_items: Positive = 16
    full_softmax_items: Count = 20_000
    optimiser: GANOptimiser = GANOptimiser()
    draw: DrawRejecting = DrawRejecting()

    def arguments(self) -> dict[str, Any]:
        """Give what the network's constructor needs."""
        names = ("hidden", "z_dim", "dropout", "spectral_norm", "minibatch_statistics", "full_softmax_items")
        return {name: getattr(self, name) for name in names}

    def task(self, module: Any, discovery: bool, watch: Watch) -> "GANTask":
        """Give what is trained of the network."""
        return GANTask(module, self, discovery, watch)

    def warm(self, epochs: int) -> Self:
        """Fewer epochs, and none of likelihood."""
        return msgspec.structs.replace(super().warm(epochs), warmup_epochs=0)

    def sampler(self, folder: str) -> Several:
        """Continuations, of which some are rejected, then generated users."""
        model = self.model(folder)
        return Several((Rejecting(model, self.draw, self.draw.oversampling), NewUsers(model, self.draw)))


@dataclass(frozen=True)
class Rejecting(Continuing):
    """Continuing with more draws than are kept: the discriminator rejects some (Azadi et al. 2019)."""

    oversampling: int

    def pick(self, contexts: Contexts, seen: Seen | None, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """See Continuing."""
        if self.oversampling == 1:
            return super().pick(contexts, seen, random)
        n, scores = self.settings.continuations, self.model.scores(contexts, random)
        chosen = scores.draw(n * self.oversampling, self.settings.temperature, random, seen)
        return reject(chosen, self.model.fidelity(contexts.items, chosen, scores), n, random)


class GANTask:
    """The discriminator and the generator in turn on each batch; the generator by maximum likelihood first."""

    def __init__(self, model: BehaviourGAN, config: "GAN", discovery: bool, watch: Watch) -> None:
        self.model, self.config, self.discovery, self.watch = model, config, discovery, watch
        self.module: nn.Module = model
        betas = (0.5, 0.999)  # little momentum: the two chase each other (Radford et al. 2016)
        warmup, rate = config.warmup_epochs, config.optimiser.learning_rate
        generator, informed = list(model.generator.parameters()), fast(model.generator.head.informed)
        tables = tuple(model.generator.tables())
        self.parts: Mapping[str, ParameterGroup] = {
            "likelihood": ParameterGroup(generator, rate, (0.9, 0.999), informed, (0, warmup), tables),
            "generator": ParameterGroup(generator, rate, betas, informed, (warmup, None), tables),
            "discriminator": ParameterGroup(
                list(model.discriminator.parameters()),
                config.discriminator_learning_rate,
                betas,
                tables=tuple(model.discriminator.tables()),
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
            scores = self._scores(context, history, to_come)
            yield Update("likelihood", multinomial_nll(scores, to_come).sum(), (distinct(to_come) > 0).sum())
            return
        yield Update("generator", self._generator_loss(context, history, to_come).sum(), rows)

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Collapse and validation."""
        return self.watch.measure(self.model, epoch, last)

    def _scores(self, context: Tensor, history: Tensor, to_come: Tensor) -> Scores:
        """Scores from fresh noise, that have what is to come; what was seen cannot come again in discovery."""
        generator = self.model.generator
        hidden = generator(torch.randn(len(context), self.config.z_dim, device=context.device), context)
        scores = generator.head.scores(hidden, context, history, targets=to_come)
        return scores.without(context) if self.discovery else scores

    def _discriminator_loss(self, context: Tensor, history: Tensor, to_come: Tensor) -> Tensor:
        """Mean over so many pairs of an item to come, each as likely, and a generated one."""
        judge, n = self.model.discriminator, self.config.discriminator_items
        with torch.no_grad():
            generated = self._scores(context, history, to_come).sample(n)
        chosen = to_come.gather(1, torch.multinomial((to_come > 0).float(), n, replacement=True))
        real, fake = judge.items(chosen), judge.items(generated)  # each (batch, n, hidden)
        loss = DISCRIMINATOR_LOSSES[self.config.loss](judge(context, real), judge(context, fake))
        if self.config.loss == "wasserstein" and self.config.gradient_penalty:
            penalty = gradient_penalty(judge, context, real, fake)
            loss = loss + self.config.gradient_penalty * penalty
        return loss.mean(dim=1) + judge.spread_error(real)

    def _generator_loss(self, context: Tensor, history: Tensor, to_come: Tensor) -> Tensor:
        judge, scores = self.model.discriminator, self._scores(context, history, to_come)
        one_hot = gumbel_one_hot(scores.weighed(scores.logits), self.config.gumbel_temperature)
        fake = scores.mean(one_hot, judge.items)
        loss = GENERATOR_LOSSES[self.config.loss](judge(context, fake))
        if self.config.likelihood_weight:
            items = (distinct(to_come) > 0).sum(dim=1).clamp(min=1)
            loss = loss + self.config.likelihood_weight * multinomial_nll(scores, to_come) / items
        return loss
