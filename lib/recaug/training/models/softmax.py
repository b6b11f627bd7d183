"""Next-item losses over the whole catalogue, or over sampled negatives, that never store all logits."""

import torch
from torch import Tensor

from recaug.training.models.sasrec import SASRec

CHUNK = 256  # positions whose logits over the whole catalogue are held at once


class _ChunkedSoftmax(torch.autograd.Function):
    """Weighted sum of cross-entropies with both gradients computed in the forward pass, chunk by chunk.

    So the (positions, n_items + 1) logits are never stored. A position's targets share its normaliser.
    """

    @staticmethod
    def forward(ctx, hidden, targets, weights, items, bias):  # type: ignore[no-untyped-def]
        total = hidden.new_zeros(())
        d_hidden, d_items, d_bias = torch.empty_like(hidden), torch.zeros_like(items), torch.zeros_like(bias)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            logits = torch.addmm(bias, hidden[part], items.T)  # (chunk, n_items + 1)
            logits[:, 0] = -1e9
            at_targets, weight = logits.gather(1, targets[part]), weights[part]  # (chunk, T)
            highest = logits.amax(dim=1, keepdim=True)
            chances = logits.sub_(highest).exp_()  # the only pass of exp over the catalogue: half of logsumexp's time
            summed = chances.sum(dim=1, keepdim=True)
            total += ((summed.log() + highest - at_targets) * weight).sum()
            # d loss / d logits = sum of weights * softmax - weight at each target
            d_logits = chances.mul_(weight.sum(dim=1, keepdim=True) / summed)
            d_logits.scatter_add_(1, targets[part], -weight)
            d_hidden[part] = d_logits @ items
            d_items.addmm_(d_logits.T, hidden[part])
            d_bias += d_logits.sum(dim=0)
        ctx.save_for_backward(d_hidden, d_items, d_bias)
        return total

    @staticmethod
    def backward(ctx, d_total):  # type: ignore[no-untyped-def]
        d_hidden, d_items, d_bias = ctx.saved_tensors
        return d_hidden * d_total, None, None, d_items * d_total, d_bias * d_total


def full_softmax(model: SASRec, hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of cross-entropies over the whole catalogue, padding left out.

    hidden: (positions, dim); targets: (positions, T) int64, the next items of each position, 0 for none;
    weights: (positions, T), 0 where there is none. Returns a scalar, nats.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _ChunkedSoftmax.apply(hidden.float(), targets, weights.float(), model.table(), model.item_bias)
    return loss


class _SharedNegatives(torch.autograd.Function):
    """As _ChunkedSoftmax, with each target's own logit beside negatives that all positions share."""

    @staticmethod
    def forward(ctx, hidden, positive, weights, places, items, bias):  # type: ignore[no-untyped-def]
        total = hidden.new_zeros(())
        d_hidden, d_items, d_bias = torch.empty_like(hidden), torch.zeros_like(items), torch.zeros_like(bias)
        d_positive = torch.empty_like(positive)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            logits = torch.addmm(bias, hidden[part], items.T)  # (chunk, n)
            row, target = (places[part] >= 0).nonzero(as_tuple=True)
            logits[row, places[part][row, target]] = -1e9  # a target among the negatives
            highest = logits.amax(dim=1, keepdim=True)
            chances = logits.sub_(highest).exp_()
            summed = chances.sum(dim=1, keepdim=True)
            of_negatives = summed.log() + highest  # (chunk, 1)
            normaliser = torch.logaddexp(of_negatives, positive[part])  # (chunk, T)
            total += ((normaliser - positive[part]) * weights[part]).sum()
            d_positive[part] = weights[part] * torch.expm1(positive[part] - normaliser)
            share = (weights[part] * torch.exp(of_negatives - normaliser)).sum(dim=1, keepdim=True)
            d_logits = chances.mul_(share / summed)
            d_hidden[part] = d_logits @ items
            d_items.addmm_(d_logits.T, hidden[part])
            d_bias += d_logits.sum(dim=0)
        ctx.save_for_backward(d_hidden, d_positive, d_items, d_bias)
        return total

    @staticmethod
    def backward(ctx, d_total):  # type: ignore[no-untyped-def]
        d_hidden, d_positive, d_items, d_bias = ctx.saved_tensors
        return d_hidden * d_total, d_positive * d_total, None, None, d_items * d_total, d_bias * d_total


def sampled_softmax(
    model: SASRec, hidden: Tensor, targets: Tensor, weights: Tensor, *, negatives: Tensor, log_probability: Tensor
) -> Tensor:
    """Weighted sum of cross-entropies over the target and negatives that all positions share.

    exp(logit) of a negative is divided by its expected count (Bengio and Senecal 2008), so the sum over the negatives
    estimates the sum over the catalogue. Negatives that are among the position's targets are left out.

    hidden, targets, weights as in full_softmax; negatives: (n,) int64; log_probability: (n,) of the draw that gave
    each. Returns a scalar, nats.
    """
    drawn, of_draw = negatives.unique(return_inverse=True)
    # an item's draws together: sum of 1 / probability
    importance = torch.zeros(len(drawn), device=drawn.device).index_add_(0, of_draw, torch.exp(-log_probability))
    places = torch.full((len(model.item_bias),), -1, device=drawn.device)
    places[drawn] = torch.arange(len(drawn), device=drawn.device)
    with torch.autocast(hidden.device.type, enabled=False):
        hidden = hidden.float()
        positive = (hidden[:, None] * model.vectors(targets)).sum(dim=2) + model.item_bias[targets]  # (positions, T)
        bias = model.item_bias[drawn] + torch.log(importance / len(negatives))
        loss: Tensor = _SharedNegatives.apply(
            hidden, positive, weights.float(), places[targets], model.vectors(drawn), bias
        )
    return loss
