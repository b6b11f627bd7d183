"""Behaviour VAE: the bag of a user's items, through a latent Gaussian, to a distribution over what comes next."""

import torch
from torch import Tensor, nn

from recaug.training.models.context import Bag, distinct
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.item_head import ItemHead, relative_likelihood


class BehaviourVAE(nn.Module):
    """Multinomial VAE (Liang et al. 2018; Kingma and Welling 2014).

    Bag of the context -> q(z | x) = N(mu, sigma^2) -> logits over the catalogue.
    covisitation, likeness, log_popularity: see ItemHead.
    """

    def __init__(
        self,
        n_items: int,
        *,
        hidden: int,
        z_dim: int,
        dropout: float,
        covisitation: CoVisitation | None = None,
        likeness: ItemLikeness | None = None,
        log_popularity: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.bag = Bag(n_items, hidden, dropout)
        self.posterior = nn.Linear(hidden, 2 * z_dim)
        self.decode_hidden = nn.Linear(z_dim, hidden)
        self.head = ItemHead(n_items, hidden, covisitation, likeness, log_popularity)

    def encode(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """items: (batch, length). Returns mu and log sigma^2 of q(z | x), each (batch, z_dim)."""
        mu, log_variance = self.posterior(torch.tanh(self.bag(items))).chunk(2, dim=1)
        return mu, log_variance

    def decode(self, z: Tensor, context: Tensor, history: Tensor | None = None) -> Tensor:
        """z: (batch, z_dim). Returns logits (batch, n_items + 1), -inf at padding; history: see CoVisitation."""
        logits: Tensor = self.head(torch.tanh(self.decode_hidden(z)), self.head.counted(context, history))
        return logits

    def forward(self, context: Tensor, history: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The training pass. noise: (batch, z_dim) standard normal. Returns logits, mu, log sigma^2."""
        mu, log_variance = self.encode(context)
        z = mu + noise * torch.exp(0.5 * log_variance)  # the reparametrisation
        return self.decode(z, context, history), mu, log_variance

    @torch.no_grad()
    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Logits of the next item of each context, from a sampled z, or from z = mu if no generator is given.

        items: (batch, length) int64 left-aligned, 0 for padding; of an empty context z has the prior, N(0, I).
        Returns (batch, n_items + 1), -inf at padding.
        """
        known = (items > 0).any(dim=1, keepdim=True)
        mu, log_variance = (parameter * known for parameter in self.encode(items))
        if generator is None:
            return self.decode(mu, items)
        noise = torch.randn(mu.shape, generator=generator, device=generator.device).to(mu.device)
        return self.decode(mu + noise * torch.exp(0.5 * log_variance), items)

    @torch.no_grad()
    def fidelity(self, items: Tensor, generated: Tensor, logits: Tensor) -> Tensor:
        """Likelihood of each generated item over that of the likeliest one.

        items: (batch, length), the contexts; generated: (batch, n), drawn from logits: (batch, n_items + 1).
        Returns (batch, n) in 0 to 1.
        """
        return relative_likelihood(generated, logits)


def multinomial_nll(logits: Tensor, items: Tensor) -> Tensor:
    """-sum of log softmax at the row's distinct items (Liang et al. 2018, equation 2).

    logits: (batch, n_items + 1); items: (batch, length), 0 for padding. Returns (batch,) nats.
    """
    targets = distinct(items)
    log_likelihood = torch.log_softmax(logits, dim=1).gather(1, targets)
    return -log_likelihood.masked_fill(targets == 0, 0.0).sum(dim=1)


def kl_divergence(mu: Tensor, log_variance: Tensor, free_bits: float = 0.0) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, I)), each dimension at least `free_bits` nats (Kingma et al. 2016).

    mu, log_variance: (batch, z_dim). Returns (batch,) nats.
    """
    kl = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance)
    return kl.clamp(min=free_bits).sum(dim=1)


def negative_elbo(
    logits: Tensor, items: Tensor, mu: Tensor, log_variance: Tensor, *, beta: float, free_bits: float
) -> Tensor:
    """Reconstruction + beta * KL, the loss of a beta-VAE. Returns (batch,) nats."""
    return multinomial_nll(logits, items) + beta * kl_divergence(mu, log_variance, free_bits)
