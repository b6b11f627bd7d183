"""Two towers over hashed terms: a query and an item that go together lie close (Huang et al. 2013)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TwoTower(nn.Module):
    """Weighted sum of the vectors of a text's hashed terms, then a layer of each tower's own, to length 1.

    Both towers share the terms' vectors. They start as chance has them and a term's weight as its idf, so that the
    cosine is near that of tf-idf before anything is learnt (Johnson and Lindenstrauss 1984).

    idf: (buckets + 1,) of the items, 0 for padding; None: all alike, for load_model.
    """

    def __init__(
        self, *, buckets: int, dim: int, dropout: float, temperature: float, idf: Tensor | None = None
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.terms = nn.Parameter(torch.randn(buckets + 1, dim) / math.sqrt(dim))
        weights = torch.ones(buckets + 1) if idf is None else idf.float().clamp(min=0.05)
        self.term_weights = nn.Parameter(torch.log(torch.expm1(weights)))
        self.of_query, self.of_item = _near_identity(dim), _near_identity(dim)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def queries(self, terms: Tensor) -> Tensor:
        """terms: (batch, width) int64, 0 for none. Returns (batch, dim) of length 1; 0 of a text without terms."""
        return self._tower(terms, self.of_query)

    def items(self, terms: Tensor) -> Tensor:
        """As queries."""
        return self._tower(terms, self.of_item)

    def logits(self, queries: Tensor, items: Tensor) -> Tensor:
        """Cosines over the temperature: (queries, items)."""
        return queries @ items.T * self.log_scale.exp().clamp(max=100.0)

    def _tower(self, terms: Tensor, layer: nn.Linear) -> Tensor:
        seen = terms > 0
        if self.training and self.dropout:
            seen = seen & (torch.rand(terms.shape, device=terms.device) >= self.dropout)
        weights = F.softplus(self.term_weights)[terms] * seen
        bag = F.embedding_bag(terms, self.terms, mode="sum", per_sample_weights=weights)
        return F.normalize(layer(bag), dim=1) * seen.any(dim=1, keepdim=True)


def _near_identity(dim: int) -> nn.Linear:
    layer = nn.Linear(dim, dim, bias=False)
    nn.init.eye_(layer.weight)
    return layer


def in_batch_softmax(logits: Tensor, log_frequency: Tensor, banned: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of each query's own item among those of the batch, corrected for how often an item is there.

    logits: (batch, batch), the own item on the diagonal; log_frequency: (batch,) of the items, as a share of the pairs
    (Yi et al. 2019); banned: (batch, batch) bool, items that are relevant, too, and so no negatives; weights: (batch,).
    Returns a scalar, nats, summed.
    """
    corrected = logits - log_frequency[None, :]
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    corrected = corrected.masked_fill(banned & ~own, -torch.inf)
    losses = F.cross_entropy(corrected, torch.arange(len(logits), device=logits.device), reduction="none")
    return (losses * weights).sum()
