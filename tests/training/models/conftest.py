"""Two kinds of users: those of even items and those of odd items. Every model must learn to keep them apart."""

import numpy as np
import pytest
import torch
from torch import Tensor

N_ITEMS = 40


@pytest.fixture(scope="session")
def checkerboard() -> Tensor:
    """(256, 12) int64: each row visits distinct items of one parity, in a random order."""
    order = np.random.default_rng(0)
    rows = [order.permutation(np.arange(2 - row % 2, N_ITEMS + 1, 2))[:12] for row in range(256)]
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def share_of_own_parity(logits: Tensor, contexts: Tensor) -> float:
    """Of the ten best unseen items, the share of the context's parity."""
    best = logits.scatter(1, contexts, -torch.inf).topk(10, dim=1).indices
    return float((best % 2 == contexts[:, :1] % 2).float().mean())
