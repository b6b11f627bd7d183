"""Popularity as a generator: whatever came before, the next item is drawn by its train events."""

import torch
from torch import Tensor, nn

from recaug.training.models.context import initial_bias
from recaug.training.models.item_head import relative_likelihood


class PopularityGenerator(nn.Module):
    """Nothing is trained. log_popularity: (n_items + 1,), as training.inputs.log_popularity gives it."""

    log_popularity: Tensor

    def __init__(self, n_items: int, log_popularity: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("log_popularity", initial_bias(n_items, log_popularity))

    @torch.no_grad()
    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The same for each context. items: (batch, length). Returns (batch, n_items + 1), -inf at padding."""
        logits = self.log_popularity.expand(len(items), -1).clone()
        logits[:, 0] = -torch.inf
        return logits

    @torch.no_grad()
    def fidelity(self, items: Tensor, generated: Tensor, logits: Tensor) -> Tensor:
        """Popularity of each generated item over that of the most popular one. Returns (batch, n) in 0 to 1."""
        return relative_likelihood(generated, logits)
