"""A mixture of two recommenders."""

from dataclasses import dataclass

import torch

from recaug.recommend.baselines import CoVisitationCounts
from recaug.recommend.scoring import Scorer


@dataclass(frozen=True)
class Blend:
    """(1 - share) * softmax(deep) + share * the counts' scores scaled to sum to one: both are chances of the next item.

    deep: a scorer whose scores are logits.
    """

    deep: Scorer
    counts: CoVisitationCounts
    share: float

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length). Returns (batch, n_items + 1) chances, 0 at padding."""
        chances = torch.softmax(self.deep.scores(items), dim=1)
        counted = self.counts.scores(items)
        return (1 - self.share) * chances + self.share * counted / counted.sum(dim=1, keepdim=True)
