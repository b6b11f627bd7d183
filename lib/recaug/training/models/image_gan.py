"""Class-conditional GAN of pictures."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from recaug.training.models.image_layers import (
    DECODERS,
    ENCODERS,
)


class Discriminator(nn.Module):
    """Is it a picture of the class? The class enters as a projection (Miyato and Koyama 2018)."""

    def __init__(self, classes: int, network: str, with_spectral_norm: bool, **shape: int) -> None:
        super().__init__()
        self.encoder = ENCODERS[network](with_spectral_norm=with_spectral_norm, **shape)
        self.output = nn.Linear(self.encoder.features, 1)
        self.classes = nn.Embedding(classes, self.encoder.features)
        nn.init.normal_(self.classes.weight, std=0.02)
        if with_spectral_norm:
            spectral_norm(self.output)
            spectral_norm(self.classes)

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """pictures: (batch, channels, size, size) in -1 to 1; labels: (batch,). Returns logits (batch,)."""
        features = self.encoder(pictures)
        return self.output(features).squeeze(1) + (features * self.classes(labels)).sum(dim=1)


class ImageGAN(nn.Module):
    """A class-conditional GAN (Goodfellow et al. 2014; Mirza and Osindero 2014).

    network: `convolutional` or `perceptron`. Samples come from `smooth`, the exponential moving average of the
    generator's weights (Yazici et al. 2019), which `follow` moves on after each step.
    """

    def __init__(
        self, classes: int, *, network: str, z_dim: int, width: int, size: int, channels: int, spectral_norm: bool
    ) -> None:
        super().__init__()
        shape = {"width": width, "size": size, "channels": channels}
        self.classes, self.z_dim = classes, z_dim
        self.generator = DECODERS[network](classes, z_dim=z_dim, **shape)
        self.discriminator = Discriminator(classes, network, spectral_norm, **shape)
        self.smooth = copy.deepcopy(self.generator).requires_grad_(False)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """z: (batch, z_dim); labels: (batch,). Returns (batch, channels, size, size) in -1 to 1."""
        pictures: Tensor = self.generator(z, F.one_hot(labels, self.classes).float())
        return pictures

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the averaged weights towards the generator's."""
        for average, weight in zip(self.smooth.parameters(), self.generator.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)

    @torch.no_grad()
    def sample(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """A picture of each label. labels: (batch,). Returns (batch, channels, size, size) in -1 to 1."""
        z = torch.randn((len(labels), self.z_dim), generator=generator)
        pictures: Tensor = self.smooth(z, F.one_hot(labels, self.classes).float())
        return pictures


def differentiable_augmentation(pictures: Tensor) -> Tensor:
    """Brightness, saturation, contrast, a shift and a cut, other ones for each picture (Zhao et al. 2020).

    Applied alike to real and generated pictures before the discriminator; gradients pass. Same shape.
    """
    n, _, height, width = pictures.shape

    def uniform() -> Tensor:
        return torch.rand((n, 1, 1, 1), device=pictures.device)

    x = pictures + uniform() - 0.5
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * 2 * uniform() + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (uniform() + 0.5) + mean
    x = _shifted(x, height // 8)
    rows, columns = (torch.arange(length, device=x.device) for length in (height, width))
    top, left = uniform() * height, uniform() * width
    cut = ((rows.view(1, 1, -1, 1) - top).abs() < height / 4) & ((columns.view(1, 1, 1, -1) - left).abs() < width / 4)
    return x.masked_fill(cut, 0.0)


def _shifted(pictures: Tensor, most: int) -> Tensor:
    """Shift each picture by up to `most` pixels in both directions, zeros coming in."""
    n, channels, height, width = pictures.shape
    padded = F.pad(pictures, (most, most, most, most))
    down, right = (torch.randint(0, 2 * most + 1, (n, 1), device=pictures.device) for _ in range(2))
    rows = (down + torch.arange(height, device=pictures.device))[:, None, :, None]
    columns = (right + torch.arange(width, device=pictures.device))[:, None, None, :]
    at = (torch.arange(n, device=pictures.device)[:, None, None, None], torch.arange(channels)[None, :, None, None])
    return padded[at[0], at[1].to(pictures.device), rows, columns]
