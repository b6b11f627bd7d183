"""Trained recommenders as scorers."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from recaug.models.sasrec import SASRec
from recaug.training.checkpoint import load_recommender


@dataclass(frozen=True)
class Trained:
    """A finished SASRec, named by its folder; each Python worker loads it once."""

    folder: str

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length) int64 left-aligned. Returns (batch, n_items + 1); an empty history scores by bias."""
        return _load(self.folder).next_logits(items)


@lru_cache(maxsize=32)
def _load(folder: str) -> SASRec:
    """Load once a Python worker; a folder's name is the hash of what made it, so it never changes."""
    return load_recommender(folder)
