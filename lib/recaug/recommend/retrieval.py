"""How the best items of a trained SASRec are found for many users: every item is scored, or candidates of an index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recaug.config.base import Index
from recaug.recommend.deep import Network, load
from recaug.recommend.index import Cells
from recaug.recommend.scoring import best_items, history_tensor

POPULAR = 500  # items that are scored for everybody
SPARE = 4  # candidates for each place of a list, beside as many as a user has had
Best = tuple[NDArray[np.int64], NDArray[np.float32]]


class Retrieval(Protocol):
    """Finds the best items of a model. Travels to the Python workers by pickle; each loads the model once."""

    @property
    def folder(self) -> str:
        """Of the model."""
        ...

    def best(self, frame: pd.DataFrame, k: int, mask_seen: bool) -> Best:
        """Item indices and logits of each row's k best items, best first; index 0 where nothing is left to list.

        frame: items (int32 binary) and seen. mask_seen: leave out what the user has had.
        """
        ...

    def recall(self, frame: pd.DataFrame, k: int, mask_seen: bool) -> float | None:
        """Share of the k best of all items that it finds, a mean over the rows; None where it scores them all."""
        ...


@dataclass(frozen=True)
class EveryItem:
    """Scores every item."""

    folder: str

    @classmethod
    def of(cls, folder: str, seed: int) -> "EveryItem":
        """Take the model as it is."""
        return cls(folder)

    def best(self, frame: pd.DataFrame, k: int, mask_seen: bool) -> Best:
        """As of Retrieval."""
        return best_items(frame, Network(self.folder), k, mask_seen)

    def recall(self, frame: pd.DataFrame, k: int, mask_seen: bool) -> float | None:
        """As of Retrieval."""
        return None


@dataclass(frozen=True, eq=False)
class Candidates:
    """Scores what an index of the items' vectors proposes, and the most popular ones; the scores are the model's own.

    popular: items of the largest bias, which lie far from the middles of their cells and would be missed. others: all
    others, in the order of cells. A user without a history, or to whom the index proposes too few items, has every item
    scored.
    """

    folder: str
    popular: NDArray[np.int64]
    others: NDArray[np.int64]
    cells: Cells

    @classmethod
    def of(cls, folder: str, seed: int) -> "Candidates":
        """Learn the cells of a model's items."""
        keys = load(folder).keys().numpy()
        order = np.argsort(-keys[1:, -1], kind="stable") + 1
        n_popular = min(POPULAR, len(order) // 20)
        popular, others = order[:n_popular], np.sort(order[n_popular:])
        return cls(folder, popular, others, Cells.of(keys[others], seed))

    def best(self, frame: pd.DataFrame, k: int, mask_seen: bool) -> Best:
        """As of Retrieval."""
        k = min(k, len(self.popular) + len(self.others) + 1)  # with padding, as in every item's scores
        items, seen = history_tensor(frame), list(frame["seen"]) if mask_seen else [()] * len(frame)
        index, value = np.zeros((len(frame), k), np.int64), np.full((len(frame), k), -np.inf, np.float32)
        hidden = load(self.folder).hidden(items)
        had = 2 ** np.ceil(np.log2(np.array([len(own) for own in seen]) + 1)).astype(np.int64)  # few sizes, many rows
        for n in np.unique(had):
            rows = np.flatnonzero(had == n)
            own = [seen[row] for row in rows]
            index[rows], value[rows] = self._chosen(hidden[torch.from_numpy(rows)], own, SPARE * k + int(n), k)
        lacking = np.flatnonzero((index[:, -1] == 0) | (items[:, 0] == 0).numpy())
        if len(lacking):
            index[lacking], value[lacking] = EveryItem(self.folder).best(frame.iloc[lacking], k, mask_seen)
        return index, value

    def _chosen(self, hidden: torch.Tensor, seen: list[NDArray[np.int32]], n: int, k: int) -> Best:
        """The best of n candidates of each row."""
        model = load(self.folder)
        near = self.cells.nearest(model.queries(hidden).numpy(), n)
        near = np.where(near >= 0, self.others[near], 0)
        places = np.concatenate([np.tile(self.popular, (len(near), 1)), near], axis=1)
        of_popular = model.scored_all(hidden, torch.from_numpy(self.popular))
        scores = torch.cat([of_popular, model.scored(hidden, torch.from_numpy(near))], dim=1).numpy()
        barred = np.stack([np.isin(own, had) for own, had in zip(places, seen, strict=True)])
        scores = np.where(barred | (places == 0), -np.inf, scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        index, value = np.take_along_axis(places, order, axis=1), np.take_along_axis(scores, order, axis=1)
        index[np.isneginf(value)] = 0
        more = ((0, 0), (0, k - index.shape[1]))
        return np.pad(index, more), np.pad(value, more, constant_values=-np.inf)

    def recall(self, frame: pd.DataFrame, k: int, mask_seen: bool) -> float | None:
        """As of Retrieval."""
        exact = EveryItem(self.folder).best(frame, k, mask_seen)[0]
        found = self.best(frame, k, mask_seen)[0]
        shares = [
            np.isin(true[true > 0], own).mean() for true, own in zip(exact, found, strict=True) if (true > 0).any()
        ]
        return float(np.mean(shares)) if shares else None


RETRIEVALS: Mapping[Index, Callable[[str, int], Retrieval]] = {"exact": EveryItem.of, "ann": Candidates.of}
