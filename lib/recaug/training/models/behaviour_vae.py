"""Behaviour VAE: the bag of a user's items, through a latent Gaussian, to a distribution over what comes next."""

import torch
from torch import Tensor, nn

from recaug.training.models.candidates import WHOLE
from recaug.training.models.context import Bag, distinct
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.item_head import ItemHead
from recaug.training.models.network import Network
from recaug.training.models.scores import Scores


class BehaviourVAE(Network):
    """Multinomial VAE (Liang et al. 2018; Kingma and Welling 2014).

    Bag of the context -> q(z | x) = N(mu, sigma^2) -> logits over the catalogue.
    covisitation, likeness, log_popularity, full_softmax_items: see ItemHead.
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
        full_softmax_items: int = WHOLE,
    ) -> None:
        super().__init__()
        self.bag = Bag(n_items, hidden, dropout, sparse=n_items > full_softmax_items)
        self.posterior = nn.Linear(hidden, 2 * z_dim)
        self.decode_hidden = nn.Linear(z_dim, hidden)
        self.head = ItemHead(n_items, hidden, covisitation, likeness, log_popularity, full_softmax_items)

    def tables(self) -> list[nn.Parameter]:
        """Parameters whose gradient is sparse."""
        sparse = self.head.candidates is not None
        return [*self.bag.embedding.parameters(), self.head.output.get_parameter("weight")] if sparse else []

    def encode(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """items: (batch, length). Returns mu and log sigma^2 of q(z | x), each (batch, z_dim)."""
        mu, log_variance = self.posterior(torch.tanh(self.bag(items))).chunk(2, dim=1)
        return mu, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """z: (batch, z_dim). Returns what the head takes, (batch, hidden)."""
        return torch.tanh(self.decode_hidden(z))

    def forward(
        self, context: Tensor, history: Tensor | None, noise: Tensor, to_come: Tensor
    ) -> tuple[Scores, Tensor, Tensor]:
        """The training pass. noise: (batch, z_dim) standard normal; to_come: (batch, length), what is to be likely.

        history: whose own pairs are taken out of the counts; None: none is.

        Returns scores that have what is to come, mu, log sigma^2.
        """
        mu, log_variance = self.encode(context)
        z = mu + noise * torch.exp(0.5 * log_variance)  # the reparametrisation
        return self.head.scores(self.decode(z), context, history, targets=to_come), mu, log_variance

    @torch.no_grad()
    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See Network: from a sampled z, or from z = mu; of an empty context z has the prior, N(0, I)."""
        return self.head(self.decode(self._latent(items, generator)), self.head.counted(items))

    @torch.no_grad()
    def scores(self, items: Tensor, generator: torch.Generator) -> Scores:
        """See Network."""
        return self.head.scores(self.decode(self._latent(items, generator)), items, random=generator)

    def _latent(self, items: Tensor, generator: torch.Generator | None) -> Tensor:
        known = (items > 0).any(dim=1, keepdim=True)
        mu, log_variance = (parameter * known for parameter in self.encode(items))
        if generator is None:
            return mu
        noise = torch.randn(mu.shape, generator=generator, device=generator.device).to(mu.device)
        return mu + noise * torch.exp(0.5 * log_variance)


def multinomial_nll(scores: Scores, items: Tensor) -> Tensor:
    """-sum of log softmax at the row's distinct items (Liang et al. 2018, equation 2).

    items: (batch, length), 0 for padding. Returns (batch,) nats.
    """
    targets = distinct(items)
    return -scores.log_chances(targets).masked_fill(targets == 0, 0.0).sum(dim=1)


def kl_divergence(mu: Tensor, log_variance: Tensor, free_bits: float = 0.0) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, I)), each dimension at least `free_bits` nats (Kingma et al. 2016).

    mu, log_variance: (batch, z_dim). Returns (batch,) nats.
    """
    kl = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance)
    return kl.clamp(min=free_bits).sum(dim=1)


def negative_elbo(
    scores: Scores, items: Tensor, mu: Tensor, log_variance: Tensor, *, beta: float, free_bits: float
) -> Tensor:
    """Reconstruction + beta * KL, the loss of a beta-VAE. Returns (batch,) nats."""
    return multinomial_nll(scores, items) + beta * kl_divergence(mu, log_variance, free_bits)
