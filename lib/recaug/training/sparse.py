"""Gradients that hold few rows of large tables."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def numbers(gradient: Tensor) -> Tensor:
    """What a gradient holds, to be changed in place: all of it, or the rows of a sparse one that is coalesced."""
    return gradient._values() if gradient.is_sparse else gradient


def clip(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """Do as torch.nn.utils.clip_grad_norm_, for sparse gradients, too. Returns the norm before, a scalar."""
    return nn.utils.clip_grad_norm_([_holder(parameter) for parameter in parameters], most)


def _holder(parameter: nn.Parameter) -> Tensor:
    """The parameter, or of one whose gradient is sparse a tensor whose gradient is the rows'."""
    if parameter.grad is None or not parameter.grad.is_sparse:
        return parameter
    rows = numbers(parameter.grad)
    holder = torch.empty_like(rows)
    holder.grad = rows
    return holder
