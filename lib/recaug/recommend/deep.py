"""Trained recommenders as scorers."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from recaug.training.checkpoint import load_model


@dataclass(frozen=True)
class Network:
    """A finished SASRec or generator, named by its folder; each Python worker loads it once. Scores are logits."""

    folder: str

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length) int64 left-aligned. Returns (batch, n_items + 1); an empty history scores by bias."""
        logits: torch.Tensor = load(self.folder).next_logits(items)
        return logits


@lru_cache(maxsize=32)
def load(folder: str) -> Any:
    """Load once a Python worker; a folder's name is the hash of what made it, so it never changes."""
    return load_model(folder)
