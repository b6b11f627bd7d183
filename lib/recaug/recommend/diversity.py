"""Lists that do not say the same thing twice."""

import torch
from torch import Tensor

POOL = 5  # times the length of the list: what it is chosen from


def maximal_marginal_relevance(scores: Tensor, vectors: Tensor, k: int, weight: float) -> Tensor:
    """Choose k of each row's items, one after the other, by (1 - weight) * relevance - weight * likeness.

    The relevance is the score scaled to 0 to 1 in the row, the likeness the largest cosine to an item that is chosen
    already (Carbonell and Goldstein 1998). scores: (batch, m) best first, -inf for none; vectors: (batch, m, dim) of
    length one. Returns the places of the chosen, (batch, k) int64, -1 where none is left.
    """
    valid = ~torch.isneginf(scores)
    low = torch.where(valid, scores, torch.inf).amin(dim=1, keepdim=True)
    high = torch.where(valid, scores, -torch.inf).amax(dim=1, keepdim=True)
    relevance = torch.where(valid, (scores - low) / (high - low).clamp(min=1e-9), -torch.inf)
    likeness = torch.zeros_like(relevance)
    row, chosen = torch.arange(len(scores)), []
    for _ in range(min(k, scores.shape[1])):
        best = ((1 - weight) * relevance - weight * likeness).argmax(dim=1)
        chosen.append(torch.where(torch.isneginf(relevance[row, best]), -1, best))
        relevance[row, best] = -torch.inf
        cosine = (vectors @ vectors[row, best][:, :, None]).squeeze(2)
        likeness = torch.maximum(likeness, cosine) if len(chosen) > 1 else cosine
    return torch.stack(chosen, dim=1)
