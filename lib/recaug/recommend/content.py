"""Content-based recommendation: items like those of the history, by what the catalogue says of them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recaug.clickstream.terms import row_lengths


@dataclass(frozen=True)
class ContentBased:
    """Scores items by the cosine between their terms and those of the history, the older the less.

    terms: of item_terms. events: (n_items + 1,) float32, which orders what the terms do not. decay: weight of each
    older event against the next one.
    """

    terms: csr_matrix
    events: NDArray[np.float32]
    decay: float

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length) int64 left-aligned. Returns (batch, n_items + 1)."""
        history = items.numpy()
        last = (history > 0).sum(axis=1, keepdims=True) - 1
        weights = np.where(history > 0, self.decay ** (last - np.arange(history.shape[1])), 0).astype(np.float32)
        rows = np.repeat(np.arange(len(history)), history.shape[1])
        bags = csr_matrix((weights.ravel(), (rows, history.ravel())), shape=(len(history), self.terms.shape[0]))
        profiles = bags @ self.terms
        cosine = (self.terms @ profiles.T.toarray()).T / np.maximum(row_lengths(profiles), 1e-9)[:, None]
        return torch.from_numpy((cosine + 1e-6 * self.events / self.events.sum()).astype(np.float32))
