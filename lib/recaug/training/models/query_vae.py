"""A conditional VAE over a query's terms, given its item: what it adds to the counts' logits starts at nothing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class QueryVAE(nn.Module):
    """q(z | query, item) and p(query | item, z), a multinomial over query terms (Sohn et al. 2015; Liang et al. 2018).

    Logits are those of the counts and a change that the decoder makes, whose last layer starts at zero, so that the
    model is the counts before it has learnt. item_terms, query_terms: how many there are, each counted from 1.
    """

    def __init__(self, *, item_terms: int, query_terms: int, dim: int, hidden: int, z_dim: int, dropout: float) -> None:
        super().__init__()
        self.z_dim, self.dropout = z_dim, dropout
        self.of_item = nn.Embedding(item_terms + 1, dim, padding_idx=0)
        self.of_query = nn.Embedding(query_terms + 1, dim, padding_idx=0)
        self.posterior_hidden, self.posterior = nn.Linear(2 * dim, hidden), nn.Linear(hidden, 2 * z_dim)
        self.decode_hidden = nn.Linear(dim + z_dim, hidden)
        self.out = nn.Linear(hidden, query_terms)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def encode(self, items: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """items, queries: (batch, width) terms, 0 for none. Returns mu and log sigma^2, each (batch, z_dim)."""
        both = torch.cat([self._mean(self.of_item, items), self._mean(self.of_query, queries)], dim=1)
        mu, log_variance = self.posterior(torch.tanh(self.posterior_hidden(both))).chunk(2, dim=1)
        return mu, log_variance

    def change(self, items: Tensor, z: Tensor) -> Tensor:
        """What is added to the counts' logits: (batch, query_terms). items: (batch, width); z: (batch, z_dim)."""
        both = torch.cat([self._mean(self.of_item, items), z], dim=1)
        changed: Tensor = self.out(torch.tanh(self.decode_hidden(both)))
        return changed

    def _mean(self, table: nn.Embedding, terms: Tensor) -> Tensor:
        """Mean of the terms' vectors, (batch, dim); 0 of no terms."""
        seen = (terms > 0).float()
        if self.training and self.dropout:
            seen = seen * (torch.rand(terms.shape, device=terms.device) >= self.dropout)
        bag = F.embedding_bag(terms, table.weight, mode="sum", per_sample_weights=seen)
        return bag / seen.sum(dim=1, keepdim=True).clamp(min=1)


def counted_logits(terms: Tensor, logs: Tensor, query_terms: int, floor: float) -> Tensor:
    """The counts' logits: (batch, query_terms), floor where they know nothing.

    terms: (batch, width) query terms counted from 1, 0 for none; logs: (batch, width) logarithms of their chances.
    """
    logits = torch.full((len(terms), query_terms + 1), floor, device=terms.device)
    return logits.scatter(1, terms, logs)[:, 1:]


def query_likelihood(logits: Tensor, queries: Tensor) -> Tensor:
    """Sum of log softmax at the query's terms: (batch,) nats. queries: (batch, width), 0 for none."""
    logs = torch.log_softmax(logits, dim=1).gather(1, (queries - 1).clamp(min=0))
    return logs.masked_fill(queries == 0, 0.0).sum(dim=1)
