"""Class-conditional VAE of pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.image_layers import DECODERS, ENCODERS


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
