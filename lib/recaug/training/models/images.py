"""Pictures of a class: GAN, VAE and a classifier, as multilayer perceptrons and convolutional."""

import copy
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


class ImageVAE(nn.Module):
    """A class-conditional VAE (Kingma and Welling 2014; Sohn et al. 2015) with one learnt sigma for all pixels.

    x' = mu(z) + sigma * eps (Rybkin et al. 2021); a sample is mu(z), the noise of the pixels left out.
    """

    def __init__(self, classes: int, *, network: str, z_dim: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        shape = {"width": width, "size": size, "channels": channels}
        self.classes, self.z_dim = classes, z_dim
        self.encoder = ENCODERS[network](with_spectral_norm=False, **shape)
        self.latent = nn.Linear(self.encoder.features + classes, 2 * z_dim)
        self.decoder = DECODERS[network](classes, z_dim=z_dim, **shape)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def forward(self, pictures: Tensor, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pictures: (batch, channels, size, size) in -1 to 1; labels: (batch,); noise: (batch, z_dim).

        Returns the decoded pictures and mu, log_variance of z, each (batch, z_dim).
        """
        one_hot = F.one_hot(labels, self.classes).float()
        mu, log_variance = self.latent(torch.cat([self.encoder(pictures), one_hot], dim=1)).chunk(2, dim=1)
        log_variance = log_variance.clamp(-10, 10)
        return self.decoder(mu + noise * torch.exp(0.5 * log_variance), one_hot), mu, log_variance

    def negative_log_likelihood(self, decoded: Tensor, pictures: Tensor) -> Tensor:
        """Of each picture in nats, without the constant. Returns (batch,)."""
        squares = (decoded - pictures).square().flatten(1)
        return 0.5 * squares.sum(dim=1) * torch.exp(-2 * self.log_sigma) + squares.shape[1] * self.log_sigma

    @torch.no_grad()
    def sample(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """A picture of each label. labels: (batch,). Returns (batch, channels, size, size) in -1 to 1."""
        z = torch.randn((len(labels), self.z_dim), generator=generator)
        pictures: Tensor = self.decoder(z, F.one_hot(labels, self.classes).float())
        return pictures


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


def to_unit(pixels: Tensor) -> Tensor:
    """Pixels 0 to 255, (batch, height, width, channels), to -1 to 1, (batch, channels, height, width)."""
    return (pixels.float() / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def to_pixels(pictures: Tensor) -> Tensor:
    """The way back, to uint8."""
    return ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


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
