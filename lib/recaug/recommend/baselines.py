"""Recommenders without training: popularity and co-visitation counts."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recaug.training.models.covisitation import CoVisitation


@dataclass(frozen=True)
class Popularity:
    """Scores every item by its events in the train window. events: (n_items + 1,) float32, 0 at padding."""

    events: NDArray[np.float32]

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length). Returns (batch, n_items + 1)."""
        return torch.from_numpy(self.events).expand(len(items), -1)


@dataclass(frozen=True)
class CoVisitationCounts:
    """Scores by what others had together with the user's items; where nothing is known, by popularity.

    counts: the neighbour table of the whole train window. events: as of Popularity; it breaks ties and carries users
    without a history.
    """

    counts: CoVisitation
    events: NDArray[np.float32]

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length). Returns (batch, n_items + 1)."""
        popularity = torch.from_numpy(self.events / self.events.sum())
        return self.counts.score(items) + 1e-6 * popularity
