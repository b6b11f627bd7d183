"""Why an item is recommended: the past events without which its score would fall."""

from typing import NamedTuple

import torch
from torch import Tensor

from recaug.training.models.sasrec import SASRec

LAST = 10  # events of a history that are looked at
REASONS = 3  # at most, of a recommendation


def without(items: Tensor, ages: Tensor) -> Tensor:
    """Take events out of histories. items: (batch, length) left-aligned; ages: (batch, n), 0 is the last event.

    Ages of -1 or beyond the history take nothing out. Returns (batch, length), left-aligned.
    """
    batch, length = items.shape
    places = (items > 0).sum(dim=1, keepdim=True) - 1 - ages
    gone = torch.zeros(batch, length + 1, dtype=torch.bool, device=items.device)
    gone.scatter_(1, torch.where((ages >= 0) & (places >= 0), places, length), True)
    left = items.masked_fill(gone[:, :length], 0)
    order = (left == 0).int().argsort(dim=1, stable=True)  # what is left moves to the front
    return left.gather(1, order)


def occlusion(model: SASRec, items: Tensor, listed: Tensor) -> Tensor:
    """How much the score of each listed item falls when one of the last events is taken out (Zeiler and Fergus 2014).

    items: (batch, length) left-aligned; listed: (batch, n). Returns (batch, n, LAST), 0 where there is no such event.
    """
    whole, lengths = model.next_scores(items, listed), (items > 0).sum(dim=1)
    falls = torch.zeros(*listed.shape, LAST)
    for age in range(min(LAST, int(lengths.max()))):
        there = (lengths > age).nonzero().squeeze(1)
        left = without(items[there], torch.full((len(there), 1), age))
        falls[there, :, age] = whole[there] - model.next_scores(left, listed[there])
    return falls


class Reasons(NamedTuple):
    """The events that carry each listed item.

    ages: (batch, n, REASONS) int64, 0 is the last event, -1 for none; weights: their shares of all that falls.
    """

    ages: Tensor
    weights: Tensor


def reasons(falls: Tensor) -> Reasons:
    """Pick the events whose absence costs most. falls: (batch, n, LAST) of occlusion."""
    carried = falls.clamp(min=0)
    shares = carried / carried.sum(dim=2, keepdim=True).clamp(min=1e-9)
    weights, ages = shares.topk(REASONS, dim=2)
    return Reasons(torch.where(weights > 0, ages, -1), weights)


def faithfulness(model: SASRec, items: Tensor, listed: Tensor, seed: int) -> dict[str, float]:
    """Compare how far the score falls without the reason's events and without as many others, drawn at random.

    items: (batch, length) left-aligned; listed: (batch,), one item each. Users count whose history has more events
    than the reason. Returns users, fall_reason and fall_random (mean, logits), and larger: the share of users for whom
    the reason's fall is the larger one.
    """
    ages = reasons(occlusion(model, items, listed[:, None])).ages[:, 0]  # (batch, REASONS)
    lengths = (items > 0).sum(dim=1).clamp(max=LAST)
    used = ((ages >= 0).sum(dim=1) > 0) & (lengths > (ages >= 0).sum(dim=1))
    if not used.any():
        return {"users": 0, "fall_reason": 0.0, "fall_random": 0.0, "larger": 0.0}
    items, listed, ages, lengths = items[used], listed[used], ages[used], lengths[used]
    chance = torch.rand(len(items), LAST, generator=torch.Generator().manual_seed(seed))
    chance[torch.arange(LAST) >= lengths[:, None]] = -1  # no such event
    drawn = chance.topk(REASONS, dim=1).indices.masked_fill(ages < 0, -1)
    whole = model.next_scores(items, listed[:, None])
    of_reason, of_random = ((whole - model.next_scores(without(items, a), listed[:, None])) for a in (ages, drawn))
    return {
        "users": len(items),
        "fall_reason": float(of_reason.mean()),
        "fall_random": float(of_random.mean()),
        "larger": float((of_reason > of_random).float().mean()),
    }
