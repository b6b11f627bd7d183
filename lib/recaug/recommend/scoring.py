"""Top-k lists of many users against the whole catalogue: blocks of users, no users x items matrix anywhere."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame

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
    values, found = scores.topk(min(k + 1, n), dim=1)
    index, value = found.numpy(), values.numpy()
    for row in np.flatnonzero((value[:, :-1] == value[:, 1:]).any(axis=1)):  # ties: take all at the edge, then sort
        tied = torch.nonzero(scores[row] >= values[row, min(k, n) - 1]).squeeze(1)
        best = np.lexsort((rank[tied].numpy(), -scores[row, tied].numpy()))[: index.shape[1]]
        index[row, : len(best)] = tied.numpy()[best]
        value[row, : len(best)] = scores[row, tied].numpy()[best]
    index, value = index[:, :k].copy(), value[:, :k].copy()
    index[np.isneginf(value)] = 0
    return index, value


def lists(rows: DataFrame, scorer: Scorer, k: int, mask_seen: bool) -> DataFrame:
    """List the best k items for each row's history.

    Columns: `rows` needs user_index, items (int32 binary), seen (array of item_index); gives every column but items,
    seen and times, and top (array<int> of item_index, best first), scores (array<float>).
    mask_seen: leave out what the user has had (task `discovery`).
    """
    kept = [column for column in rows.columns if column not in ("items", "seen", "times", "event_ids")]
    schema = ", ".join(f"{name} {kind}" for name, kind in rows.dtypes if name in kept)

    def score(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        for frame in frames:
            index, value = best_items(frame, scorer, k, mask_seen)
            yield frame[kept].assign(
                top=pd.Series([*index.astype(np.int32)], frame.index), scores=pd.Series([*value], frame.index)
            )

    return rows.mapInPandas(score, f"{schema}, top array<int>, scores array<float>")


def best_items(
    frame: pd.DataFrame, scorer: Scorer, k: int, mask_seen: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best k items of each row, block by block. frame: items (int32 binary) and seen; see top_k for what it returns."""
    found = []
    for start in range(0, len(frame), BLOCK):
        block = frame.iloc[start : start + BLOCK]
        items = np.frombuffer(b"".join(block["items"]), dtype="<i4").reshape(len(block), -1)
        with torch.no_grad():
            scores = scorer.scores(torch.from_numpy(items.astype(np.int64))).clone()
        scores[:, 0] = -torch.inf
        if mask_seen:
            row = np.repeat(np.arange(len(block)), block["seen"].map(len).to_numpy(dtype=np.int64))
            scores[row, np.concatenate(block["seen"].to_list()).astype(np.int64)] = -torch.inf
        found.append(top_k(scores, k))
    return np.concatenate([index for index, _ in found]), np.concatenate([value for _, value in found])
