"""Behaviour transformer: a history in its order, to a distribution over what comes next, mixed with the counts."""

from typing import Any

import torch
from torch import Tensor

from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.network import Network
from recaug.training.models.sasrec import SASRec


class BehaviourTransformer(SASRec, Network):
    """A sequential recommender that learns from every prefix, as one that says what others' histories go on with.

    counted: share of the chances that goes by the counts; alike: and of it, that by likeness. covisitation, likeness:
    None for none. events: the last ones that are seen. transformer: the other arguments of SASRec.
    """

    def __init__(
        self,
        n_items: int,
        *,
        counted: float,
        alike: float,
        events: int,
        covisitation: CoVisitation | None = None,
        likeness: ItemLikeness | None = None,
        log_popularity: Tensor | None = None,
        **transformer: Any,
    ) -> None:
        super().__init__(n_items, max_length=events + 1, prefixes=True, log_popularity=log_popularity, **transformer)
        self.covisitation, self.likeness = covisitation, likeness
        self.counted, self.alike = counted, alike

    @torch.no_grad()
    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Log chances of the next item of each context; there is no noise to draw.

        items: (batch, length) int64 left-aligned, 0 for padding. Returns (batch, n_items + 1), -inf at padding.
        """
        chances = torch.softmax(super().next_logits(items), dim=1)
        if self.covisitation is not None:
            chances = (1 - self.counted) * chances + self.counted * self._counted(items, self.covisitation)
        return torch.log(chances)

    def _counted(self, items: Tensor, covisitation: CoVisitation) -> Tensor:
        """Chances by the counts and by what is alike, (batch, n_items + 1); 0 where they say nothing."""
        by_counts: Tensor = covisitation(items)
        if self.likeness is None:
            return by_counts
        by_likeness: Tensor = self.likeness(items, covisitation.ages(items))
        return (1 - self.alike) * by_counts + self.alike * by_likeness
