"""Discriminator rejection sampling: of what the GAN draws, keeps what its discriminator takes for real."""

import torch
from torch import Tensor

MARGIN = 1e-6  # keeps the most real item's chance finite


def reject(drawn: Tensor, realness: Tensor, n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Accept items by the ratio of real to generated density, and keep the first n accepted of each row.

    drawn: (batch, n * k) items, 0 for none. realness: sigmoid(d), of the same shape, d being the discriminator's logit.
    Returns both as (batch, n), 0 where fewer were accepted.

    An optimal discriminator's logit is the logarithm of the ratio. An item is accepted with the probability sigmoid(F),
    F = (d - d_max) - log(1 - exp(d - d_max - margin)) - gamma, where d_max is the highest logit of the batch. gamma is
    the quantile 1 - 1/k of the rest of F, so that about n of n * k items are accepted.
    Source: Azadi et al. 2019, equation 8.
    """
    logits = torch.logit(realness.double(), eps=MARGIN)
    there = drawn > 0
    if not there.any():
        return drawn[:, :n], realness[:, :n]
    gap = logits - logits[there].max()
    likely = gap - torch.log(-torch.expm1(gap - MARGIN))
    gamma = likely[there].quantile(1 - n / drawn.shape[1])
    chance = torch.sigmoid(likely - gamma)
    accepted = there & (torch.rand(drawn.shape, dtype=torch.float64, generator=random) < chance)
    first = accepted.logical_not().long().argsort(dim=1, stable=True)[:, :n]
    kept = accepted.gather(1, first)
    return drawn.gather(1, first) * kept, realness.gather(1, first) * kept
