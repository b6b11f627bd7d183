"""Candidates that stand for a whole catalogue: each context's neighbours, and a draw by popularity."""

import torch
from torch import Tensor, nn

from recaug.training.models.entries import Entries

WHOLE = 20_000  # items of a catalogue that is looked at as a whole
NEAR, POPULAR = 256, 1024  # neighbours of a context, and draws by popularity that a batch shares


class Candidates(nn.Module):
    """Chooses candidates, each with the logarithm of how many of its kind it stands for.

    A sum over the catalogue is estimated by the candidates' sum, each divided by the number of times that it was
    expected (Bengio and Senecal 2008): of a context's neighbours by a systematic sample (Madow 1949), half of it by
    their score and half of each alike (a defensive mixture, Hesterberg 1995), so that all are there where they are few;
    of the rest of the catalogue by draws in proportion to popularity.

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

    def neighbours(self, found: Entries, rows: int, random: torch.Generator | None) -> tuple[Entries, Tensor]:
        """Choose among the neighbours of contexts.

        found: values by counts, by likeness, and above 0 for those that have to be there. Returns some of them, and
        the logarithm of how many each stands for.
        """
        counted, certain = found.values[:, :-1].sum(dim=1), found.values[:, -1] > 0
        many, total = (found.by_row(values, rows)[found.row] for values in (torch.ones_like(counted), counted))
        chance = (self.near / 2 * (counted / total.clamp(min=1e-9) + 1 / many)).clamp(max=1.0)
        chance = chance.masked_fill(certain, 1.0).double()
        start = self._uniform(rows, random)[found.row]
        point = chance.cumsum(0) + start
        taken = (point.floor() > (point - chance).floor()) | (chance == 1)
        return found.some(taken), -torch.log(chance[taken]).float()

    def by_popularity(self, random: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw for all contexts: items, (T,) int64, ascending, and the logarithm of how many each stands for."""
        total = self.cumulated[-1]
        points = self._uniform(self.popular, random) * total
        items, times = (
            torch.searchsorted(self.cumulated, points, right=True).clamp(max=self.none - 1).unique(return_counts=True)
        )
        chance = (self.cumulated[items] - self.cumulated[items - 1]) / total
        return items, torch.log(times / (self.popular * chance)).float()

    def taken(self, found: Entries, items: Tensor, rows: int) -> Tensor:
        """Which of the items are neighbours of a row, so that the draw does not stand for them. Returns (rows, T)."""
        places = torch.full((self.none,), -1, dtype=torch.int32, device=items.device)
        places[items] = torch.arange(len(items), dtype=torch.int32, device=items.device)
        place = places[found.item]
        there = (place >= 0).nonzero().squeeze(1)
        taken = torch.zeros(rows, len(items), dtype=torch.bool, device=items.device)
        taken[found.row[there], place[there].long()] = True
        return taken

    def _uniform(self, n: int, random: torch.Generator | None) -> Tensor:
        device = self.cumulated.device if random is None else random.device
        return torch.rand(n, dtype=torch.float64, generator=random, device=device).to(self.cumulated.device)
