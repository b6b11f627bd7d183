"""Top-k lists of a trained SASRec, re-ranked for diversity, each item with the past events that carry it."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from recaug.recommend.deep import load
from recaug.recommend.diversity import POOL, maximal_marginal_relevance
from recaug.recommend.explain import occlusion, reasons
from recaug.recommend.retrieval import Retrieval
from recaug.recommend.scoring import BLOCK, history_tensor
from recaug.training.models.sasrec import SASRec

LISTS = (
    "user_id string, user_index int, rank int, item_index int, score double, "
    "because array<struct<item_index: int, weight: double>>"
)


def top_lists(rows: DataFrame, retrieval: Retrieval, k: int, mask_seen: bool, diversity: float) -> DataFrame:
    """List the k best items for each row's history, one row an item.

    Columns: `rows` needs user_id, user_index, items (int32 binary), seen (array of item_index).
    Gives LISTS: rank from 1; score: the model's logit; because: the history's items that carry it, strongest first,
    each with its share of the score that falls without one of the last events (to 3 decimals). Fewer than k where
    nothing else is left to list.
    mask_seen: leave out what the user has had (task `discovery`). diversity: weight of maximal marginal relevance, by
    the cosine of the items' embeddings.
    """

    sent = rows.sparkSession.sparkContext.broadcast(retrieval)

    def score(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        for frame in frames:
            for start in range(0, len(frame), BLOCK):
                yield block_lists(frame.iloc[start : start + BLOCK], sent.value, k, mask_seen, diversity)

    return rows.select("user_id", "user_index", "items", "seen").mapInPandas(score, LISTS)


def best_of(
    frame: pd.DataFrame, retrieval: Retrieval, k: int, mask_seen: bool, diversity: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Item indices and scores of each row's list, (rows, k), best first; index 0 where nothing is left to list."""
    index, value = retrieval.best(frame, k * POOL if diversity else k, mask_seen)
    if not diversity:
        return index, value
    vectors = item_vectors(load(retrieval.folder))[torch.from_numpy(index)]
    chosen = maximal_marginal_relevance(torch.from_numpy(value), vectors, k, diversity).numpy()
    places = np.maximum(chosen, 0)
    index = np.where(chosen < 0, 0, np.take_along_axis(index, places, axis=1))
    return index, np.take_along_axis(value, places, axis=1)


def item_vectors(model: SASRec) -> torch.Tensor:
    """The items' embeddings scaled to length one, (n_items + 1, dim)."""
    return F.normalize(model.table().detach(), dim=1)


def block_lists(frame: pd.DataFrame, retrieval: Retrieval, k: int, mask_seen: bool, diversity: float) -> pd.DataFrame:
    """Do as top_lists for rows that are here; BLOCK of them at most, whose scores are held at once."""
    index, value = best_of(frame, retrieval, k, mask_seen, diversity)
    items = history_tensor(frame)
    with torch.no_grad():
        ages, weights = reasons(occlusion(load(retrieval.folder), items, torch.from_numpy(index)))
    places = (items > 0).sum(dim=1)[:, None, None] - 1 - ages
    past = (
        items[torch.arange(len(items))[:, None, None], places.clamp(0, items.shape[1] - 1)]
        .masked_fill(ages < 0, 0)
        .numpy()
    )
    shares = weights.numpy().astype(np.float64).round(3)
    row, rank = np.nonzero(index)
    because = [
        [{"item_index": int(i), "weight": float(w)} for i, w in zip(past[r, c], shares[r, c], strict=True) if i]
        for r, c in zip(row, rank, strict=True)
    ]
    return pd.DataFrame(
        {
            "user_id": frame["user_id"].to_numpy()[row],
            "user_index": frame["user_index"].to_numpy()[row],
            "rank": rank.astype(np.int32) + 1,
            "item_index": index[row, rank].astype(np.int32),
            "score": value[row, rank].astype(np.float64),
            "because": because,
        }
    )
