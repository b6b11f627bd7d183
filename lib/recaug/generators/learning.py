"""What the training tasks of networks share: what is measured, and small help."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recaug.training.inputs import Validation
from recaug.training.models.covisitation import Informed
from recaug.training.validation import VALIDATION_NDCG, Samples, sample_diversity, validation_ndcg

VALIDATION_EPOCHS = 2  # validation NDCG every so many epochs, and after the last


@dataclass(frozen=True, eq=False)
class Watch:
    """What is measured of a generator while it trains."""

    validation: Validation
    mask_seen: bool
    seed: int
    device: torch.device

    def measure(self, model: Samples, epoch: int, last: bool) -> dict[str, float]:
        """Collapse of samples, and now and then the ranking of held-out items."""
        contexts = self.validation.histories[self.validation.histories[:, 0] > 0]
        metrics = sample_diversity(model, contexts, self.seed, self.device)
        if last or (epoch + 1) % VALIDATION_EPOCHS == 0:
            metrics[VALIDATION_NDCG] = validation_ndcg(model.next_logits, self.validation, self.mask_seen, self.device)
        return metrics


def fast(informed: Informed | None) -> tuple[nn.Parameter, ...]:
    """The scalars of the informed term: they have further to go than weights among thousands."""
    return tuple(informed.parameters()) if informed is not None else ()


def trimmed(items: Tensor) -> Tensor:
    """Cut a left-aligned batch to its longest row. items: (batch, length)."""
    return items[:, : max(int((items > 0).sum(dim=1).max()), 2)]
