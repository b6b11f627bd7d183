"""Encoders and decoders of pictures, convolutional or multilayer perceptrons, and their scale."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

PERCEPTRON = (128, 256, 512, 1024)  # hidden layers of the generator; the discriminator has the last three, turned round


class ClassNorm(nn.Module):
    """Group normalisation with a gain and an offset for each class: batches, and so ranks, do not enter."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(min(8, channels), channels, affine=False)
        self.gain, self.offset = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """x: (batch, channels, height, width); labels: (batch,). Returns the shape of x."""
        return self.norm(x) * self.gain(labels)[:, :, None, None] + self.offset(labels)[:, :, None, None]


class ConvolutionalDecoder(nn.Module):
    """z and a class to a picture, doubled three times from a quarter of an eighth (Radford et al. 2016)."""

    def __init__(self, classes: int, *, z_dim: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        self.start = -(-size // 8)
        self.size, self.width = size, width
        self.linear = nn.Linear(z_dim + classes, 4 * width * self.start**2)
        widths = (4 * width, 2 * width, width, width)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(ClassNorm(after, classes) for after in widths[:-1])
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor, one_hot: Tensor) -> Tensor:
        """z: (batch, z_dim); one_hot: (batch, classes). Returns (batch, channels, size, size) in -1 to 1."""
        labels = one_hot.argmax(dim=1)
        x = self.linear(torch.cat([z, one_hot], dim=1)).view(len(z), 4 * self.width, self.start, self.start)
        for norm, up in zip(self.norms, self.up, strict=True):
            x = up(F.leaky_relu(norm(x, labels), 0.2))
        cut = (x.shape[-1] - self.size) // 2  # 28 comes from 32
        x = x[:, :, cut : cut + self.size, cut : cut + self.size]
        return torch.tanh(self.last(F.leaky_relu(x, 0.2)))


class PerceptronDecoder(nn.Module):
    """z and a class to a picture: 100 -> 128 -> 256 -> 512 -> 1024 -> 784 where the picture is 28 x 28 grey."""

    def __init__(self, classes: int, *, z_dim: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        widths = (z_dim + classes, *PERCEPTRON)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(b) for b in widths[1:])
        self.last = nn.Linear(widths[-1], math.prod(self.shape))

    def forward(self, z: Tensor, one_hot: Tensor) -> Tensor:
        """z: (batch, z_dim); one_hot: (batch, classes). Returns (batch, channels, size, size) in -1 to 1."""
        x = torch.cat([z, one_hot], dim=1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.leaky_relu(norm(layer(x)), 0.2)
        return torch.tanh(self.last(x)).view(len(x), *self.shape)


class ConvolutionalEncoder(nn.Module):
    """A picture to features, halved three times."""

    def __init__(self, *, width: int, size: int, channels: int, with_spectral_norm: bool) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.features = 4 * width * (size // 8) ** 2
        for layer in self.down if with_spectral_norm else ():
            spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, size, size). Returns (batch, features)."""
        for layer in self.down:
            x = F.leaky_relu(layer(x), 0.2)
        return x.flatten(1)


class PerceptronEncoder(nn.Module):
    """A picture to features, the decoder's last layers turned round."""

    def __init__(self, *, width: int, size: int, channels: int, with_spectral_norm: bool) -> None:
        super().__init__()
        widths = (channels * size**2, *PERCEPTRON[:0:-1])
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.features = widths[-1]
        for layer in self.layers if with_spectral_norm else ():
            spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, size, size). Returns (batch, features)."""
        x = x.flatten(1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return x


DECODERS: dict[str, type[ConvolutionalDecoder | PerceptronDecoder]] = {
    "convolutional": ConvolutionalDecoder,
    "perceptron": PerceptronDecoder,
}
ENCODERS: dict[str, type[ConvolutionalEncoder | PerceptronEncoder]] = {
    "convolutional": ConvolutionalEncoder,
    "perceptron": PerceptronEncoder,
}


def to_unit(pixels: Tensor) -> Tensor:
    """Pixels 0 to 255, (batch, height, width, channels), to -1 to 1, (batch, channels, height, width)."""
    return (pixels.float() / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def to_pixels(pictures: Tensor) -> Tensor:
    """The way back, to uint8."""
    return ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
