"""Next-item losses over the whole catalogue, or over sampled negatives, without all logits in memory."""

import torch
from torch import Tensor

from recaug.training.models.sasrec import SASRec

CHUNK = 256  # positions whose logits over the negatives are held at once
POSITIONS, ITEMS = 1024, 512  # of the catalogue's logits: held at once, and computed at once, in the cache


class _FullSoftmax(torch.autograd.Function):
    """Weighted sum of cross-entropies with all gradients computed in the forward pass.

    The logits of some positions are computed for a block of items after the other, with a running maximum (Milakov and
    Gimelshein 2018), so that each block is done with while it is in the cache. A position's targets share its
    normaliser.
    """

    @staticmethod
    def forward(ctx, hidden, targets, weights, items, bias):  # type: ignore[no-untyped-def]
        total = hidden.new_zeros(())
        d_hidden, d_items, d_bias = torch.empty_like(hidden), torch.zeros_like(items), torch.zeros_like(bias)
        for part in torch.arange(len(hidden), device=hidden.device).split(POSITIONS):
            x, target, weight = hidden[part], targets[part], weights[part]  # (positions, dim), (positions, T) twice
            normaliser, d_hidden[part] = _normalise(x, weight.sum(dim=1, keepdim=True), items, bias, d_items, d_bias)
            own = items[target]  # (positions, T, dim)
            total += ((normaliser - (x[:, None] * own).sum(dim=2) - bias[target]) * weight).sum()
            d_hidden[part] -= (own * weight[:, :, None]).sum(dim=1)
            d_items.index_add_(0, target.flatten(), (x[:, None] * -weight[:, :, None]).flatten(0, 1))
            d_bias.index_add_(0, target.flatten(), -weight.flatten())
        ctx.save_for_backward(d_hidden, d_items, d_bias)
        return total

    @staticmethod
    def backward(ctx, d_total):  # type: ignore[no-untyped-def]
        d_hidden, d_items, d_bias = ctx.saved_tensors
        return d_hidden * d_total, None, None, d_items * d_total, d_bias * d_total


def _normalise(
    x: Tensor, weight: Tensor, items: Tensor, bias: Tensor, d_items: Tensor, d_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-sum-exp of each position's logits, (positions, 1), and the gradient of its weighted sum by x.

    x: (positions, dim); weight: (positions, 1). Adds the gradients by items and bias to d_items and d_bias.
    """
    highest, summed = x.new_full((len(x), 1), -torch.inf), x.new_zeros(len(x), 1)
    d_x, blocks = torch.zeros_like(x), [slice(start, start + ITEMS) for start in range(0, len(items), ITEMS)]
    chances, heights = [x.new_empty(len(x), len(items[block])) for block in blocks], []
    for chance, block in zip(chances, blocks, strict=True):
        logits = (x @ items[block].T).add_(bias[block])
        if block.start == 0:
            logits[:, 0] = -1e9
        before, highest = highest, torch.maximum(highest, logits.amax(dim=1, keepdim=True))
        known = torch.exp(before - highest)
        torch.exp(logits.sub_(highest), out=chance)
        summed = summed * known + chance.sum(dim=1, keepdim=True)
        d_x = torch.addmm(d_x * known, chance, items[block])
        heights.append(highest)
    share = weight / summed  # d loss / d logit = share * chance
    for chance, block, height in zip(chances, blocks, heights, strict=True):
        scale = share * torch.exp(height - highest)
        d_items[block].addmm_(chance.T, x * scale)
        d_bias[block].addmv_(chance.T, scale.squeeze(1))
    return summed.log() + highest, d_x * share


def full_softmax(model: SASRec, hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of cross-entropies over the whole catalogue, padding left out.

    hidden: (positions, dim); targets: (positions, T) int64, the next items of each position, 0 for none;
    weights: (positions, T), 0 where there is none. Returns a scalar, nats.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _FullSoftmax.apply(hidden.float(), targets, weights.float(), model.table(), model.item_bias)
    return loss


class _SharedNegatives(torch.autograd.Function):
    """As _FullSoftmax, with each target's own logit beside negatives that all positions share."""

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
