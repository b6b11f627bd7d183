"""Candidates that stand for a whole catalogue: each context's neighbours, and a draw by popularity."""

import torch
from torch import Tensor, nn

from recaug.training.models.entries import Entries

WHOLE = 20_000  # items of a catalogue that is looked at as a whole
NEAR, POPULAR = 256, 1024  # neighbours of a context, and draws by popularity that a batch shares
SHARED = 1 << 12  # random numbers that some contexts share; an item has one of them


class Candidates(nn.Module):
    """Chooses candidates, each with the logarithm of how many of its kind it stands for.

    A sum over the catalogue is estimated by the candidates' sum, each divided by the number of times that it was
    expected (Bengio and Senecal 2008). A context's neighbours are each taken or left, half by their score and half all
    alike (a defensive mixture, Hesterberg 1995), so that all are there where they are few. Contexts that are chosen for
    together share the random numbers (Brewer et al. 1972): those that are alike, as of one user, choose alike, and the
    weights are read once. For the rest of the catalogue stand draws in proportion to popularity.

    near: at most so many neighbours of a context, about. popular: draws. popularity: (n_items + 1,), of sum 1.
    """

    cumulated: Tensor

    def __init__(self, popularity: Tensor, near: int = NEAR, popular: int = POPULAR) -> None:
        super().__init__()
        weights = popularity.double().index_fill(0, torch.tensor([0]), 0.0)
        self.register_buffer("cumulated", weights.cumsum(0))
        self.near, self.popular = near, popular

    @property
    def none(self) -> int:
        """Above every item."""
        return len(self.cumulated)

    def neighbours(self, found: Entries, random: torch.Generator | None, *, targets: bool) -> tuple[Entries, Tensor]:
        """Choose among the neighbours of contexts.

        found: as of near_entries. targets: the last of its values are of items that have to be there. Returns some of
        them, and the logarithm of how many each stands for.
        """
        counted = found.values[:-1] if targets else found.values
        alike = (1 / found.counts).repeat_interleave(found.counts, output_size=len(found.item))
        chance = (self.near / 2 * (counted.mean(dim=0) + alike)).clamp(max=1.0)
        if targets:
            chance.masked_fill_(found.values[-1] > 0, 1.0)
        shared = torch.rand(SHARED, generator=random, device=self._device(random)).to(chance.device)
        taken = shared.index_select(0, found.item & (SHARED - 1)) < chance
        return found.some(taken), -torch.log(chance.masked_select(taken))

    def by_popularity(self, random: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw for all contexts: items, (T,) int64, ascending, and the logarithm of how many each stands for."""
        total = self.cumulated[-1]
        points = torch.rand(self.popular, dtype=torch.float64, generator=random, device=self._device(random))
        drawn = torch.searchsorted(self.cumulated, points.to(total.device) * total, right=True)
        items, times = drawn.clamp(max=self.none - 1).unique(return_counts=True)
        chance = (self.cumulated[items] - self.cumulated[items - 1]) / total
        return items, torch.log(times / (self.popular * chance)).float()

    def places(self, items: Tensor) -> Tensor:
        """Where each item of the catalogue lies among items (T,), -1 for nowhere. Returns (n_items + 1,) int32."""
        places = torch.full((self.none,), -1, dtype=torch.int32, device=items.device)
        places[items] = torch.arange(len(items), dtype=torch.int32, device=items.device)
        return places

    def _device(self, random: torch.Generator | None) -> torch.device:
        return self.cumulated.device if random is None else random.device
