"""Popularity as a generator: whatever came before, the next item is drawn by its train events."""

import torch
from torch import Tensor

from recaug.training.models.context import initial_bias
from recaug.training.models.network import Network


class PopularityGenerator(Network):
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
