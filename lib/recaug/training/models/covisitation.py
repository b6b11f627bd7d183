"""What users had together, as a table of neighbours that scores a context."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.entries import Entries, Part, add_up

A_OF_ONE = math.log(math.expm1(1.0))  # softplus of it is 1
ROUNDING = 1e-4  # weights carry six decimals; what is left below it of a row's own pairs is no count
SHARE = 2e-6  # of all that a row counts: what sums of single precision leave of pairs taken out is no count either
ROWS = 16  # contexts whose neighbours are added up at once, in the cache


class CoVisitation(nn.Module):
    """Directed counts: an event adds 1/gap to (item, item `gap` events later) and backward/gap to the reverse.

    neighbours: (n_items + 1, M) int64, 0 for none; weights: (n_items + 1, M) float32. No parameters.
    window, backward, decay: of the counts and of the scoring, see config.CoVisitation.
    """

    neighbours: Tensor
    weights: Tensor

    def __init__(self, neighbours: Tensor, weights: Tensor, *, window: int, backward: float, decay: float) -> None:
        super().__init__()
        self.register_buffer("neighbours", neighbours.long())
        self.register_buffer("weights", weights.float())
        self.window, self.backward, self.decay = window, backward, decay

    def ages(self, items: Tensor) -> Tensor:
        """decay^(events since), 0 at padding. items: (batch, length) left-aligned. Returns (batch, length)."""
        lengths = (items > 0).sum(dim=1, keepdim=True)
        events_since = lengths - 1 - torch.arange(items.shape[1], device=items.device)
        return torch.where(items > 0, self.decay ** events_since.clamp(min=0).float(), 0.0)

    def near(self, items: Tensor) -> Part:
        """Neighbours of the context's items and their weights, older events' less. items: (batch, length).

        Returns both (batch, length * M).
        """
        return self.neighbours[items].flatten(1), (self.weights[items] * self.ages(items)[:, :, None]).flatten(1)

    def score(self, items: Tensor) -> Tensor:
        """Sum of the neighbours of the context's items, older events weighing less; not normalised.

        items: (batch, length) left-aligned. Returns (batch, n_items + 1) float32, 0 at padding.
        """
        neighbours, weights = self.near(items)
        scores = weights.new_zeros(len(items), len(self.neighbours)).scatter_add_(1, neighbours, weights)
        scores[:, 0] = 0
        return scores

    def own(self, context: Tensor, history: Tensor) -> Part:
        """What the row's own pairs added to `near`: items and weights, an event of the history each, (batch, length).

        An item that the context has weighs, in each pair of the history, as all of its events in the context do.
        context: (batch, length), a prefix of history: (batch, length), both left-aligned.
        """
        ages, length = self.ages(context), history.shape[1]
        of_item = torch.where(history[:, :, None] == context[:, None, :], ages[:, None, :], 0.0).sum(dim=2)
        added = torch.zeros_like(of_item)
        for gap in range(1, min(self.window, length - 1) + 1):
            apart = history[:, :-gap] != history[:, gap:]  # an item with itself is no pair
            added[:, gap:] += torch.where(apart, of_item[:, :-gap] / gap, 0.0)
            added[:, :-gap] += torch.where(apart, of_item[:, gap:] * self.backward / gap, 0.0)
        return history, added

    def own_score(self, context: Tensor, history: Tensor) -> Tensor:
        """The part of `score` that comes from the row's own pairs: what a training row must not see of itself.

        context, history: see own. Returns (batch, n_items + 1) float32.
        """
        items, weights = self.own(context, history)
        scores = weights.new_zeros(len(history), len(self.neighbours)).scatter_add_(1, items, weights)
        scores[:, 0] = 0
        return scores

    def forward(self, context: Tensor, history: Tensor | None = None) -> Tensor:
        """Scores that sum to 1 (or to 0 for a context without neighbours), without the row's own pairs if given."""
        scores = self.score(context)
        if history is not None:
            scores = scores - self.own_score(context, history)
            scores = F.threshold(scores, ROUNDING, 0.0)
        return scores / scores.sum(dim=1, keepdim=True).clamp(min=1e-9)


