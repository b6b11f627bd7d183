"""What a recommender is to predict of a batch of histories: at every position of each, or of each of its prefixes."""

from typing import NamedTuple

import torch
from torch import Tensor

from recaug.training.loop import Batch

ROWS = 256  # prefixes that are padded to the longest of them


class Prefixes(NamedTuple):
    """Rows with one position to predict.

    items: (rows, longest) int64, left-aligned, 0 for padding. targets, weights: (rows, T), see next_item_targets.
    generated: (rows,) bool, whether of a generated history; None: no row is known to be.
    """

    items: Tensor
    targets: Tensor
    weights: Tensor
    generated: Tensor | None


def next_item_targets(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What each position is to predict: the real next item and its generated alternatives.

    batch: items (batch, max_length), and possibly continuations and continuation_weights (batch, max_length * n), and
    row_weight (batch,). Returns inputs (batch, length), targets and weights (batch, length, 1 + n), cut to the
    longest row; target 0 is none and has weight 0. Without any continuation in the batch n is 0.
    """
    items = batch["items"]
    rows, max_length = items.shape
    inputs, targets = items[:, :-1], items[:, 1:, None]
    weights = (targets > 0).float()
    if "continuations" in batch and bool(batch["continuations"].any()):
        continuations, generated = (
            batch[column].view(rows, max_length, -1)[:, :-1] * (inputs > 0)[:, :, None]
            for column in ("continuations", "continuation_weights")
        )
        targets, weights = torch.cat([targets, continuations], dim=2), torch.cat([weights, generated], dim=2)
    if "row_weight" in batch:
        weights = weights * batch["row_weight"].float()[:, None, None]
    used = (targets > 0).any(dim=2).any(dim=0).nonzero()
    longest = int(used.max()) + 1 if len(used) else 1
    return inputs[:, :longest], targets[:, :longest], weights[:, :longest]


def prefixes(inputs: Tensor, targets: Tensor, weights: Tensor, generated: Tensor | None, events: int) -> list[Prefixes]:
    """Cut a batch of histories into all of their prefixes, those of like length together, so that few are padded.

    inputs, targets, weights: what next_item_targets gives; a prefix ends with each position that has a target.
    generated: (batch,) bool or None. events: the last ones that a prefix keeps. Returns groups of ROWS, shortest first.
    """
    row, end = (targets > 0).any(dim=2).nonzero(as_tuple=True)
    by_length = end.clamp(max=events - 1).argsort(stable=True)
    groups = []
    for part in by_length.split(ROWS):
        rows, ends = row[part], end[part]
        lengths = (ends + 1).clamp(max=events)
        places = torch.arange(max([1, *lengths.tolist()]), device=inputs.device)
        kept = inputs[rows[:, None], ((ends - lengths + 1)[:, None] + places).clamp(max=inputs.shape[1] - 1)]
        groups.append(
            Prefixes(
                kept * (places < lengths[:, None]),
                targets[rows, ends],
                weights[rows, ends],
                None if generated is None else generated[rows],
            )
        )
    return groups
