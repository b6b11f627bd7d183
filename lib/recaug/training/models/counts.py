"""The counts as a generator: the next item by leave-one-out co-visitation and likeness."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.candidates import WHOLE
from recaug.training.models.covisitation import CoVisitation, ItemLikeness, near_entries
from recaug.training.models.entries import joined
from recaug.training.models.scores import CandidateScores, Scores

TINY = torch.finfo(torch.float32).tiny
IMPOSSIBLE = math.log(TINY) + 0.01  # and below


def log_chances(chances: Tensor) -> Tensor:
    """Log, -inf where there is no chance. At zeros the logarithm itself takes ten times as long as elsewhere."""
    return F.threshold(torch.log(chances.clamp(min=TINY)), IMPOSSIBLE, -torch.inf)


class CountsGenerator(nn.Module):
    """Samples the next item from leave-one-out counts: nothing is trained, and a user's own pairs are taken out.

    share: of the chances that goes by likeness, and the rest by the counts; 0 without it. own: the counts hold pairs of
    those whom they are asked about; else they are of other users alone. whole: of more items than these only those that
    have a chance are looked at; the chances are the same.
    """

    def __init__(
        self,
        covisitation: CoVisitation,
        likeness: ItemLikeness | None = None,
        *,
        share: float,
        own: bool = True,
        whole: int = WHOLE,
    ) -> None:
        super().__init__()
        self.covisitation, self.likeness, self.share, self.own = covisitation, likeness, share, own
        self.whole = whole

    @torch.no_grad()
    def next_logits(self, items: Tensor, history: Tensor) -> Tensor:
        """Log chances of the next item of each context; -inf where neither counts nor catalogue say anything.

        items: (batch, length) int64 left-aligned, 0 for padding. history: (batch, longer), the same and at least the
        user's next `covisitation.window` events. Returns (batch, n_items + 1).
        """
        chances = (1 - self.share) * self.covisitation(*self._context(items, history))
        if self.likeness is not None:
            chances += self.share * self.likeness(items, self.covisitation.ages(items))
        return log_chances(chances)

    @torch.no_grad()
    def scores(self, items: Tensor, history: Tensor) -> Scores:
        """The same to sample from."""
        none = len(self.covisitation.neighbours)
        if none - 1 <= self.whole:
            return Scores(self.next_logits(items, history))
        found = joined(list(near_entries(self.covisitation, self.likeness, *self._context(items, history))))
        chances = (1 - self.share) * found.values[0]
        if self.likeness is not None:
            chances += self.share * found.values[1]
        logits = F.pad(found.padded(log_chances(chances), -torch.inf), (1, 0), value=-torch.inf)
        own = found.padded(found.item, none)
        return CandidateScores(logits, own, own.new_zeros(0), torch.zeros_like(logits), none)

    @torch.no_grad()
    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """As of Network: the chance of each generated item over that of the likeliest one. Returns (batch, n)."""
        return scores.relative(generated)

    def _context(self, items: Tensor, history: Tensor) -> tuple[Tensor, Tensor | None]:
        context = F.pad(items, (0, history.shape[1] - items.shape[1]))
        return context, history if self.own else None
