"""Top-k lists of many users against the whole catalogue: blocks of users, no users x items matrix anywhere."""

from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

BLOCK = 256  # users whose scores are held at once


class Scorer(Protocol):
    """What every recommender is: a score of each item for each history. Travels to the Python workers by pickle."""

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length) int64 left-aligned, 0 for padding. Returns (batch, n_items + 1) float32.

        Column 0 is padding. An empty history is a user of whom nothing is known.
        """
        ...


def top_k(scores: torch.Tensor, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best k items of each row, best first; items of equal score in a fixed random order of the catalogue.

    The order is the same for every row and call, and knows nothing of popularity, so that a model that scores all
    items alike gets what chance gives. scores: (batch, n_items + 1), -inf for what may not be listed.
    Returns item indices and scores, each (batch, k); index 0 where nothing is left to list.
    """
    n = scores.shape[1]
    order = torch.from_numpy(np.random.default_rng(0).permutation(n))
    rank = torch.empty_like(order)
    rank[order] = torch.arange(n)
    values, chosen = scores.topk(min(k + 1, n), dim=1)
    index, value = chosen.numpy(), values.numpy()
    for row in np.flatnonzero((value[:, :-1] == value[:, 1:]).any(axis=1)):  # ties: take all at the edge, then sort
        tied = torch.nonzero(scores[row] >= values[row, min(k, n) - 1]).squeeze(1)
        best = np.lexsort((rank[tied].numpy(), -scores[row, tied].numpy()))[: index.shape[1]]
        index[row, : len(best)] = tied.numpy()[best]
        value[row, : len(best)] = scores[row, tied].numpy()[best]
    index, value = index[:, :k].copy(), value[:, :k].copy()
    index[np.isneginf(value)] = 0
    return index, value


def history_tensor(frame: pd.DataFrame) -> torch.Tensor:
    """The rows' items as (rows, length) int64."""
    items = np.frombuffer(b"".join(frame["items"]), dtype="<i4").reshape(len(frame), -1)
    return torch.from_numpy(items.astype(np.int64))


def best_items(
    frame: pd.DataFrame, scorer: Scorer, k: int, mask_seen: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best k items of each row, block by block. frame: items (int32 binary) and seen; see top_k for what it returns."""
    lists = []
    for start in range(0, len(frame), BLOCK):
        block = frame.iloc[start : start + BLOCK]
        with torch.no_grad():
            scores = scorer.scores(history_tensor(block)).clone()
        scores[:, 0] = -torch.inf
        if mask_seen:
            row = np.repeat(np.arange(len(block)), block["seen"].map(len).to_numpy(dtype=np.int64))
            scores[row, np.concatenate(block["seen"].to_list()).astype(np.int64)] = -torch.inf
        lists.append(top_k(scores, k))
    return np.concatenate([index for index, _ in lists]), np.concatenate([value for _, value in lists])
