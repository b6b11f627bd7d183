"""What every generator's network has."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from recaug.training.models.scores import Scores


class Network(nn.Module):
    """A network that says what comes next."""

    @abstractmethod
    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Logits of the next item of each context, with noise, or without any where no generator is given.

        items: (batch, length) int64 left-aligned, 0 for padding. Returns (batch, n_items + 1), -inf at padding.
        """

    @torch.no_grad()
    def scores(self, items: Tensor, generator: torch.Generator) -> Scores:
        """What is sampled from: with noise, of the whole catalogue or of candidates. items: as of next_logits."""
        return Scores(self.next_logits(items, generator))

    @torch.no_grad()
    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """How real each generated item is: its likelihood over that of the likeliest one.

        items: (batch, length), the contexts; generated: (batch, n), drawn from scores. Returns (batch, n) in 0 to 1.
        """
        return scores.relative(generated)
