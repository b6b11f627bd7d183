"""Behaviour transformer: its settings, and how it is trained."""

from typing import Any, ClassVar, Literal

from torch import nn

from recaug.config.base import Positive, PositiveFloat, Share
from recaug.generators.learning import Watch
from recaug.generators.neural import NetworkOptimiser, Neural
from recaug.training.models.behaviour_transformer import BehaviourTransformer
from recaug.training.next_item import SASRecTask


class TransformerOptimiser(NetworkOptimiser, kw_only=True):
    """AdamW, as of Optimiser, as for a recommender that learns from every prefix."""

    epochs: Positive = 16
    batch_rows: Positive = 88
    learning_rate: PositiveFloat = 0.003


class Transformer(Neural, kw_only=True):
    """Behaviour transformer: what a recommender of the other folds' users, blended with their counts, says comes next.

    Its continuations hand the blend's knowledge to one model (distillation, Hinton et al. 2015; of rankings Tang and
    Wang 2018). It learns from each prefix of a history, as a row of its own.

    layers: as of sasrec. events: the last ones that are seen. dim: numbers of an item's embedding. blocks: of attention
        and feed-forward layers. heads: of the attention. dropout: chance that a number is left out in a training step.
    counted: share of the chances that goes by the counts, where it is informed. alike: and of it, that by what is alike
        in the catalogue, with attributes.
    """

    label = "transformer"
    colour = ("#a8452b", "#f0957c")
    network: ClassVar[type[nn.Module]] = BehaviourTransformer

    kind: Literal["transformer"] = "transformer"
    layers: Literal["sasrec", "ligr", "bsarec"] = "bsarec"
    events: Positive = 20
    dim: Positive = 64
    blocks: Positive = 2
    heads: Positive = 1
    dropout: Share = 0.5
    counted: Share = 0.3
    alike: Share = 0.2
    optimiser: TransformerOptimiser = TransformerOptimiser()

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        super().__post_init__()
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is no multiple of heads {self.heads}")
        if self.draw.new_users:
            raise ValueError("draw.new_users must be 0: without an event there is nothing that tells users apart")

    def arguments(self) -> dict[str, Any]:
        """Give what the network's constructor needs."""
        names = ("counted", "alike", "events", "layers", "dim", "blocks", "heads", "dropout")
        return {name: getattr(self, name) for name in names}

    def task(self, module: Any, discovery: bool, watch: Watch) -> "TransformerTask":
        """Give what is trained of the network."""
        return TransformerTask(module, self.optimiser.learning_rate, watch)


class TransformerTask(SASRecTask):
    """The next item after each prefix, by the full softmax."""

    def __init__(self, model: BehaviourTransformer, learning_rate: float, watched: Watch) -> None:
        super().__init__(model, learning_rate)
        self.generator, self.watched = model, watched

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Collapse and validation."""
        return self.watched.measure(self.generator, epoch, last)
