"""The behaviour VAE: its settings, and how it is trained."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import msgspec
import torch
from torch import Tensor, nn

from recaug.config.base import Count, NonNegative, Positive, Share
from recaug.errors import ConfigError
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.learning import Watch, fast, trimmed
from recaug.generators.neural import Neural, NeuralJob
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models.behaviour_vae import BehaviourVAE, negative_elbo
from recaug.training.models.context import distinct, sample_prefixes


class VAE(Neural, kw_only=True):
    """Behaviour VAE: multinomial likelihood, KL annealed to `beta` over `anneal_share` of the steps.

    hidden: numbers of a hidden layer. z_dim: latent dimensions. dropout: share of the bag that a training step hides.
    beta: weight of the KL. anneal_share: of the steps, over which it rises from 0.
    free_bits: nats a latent dimension that the KL does not punish.
    predicts: what comes after a prefix of the history (`to_come`), or the `history` itself, whose bag is then seen
        through the dropout alone (Liang et al. 2018).
    full_softmax_items: catalogues up to this size are scored as a whole; of larger ones candidates are, a context's
        neighbours and draws by popularity, corrected by their probability, in training and where rows are drawn.
    """

    label = "VAE"
    private: ClassVar[bool] = True
    colour = ("#1f6fc4", "#6cb0f5")
    network: ClassVar[type[nn.Module]] = BehaviourVAE

    kind: Literal["vae"] = "vae"
    hidden: Positive = 200
    z_dim: Positive = 64
    dropout: Share = 0.5
    beta: NonNegative = 0.2
    anneal_share: Share = 0.5
    free_bits: NonNegative = 0.0
    predicts: Literal["to_come", "history"] = "to_come"
    full_softmax_items: Count = 20_000

    def arguments(self) -> dict[str, Any]:
        """Give what the network's constructor needs."""
        names = ("hidden", "z_dim", "dropout", "full_softmax_items")
        return {name: getattr(self, name) for name in names}

    def task(self, module: Any, discovery: bool, watch: Watch) -> "VAETask":
        """Give what is trained of the network."""
        return VAETask(module, self, discovery, watch)

    def jobs(self, inputs: GeneratorInputs) -> list[NeuralJob]:
        """As of Neural. Raises ConfigError where it would learn by candidates, of which no gradient can be bounded."""
        jobs = super().jobs(inputs)
        if inputs.private is not None and (n := max(job.left.n_items for job in jobs)) > self.full_softmax_items:
            raise ConfigError(
                f"{self.name}: with privacy.epsilon set full_softmax_items to {n} or more, for it has {n}"
            )
        return jobs

    def warm(self, epochs: int) -> Self:
        """Fewer epochs, and no annealing."""
        return msgspec.structs.replace(super().warm(epochs), anneal_share=0.0)


class VAETask:
    """The beta-VAE's bound for the bag of what is to come, seen through a prefix of the history."""

    def __init__(self, model: BehaviourVAE, config: "VAE", discovery: bool, watch: Watch) -> None:
        self.model, self.config, self.discovery, self.watch = model, config, discovery, watch
        self.module: nn.Module = model
        self.parts: Mapping[str, ParameterGroup] = {
            "model": ParameterGroup(
                list(model.parameters()),
                config.optimiser.learning_rate,
                (0.9, 0.999),
                fast(model.head.informed),
                tables=tuple(model.tables()),
            )
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        loss, to_come = self._losses(batch, share, exact=True)
        yield Update("model", loss.sum(), (distinct(to_come) > 0).sum())

    def losses(self, batch: Batch, share: float) -> Tensor:
        """Each user's loss, of counts with noise, which hold no pair of the user's that could be taken out."""
        return self._losses(batch, share, exact=False)[0]

    def _losses(self, batch: Batch, share: float, exact: bool) -> tuple[Tensor, Tensor]:
        """Each row's loss, and what is to come. exact: the row's own pairs are taken out of the counts."""
        history = trimmed(batch["items"])
        whole = self.config.predicts == "history"
        context = history if whole else sample_prefixes(history)
        to_come = history if whole else history.masked_fill(context > 0, 0)
        noise = torch.randn(len(history), self.config.z_dim, device=history.device)
        scores, mu, log_variance = self.model(context, history if exact else None, noise, to_come)
        if self.discovery and not whole:
            scores = scores.without(context)  # what was seen cannot come again
        beta = self.config.beta * min(1.0, share / max(self.config.anneal_share, 1e-9))
        loss = negative_elbo(scores, to_come, mu, log_variance, beta=beta, free_bits=self.config.free_bits)
        return loss, to_come

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Collapse and validation."""
        return self.watch.measure(self.model, epoch, last)
