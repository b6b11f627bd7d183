"""What may come next of each context, and how likely: of the whole catalogue, or of candidates that stand for it."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

NONE_LEFT = 1e-12  # chance that items not drawn yet have together, below which there are none

Seen = tuple[Tensor, Tensor]  # rows and items that must not come


@dataclass(frozen=True)
class Scores:
    """Logits of the whole catalogue: item i in column i.

    logits: (batch, columns), -inf where nothing can come, as in column 0, which is none.
    """

    logits: Tensor

    def find(self, rows: Tensor, items: Tensor) -> Tensor:
        """The columns of items, 0 where there is none. rows, items: int64, of shapes that go together."""
        return items

    def items_at(self, columns: Tensor) -> Tensor:
        """What lies in columns. columns: (batch, n) int64. Returns the same shape."""
        return columns

    def weighed(self, scaled: Tensor) -> Tensor:
        """Logits of all the items that each column stands for. scaled: (batch, columns), logits at a temperature."""
        return scaled

    def without(self, items: Tensor) -> Self:
        """The same where these items cannot come. items: (batch, n) int64, 0 for none."""
        return replace(self, logits=self.logits.scatter(1, self.find(self._rows(), items), -torch.inf))

    def log_chances(self, items: Tensor) -> Tensor:
        """Log softmax at items. items: (batch, n) int64. Returns (batch, n) nats, -inf where there is no such item."""
        normalised = torch.log_softmax(self.weighed(self.logits), dim=1)
        return normalised.gather(1, self.find(self._rows(), items))

    def relative(self, items: Tensor) -> Tensor:
        """Likelihood of items over that of the likeliest one. items: (batch, n). Returns (batch, n) in 0 to 1."""
        own = self.logits.gather(1, self.find(self._rows(), items))
        return torch.exp(own - self.logits.amax(dim=1, keepdim=True))

    def draw(self, n: int, temperature: float, random: torch.Generator, seen: Seen | None = None) -> Tensor:
        """Draw n distinct items a row, one after the other, in proportion to softmax(logits / temperature).

        By inverting the cumulated chances, which takes one random number an item drawn, not one a column; each point
        steps over the intervals of the items that the row has drawn before.
        seen: rows and items that must not come. Returns (batch, n) int64, 0 where none is left.
        """
        scores = self.logits / temperature
        if seen is not None:
            scores[seen[0], self.find(*seen)] = -torch.inf
        chances = torch.softmax(self.weighed(scores), dim=1)
        cumulated = chances.double().cumsum(dim=1)  # not a number where all are seen
        batch, n_columns = scores.shape
        left = cumulated[:, -1].clone()
        drawn = torch.zeros(batch, n, dtype=torch.int64)
        starts = torch.full((batch, n), torch.inf, dtype=torch.float64)
        sizes = torch.zeros(batch, n, dtype=torch.float64)
        for turn in range(n):
            point = torch.rand(batch, dtype=torch.float64, generator=random) * left
            starts, order = starts.sort(dim=1)  # those not drawn yet come last
            sizes = sizes.gather(1, order)
            for before in range(turn):
                point += torch.where(point >= starts[:, before], sizes[:, before], 0.0)
            column = torch.searchsorted(cumulated, point[:, None], right=True).clamp(max=n_columns - 1)
            start, end = cumulated.gather(1, (column - 1).clamp(min=0)), cumulated.gather(1, column)
            column[(left[:, None] > NONE_LEFT).logical_not() | (drawn == column).any(dim=1, keepdim=True)] = 0
            drawn[:, turn] = column.squeeze(1)
            starts[:, -1], sizes[:, -1] = start.squeeze(1), (end - start).squeeze(1)
            left -= sizes[:, -1]
        return self.items_at(drawn)

    def mean(self, chances: Tensor, vectors: nn.Embedding) -> Tensor:
        """The columns' vectors in the mean. chances: (batch, columns). Returns (batch, dim)."""
        return chances @ vectors.weight

    def sample(self, n: int, random: torch.Generator | None = None) -> Tensor:
        """Draw n items a row, each by itself. Returns (batch, n) int64, where random is."""
        chances = torch.softmax(self.weighed(self.logits), dim=1)
        chances = chances if random is None else chances.to(random.device)
        columns = torch.multinomial(chances, n, replacement=True, generator=random)
        return self.items_at(columns.to(self.logits.device)).to(columns.device)

    def _rows(self) -> Tensor:
        return torch.arange(len(self.logits), device=self.logits.device)[:, None]


@dataclass(frozen=True)
class CandidateScores(Scores):
    """Logits of candidates: column 0 is none, then each row's own, then those that all rows share.

    own: (batch, K) int64, ascending, `none` where a row has fewer. shared: (T,) int64, ascending; a row's own are -inf
    among them. log_weights: (batch, columns), how many items of its kind each candidate stands for (0: itself alone).
    none: above every item.
    """

    own: Tensor
    shared: Tensor
    log_weights: Tensor
    none: int

    def find(self, rows: Tensor, items: Tensor) -> Tensor:
        """See Scores."""
        batch, width = self.own.shape
        keys = (self.own + (self.none + 1) * torch.arange(batch, device=items.device)[:, None]).flatten()
        rows, items = torch.broadcast_tensors(rows, items)
        in_own = _place(keys, rows * (self.none + 1) + items)
        column = torch.where(in_own >= 0, 1 + in_own - rows * width, 0)
        in_shared = _place(self.shared, items)
        return torch.where((column == 0) & (in_shared >= 0), 1 + width + in_shared, column)

    def items_at(self, columns: Tensor) -> Tensor:
        """See Scores."""
        own = self.own.masked_fill(self.own == self.none, 0)
        shared = self.shared.expand(len(own), -1)
        return torch.cat([own.new_zeros(len(own), 1), own, shared], dim=1).gather(1, columns)

    def weighed(self, scaled: Tensor) -> Tensor:
        """See Scores."""
        return scaled + self.log_weights

    def mean(self, chances: Tensor, vectors: nn.Embedding) -> Tensor:
        """See Scores."""
        columns = torch.arange(chances.shape[1], device=chances.device).expand(len(chances), -1)
        items, place = self.items_at(columns).unique(return_inverse=True)
        found: Tensor = vectors(items)
        return chances.new_zeros(len(chances), len(items)).scatter_add(1, place, chances) @ found

    def log_chances(self, items: Tensor) -> Tensor:
        """See Scores: an item's own chance, whatever its candidate stands for."""
        everything = torch.logsumexp(self.weighed(self.logits), dim=1, keepdim=True)
        return self.logits.gather(1, self.find(self._rows(), items)) - everything


def _place(ascending: Tensor, values: Tensor) -> Tensor:
    """Where values lie, -1 where they do not. ascending: (n,). Returns the shape of values."""
    if not len(ascending):
        return torch.full_like(values, -1)
    place = torch.searchsorted(ascending, values.contiguous()).clamp(max=len(ascending) - 1)
    return torch.where(ascending[place] == values, place, -1)
