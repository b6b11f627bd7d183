"""An item's fields as tensors: which columns are whose, what is given, and how likely the truth is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.clickstream.attributes import Field
from recaug.training.models.image_layers import ConvolutionalEncoder

CHANNELS, PICTURE_WIDTH = 3, 8  # of a picture, and of the first convolution over it


class Seen(NamedTuple):
    """A batch of items, as much as may be seen of them.

    items: (batch,) index of the behaviour, 0 for none. codes: (batch, columns) and numbers: (batch, columns) as the
    table item_attributes has them, but 0 and NaN wherever a value is hidden.
    """

    items: Tensor
    codes: Tensor
    numbers: Tensor


def split(fields: Sequence[Field], seen: Seen) -> list[Tensor]:
    """Each field's part of codes or numbers, in the order of fields: (batch, width) each."""
    parts, ends = [], {True: 0, False: 0}
    for field in fields:
        start = ends[field.coded]
        ends[field.coded] = start + field.width
        parts.append((seen.codes if field.coded else seen.numbers)[:, start : start + field.width])
    return parts


def given(field: Field, part: Tensor) -> Tensor:
    """Whether a field has a value, (batch,) bool. part: of split."""
    return (part > 0).any(dim=1) if field.coded else ~part.isnan().any(dim=1)


def name_of(field: Field) -> str:
    """A field's name as torch takes it in a ModuleDict: without dots."""
    return f"{field.kind} {field.name}".replace(".", " ")


def told_by_neighbours(fields: Sequence[Field]) -> list[Field]:
    """The fields that neighbours tell: categorical and multi-valued ones."""
    return [field for field in fields if field.coded and field.completed]


def scaled(field: Field, part: Tensor) -> Tensor:
    """A vector at mean 0 and deviation 1, as encoders differ in scale; a number is a normal deviate as it is."""
    return F.layer_norm(part, part.shape[1:]) if field.kind == "vector" else part


def negative_log_likelihood(field: Field, predicted: Tensor, truth: Tensor) -> Tensor:
    """-log p(truth) of a field, (batch,) nats; 0 where it is missing.

    predicted: of decode. truth: (batch, width) codes, of which those beyond the size do not count, or numbers, NaN for
    missing. Of text and of a vector it is the mean over its terms or numbers, so that they do not drown the others.
    """
    if field.coded:
        truth = torch.where(truth > field.size, 0, truth)
        counts = (truth > 0).sum(dim=1)
        likelihood = torch.log_softmax(predicted, dim=1).gather(1, truth).masked_fill(truth == 0, 0.0).sum(dim=1)
        return -likelihood / (counts.clamp(min=1) if field.kind == "text" else 1)
    truth = scaled(field, truth)
    mean, log_sigma = predicted.chunk(2, dim=1)
    log_sigma = log_sigma.clamp(-5, 3)
    known = ~truth.isnan()
    off = (truth.nan_to_num() - mean) * torch.exp(-log_sigma)
    return ((0.5 * off.square() + log_sigma + 0.5 * math.log(2 * math.pi)) * known).mean(dim=1)


def first_layer(field: Field, hidden: int) -> nn.Module:
    """What reads a field of numbers: (batch, width) to (batch, hidden); a picture by convolutions."""
    if field.kind != "picture":
        return nn.Linear(field.width, hidden)
    size = math.isqrt(field.width // CHANNELS)
    encoder = ConvolutionalEncoder(width=PICTURE_WIDTH, size=size, channels=CHANNELS, with_spectral_norm=False)
    return nn.Sequential(nn.Unflatten(1, (CHANNELS, size, size)), encoder, nn.Linear(encoder.features, hidden))


def last_layer(field: Field, hidden: int) -> nn.Module:
    """What writes a field: logits, or mean and log sigma; of a picture by the convolutions turned round."""
    if field.kind != "picture":
        return nn.Linear(hidden, field.size + 1 if field.coded else 2 * field.width)
    size, width = math.isqrt(field.width // CHANNELS), PICTURE_WIDTH
    start = size // 4  # doubled twice
    return nn.Sequential(
        nn.Linear(hidden, 2 * width * start**2),
        nn.Unflatten(1, (2 * width, start, start)),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 2 * CHANNELS, 4, stride=2, padding=1),
        nn.Flatten(1),
    )
