"""A user's context as a bag of items, for the generators' encoders."""

import torch
from torch import Tensor, nn


def distinct(items: Tensor) -> Tensor:
    """Keep each item of a row once, in ascending order with zeros in between.

    items: (batch, length) int64, 0 for padding. Returns (batch, length) int64; a repeated item becomes 0.
    """
    ordered = items.sort(dim=1).values
    repeated = torch.zeros_like(ordered, dtype=torch.bool)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return ordered.masked_fill(repeated, 0)


def last_items(items: Tensor) -> Tensor:
    """The last item of each left-aligned row, 0 where it is empty. items: (batch, length). Returns (batch,)."""
    lengths = (items > 0).sum(dim=1)
    return items.gather(1, (lengths - 1).clamp(min=0)[:, None]).squeeze(1)


def sample_prefixes(history: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Cut each row after a uniformly drawn number of events, 1 to length - 1 (1 for a row of one).

    history: (batch, length) left-aligned. Returns (batch, length) with zeros after the cut.
    """
    lengths = (history > 0).sum(dim=1)
    uniform = torch.rand(len(history), generator=generator, device=history.device)
    cuts = 1 + (uniform * (lengths - 1).clamp(min=1)).long()
    return history * (torch.arange(history.shape[1], device=history.device) < cuts[:, None])


def initial_bias(n_items: int, log_popularity: Tensor | None) -> Tensor:
    """(n_items + 1,) float32: what an output bias starts from; zeros if the popularity is not given."""
    if log_popularity is None:
        return torch.zeros(n_items + 1)
    if log_popularity.shape != (n_items + 1,):
        raise ValueError(f"log_popularity has shape {tuple(log_popularity.shape)}, not ({n_items + 1},)")
    return log_popularity.float().clone()


class Bag(nn.Module):
    """A linear layer over the multi-hot of a row's distinct items, scaled to length one (Liang et al. 2018).

    Sums the rows' embeddings instead of multiplying a vector as wide as the catalogue. Dropout drops items.
    sparse: the embedding's gradient holds the rows that were summed, and no others.
    """

    def __init__(self, n_items: int, dim: int, dropout: float = 0.0, sparse: bool = False) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(n_items + 1, dim, mode="sum", padding_idx=0, sparse=sparse)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.embedding.weight)
        with torch.no_grad():
            self.embedding.weight[0].zero_()

    def forward(self, items: Tensor) -> Tensor:
        """items: (batch, length) int64, 0 for padding, in any order. Returns (batch, dim) float32."""
        items = distinct(items)
        present = (items > 0).float()
        scale = present.sum(dim=1, keepdim=True).clamp(min=1).rsqrt()
        weights: Tensor = self.dropout(present * scale)
        return self.embedding(items, per_sample_weights=weights.to(self.embedding.weight.dtype)) + self.bias
