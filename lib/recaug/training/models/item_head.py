"""The last layer of a generator of behaviour: logits over the catalogue, from what is learnt and what is counted."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.candidates import WHOLE, Candidates
from recaug.training.models.context import initial_bias
from recaug.training.models.covisitation import ROWS, CoVisitation, Informed, ItemLikeness, near_entries
from recaug.training.models.entries import Entries, add_up, joined
from recaug.training.models.scores import CandidateScores, Scores


class ItemHead(nn.Module):
    """A linear layer over the catalogue that starts near zero: it adds what differs from the popularity or the counts.

    covisitation: if given, the logits are informed by its score of the context, and by likeness if that is given, too.
    log_popularity: (n_items + 1,), what the bias, or the informed term, starts from. full_softmax_items: of more items
    than these candidates alone are scored, and the gradient of the weights is sparse.
    """

    def __init__(
        self,
        n_items: int,
        hidden: int,
        covisitation: CoVisitation | None = None,
        likeness: ItemLikeness | None = None,
        log_popularity: Tensor | None = None,
        full_softmax_items: int = WHOLE,
    ) -> None:
        super().__init__()
        self.output = nn.Linear(hidden, n_items + 1)
        bias = initial_bias(n_items, log_popularity)
        self.informed = Informed(covisitation, bias, likeness) if covisitation is not None else None
        self.candidates = Candidates(torch.softmax(bias, dim=0)) if n_items > full_softmax_items else None
        with torch.no_grad():
            self.output.weight.mul_(0.1)
            self.output.bias.copy_(bias if covisitation is None else torch.zeros_like(bias))

    def counted(self, context: Tensor, history: Tensor | None = None) -> Tensor | float:
        """What is counted of the context, to be added to the logits: (batch, n_items + 1), or 0 if it is not informed.

        context, history: (batch, length), see CoVisitation.
        """
        return self.informed(context, history) if self.informed is not None else 0.0

    def forward(self, hidden: Tensor, counted: Tensor | float) -> Tensor:
        """hidden: (batch, hidden). Returns logits (batch, n_items + 1), -inf at padding."""
        logits: Tensor = self.output(hidden).float() + counted
        padding = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        padding[0] = True
        return logits.masked_fill(padding, -torch.inf)

    def scores(
        self,
        hidden: Tensor,
        context: Tensor,
        history: Tensor | None = None,
        *,
        targets: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Scores:
        """What is sampled from and learnt by: of the whole catalogue, or of candidates where it is large.

        targets: (batch, n) int64, items that candidates must have, 0 for none. random: draws candidates.
        """
        if self.candidates is None:
            return Scores(self(hidden, self.counted(context, history)))
        batch, none = len(context), self.candidates.none
        shared, shared_stand_for = self.candidates.by_popularity(random)
        near, stands_for, taken = self._near(context, history, targets, shared, random)
        own = near.padded(near.item, none)
        there = own < none
        of_own, of_shared = self._learnt(hidden, own * there, shared)
        of_own = of_own + self._informed(own * there, [near.padded(values, 0.0) for values in near.values])
        of_shared = of_shared + self._informed(shared, [torch.zeros_like(shared_stand_for)] * 2)
        logits = torch.cat([of_own.masked_fill(~there, -torch.inf), of_shared.masked_fill(taken, -torch.inf)], dim=1)
        weights = torch.cat([near.padded(stands_for, 0.0), shared_stand_for.expand(batch, -1)], dim=1)
        return CandidateScores(F.pad(logits, (1, 0), value=-torch.inf), own, shared, F.pad(weights, (1, 0)), none)

    @torch.no_grad()
    def _near(
        self,
        context: Tensor,
        history: Tensor | None,
        targets: Tensor | None,
        shared: Tensor,
        random: torch.Generator | None,
    ) -> tuple[Entries, Tensor, Tensor]:
        """Neighbours that are chosen, and targets, what each stands for, and which of the shared items are neighbours.

        Returns values by counts, by likeness where that is used, and of targets; (n,); and (batch, T) bool.
        """
        assert self.candidates is not None
        chosen: list[tuple[Entries, Tensor, Tensor]] = []
        places = self.candidates.places(shared)
        for found in self._neighbours(context, history, targets):
            some, stands_for = self.candidates.neighbours(found, random, targets=targets is not None)
            chosen.append((some, stands_for, found.among(places, len(shared))))
        near, weights, taken = zip(*chosen, strict=True)
        return joined(near), torch.cat(weights), torch.cat(taken)

    def _neighbours(self, context: Tensor, history: Tensor | None, targets: Tensor | None) -> Iterator[Entries]:
        if self.informed is not None:
            yield from near_entries(self.informed.covisitation, self.informed.likeness, context, history, targets)
            return
        for some in torch.arange(len(context), device=context.device).split(ROWS):
            kinds = [[(context[some, :0], context[some, :0].float())]]
            if targets is not None:
                kinds.append([(targets[some], (targets[some] > 0).float())])
            yield add_up(kinds, len(self.output.bias))

    def _learnt(self, hidden: Tensor, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the linear layer. own: (batch, K), shared: (T,) items. Returns (batch, K) and (batch, T)."""
        used, place = torch.cat([own.flatten(), shared]).unique(return_inverse=True)
        weight, bias = F.embedding(used, self.output.weight, sparse=True), self.output.bias[used]
        of_own, of_shared = place[: own.numel()].view_as(own), place[own.numel() :]
        parts = []
        for places, rows in zip(of_own.split(ROWS), hidden.split(ROWS), strict=True):
            these, column = places.unique(return_inverse=True)
            parts.append((rows @ weight[these].T).gather(1, column))
        learnt = torch.cat(parts).float() + bias[of_own]
        return learnt, F.linear(hidden, weight[of_shared]).float() + bias[of_shared]

    def _informed(self, items: Tensor, values: Sequence[Tensor]) -> Tensor | float:
        """Logits of what is counted of items, which score values by counts and by likeness, of the same shape."""
        if self.informed is None:
            return 0.0
        alike = values[1] if self.informed.likeness is not None else None
        return self.informed.join(values[0], self.informed.popularity[items], alike)
