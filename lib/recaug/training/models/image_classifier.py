"""The classifier that judges pictures."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class ImageClassifier(nn.Module):
    """A small convolutional classifier; its features are what pictures are compared in."""

    def __init__(self, classes: int, *, width: int, size: int, channels: int, dropout: float) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(min(8, after), after) for after in widths[1:])
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(4 * width * 4, classes)

    def features(self, pictures: Tensor) -> Tensor:
        """pictures: (batch, channels, size, size) in -1 to 1. Returns (batch, features)."""
        x = pictures
        for layer, norm in zip(self.down, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return F.adaptive_avg_pool2d(x, 2).flatten(1)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: (batch, channels, size, size) in -1 to 1. Returns logits (batch, classes)."""
        logits: Tensor = self.output(self.dropout(self.features(pictures)))
        return logits
