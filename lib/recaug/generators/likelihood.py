"""How a model finds what came next in histories, as one sees it who has its weights."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recaug.generators.base import Contexts, Model

CUTS = 8  # of a history, evenly apart
BATCH_ROWS = 256
LEAST = -30.0  # log chance of what a model holds for impossible

Floats = NDArray[np.float64]


@torch.no_grad()
def likelihoods(model: Model, histories: Sequence[NDArray[np.int64]], length: int, seed: int) -> dict[str, Floats]:
    """Ask a model what comes after CUTS places of each history, of which it is given the last `length` events before.

    histories: of two events or more. Nothing is taken out of what the model knows of pairs across a cut.
    Returns, each (histories,): `next` and `rest`, mean log chance of the next event and of all that follow (nats), and
    `fidelity`, mean log of how real the model takes these for (of a GAN by its discriminator).
    """
    random = torch.Generator().manual_seed(seed)
    cuts = [np.unique(np.linspace(1, len(items) - 1, CUTS).astype(np.int64)) for items in histories]
    asked = [(user, cut) for user, places in enumerate(cuts) for cut in places]
    parts: list[Tensor] = []
    for start in range(0, len(asked), BATCH_ROWS):
        batch = asked[start : start + BATCH_ROWS]
        given = _padded([histories[user][:cut][-length:] for user, cut in batch])
        to_come = _padded([histories[user][cut:] for user, cut in batch])
        scores = model.scores(Contexts(given, given, whole=True), random)
        chances, real = scores.log_chances(to_come), torch.log(model.fidelity(given, to_come, scores))
        means = [_mean(values, to_come[:, : values.shape[1]] > 0) for values in (chances[:, :1], chances, real)]
        parts.append(torch.stack(means, dim=1))
    values, user = torch.cat(parts).double().numpy(), np.array([user for user, _ in asked])
    n = np.bincount(user)
    names = ("next", "rest", "fidelity")
    return {name: np.bincount(user, column) / n for name, column in zip(names, values.T, strict=True)}


def _padded(histories: Sequence[NDArray[np.int64]]) -> Tensor:
    """(histories, longest) int64, left-aligned, 0 for padding."""
    rows = np.zeros((len(histories), max(map(len, histories))), dtype=np.int64)
    for row, items in zip(rows, histories, strict=True):
        row[: len(items)] = items
    return torch.from_numpy(rows)


def _mean(values: Tensor, there: Tensor) -> Tensor:
    """Mean of each row over what is there, LEAST for what is less or no number. Both (batch, n). Returns (batch,)."""
    bounded = torch.nan_to_num(values, nan=LEAST, neginf=LEAST).clamp(min=LEAST)
    return bounded.masked_fill(~there, 0.0).sum(dim=1) / there.sum(dim=1).clamp(min=1)