class ItemLikeness(nn.Module):
    """Items alike in the catalogue, scored for a context as the counts are. No parameters.

    neighbours: (n_items + 1, M) int64, 0 for none; weights: (n_items + 1, M) float32, how alike.
    """

    neighbours: Tensor
    weights: Tensor

    def __init__(self, neighbours: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("neighbours", neighbours.long())
        self.register_buffer("weights", weights.float())

    def near(self, items: Tensor, ages: Tensor) -> Part:
        """As of CoVisitation; ages: (batch, length), the weight of each item."""
        return self.neighbours[items].flatten(1), (self.weights[items] * ages[:, :, None]).flatten(1)

    def forward(self, items: Tensor, ages: Tensor) -> Tensor:
        """Scores that sum to 1, or to 0 for a context of which nothing is known.

        items: (batch, length); ages: (batch, length), the weight of each. Returns (batch, n_items + 1).
        """
        neighbours, weights = self.near(items, ages)
        scores = weights.new_zeros(len(items), len(self.neighbours))
        scores.scatter_add_(1, neighbours, weights)
        scores[:, 0] = 0
        return scores / scores.sum(dim=1, keepdim=True).clamp(min=1e-9)


class Informed(nn.Module):
    """Logits of what is counted: softplus(a) * log(co-visitation score + b * popularity + c * likeness).

    a, b and c are learned, as differences from what they start from, so that a weight decay pulls towards the start:
    a = 1, of which a generator predicts as well as the counts do before it has learnt anything.
    log_popularity: (n_items + 1,); it also carries contexts without neighbours. Without likeness there is no c. floor,
    share: what b and c start from.
    """

    popularity: Tensor

    def __init__(
        self,
        covisitation: CoVisitation,
        log_popularity: Tensor,
        likeness: ItemLikeness | None = None,
        floor: float = 0.1,
        share: float = 0.25,
    ) -> None:
        super().__init__()
        self.covisitation, self.likeness = covisitation, likeness
        self.register_buffer("popularity", torch.softmax(log_popularity.float(), dim=0))
        self.floor, self.share = floor, share
        self.weight = nn.Parameter(torch.zeros(()))
        self.log_floor = nn.Parameter(torch.zeros(()))
        self.log_share = nn.Parameter(torch.zeros(())) if likeness is not None else None

    def forward(self, context: Tensor, history: Tensor | None = None) -> Tensor:
        """context, history as in CoVisitation. Returns (batch, n_items + 1) to be added to logits."""
        alike = None if self.likeness is None else self.likeness(context, self.covisitation.ages(context))
        return self.join(self.covisitation(context, history), self.popularity, alike)

    def join(self, counted: Tensor, popularity: Tensor, alike: Tensor | None) -> Tensor:
        """Logits of items by their scores, of shapes that go together; alike: None without likeness."""
        scores = counted + self.floor * self.log_floor.exp() * popularity
        if alike is not None and self.log_share is not None:
            scores = scores + self.share * self.log_share.exp() * alike
        return F.softplus(A_OF_ONE + self.weight) * torch.log(scores.clamp(min=1e-12))


def near_entries(
    covisitation: CoVisitation,
    likeness: ItemLikeness | None,
    context: Tensor,
    history: Tensor | None = None,
    targets: Tensor | None = None,
) -> Iterator[Entries]:
    """The scores of CoVisitation and ItemLikeness without zeros, of ROWS contexts after the other.

    context, history: (batch, length), see CoVisitation. targets: (batch, n), items that have to be there, 0 for none.
    Yields values by counts, by likeness and of targets, of those that are given: the first two of a sum of 1 in a row
    (or 0), and above 0 at targets.
    """
    ages = covisitation.ages(context)
    own = None if history is None else covisitation.own(context, history)
    for rows in torch.arange(len(context), device=context.device).split(ROWS):
        items = context[rows, : max(int((context[rows] > 0).sum(dim=1).max()), 1)]
        kinds, least = [[covisitation.near(items)]], None
        if own is not None:
            least = ROUNDING + SHARE * kinds[0][0][1].sum(dim=1, keepdim=True)
            kinds[0].append((own[0][rows], -own[1][rows]))
        if likeness is not None:
            kinds.append([likeness.near(items, ages[rows, : items.shape[1]])])
        counted = len(kinds)
        if targets is not None:
            kinds.append([(targets[rows], (targets[rows] > 0).float())])
        found = add_up(kinds, len(covisitation.neighbours), least)
        for values in found.values[:counted]:
            values.div_(found.sums(values).clamp(min=1e-9))
        yield found
