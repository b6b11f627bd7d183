"""Behaviour GAN: from noise and a user's context to the next item, against a discriminator of (context, item)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from recaug.training.models.candidates import WHOLE
from recaug.training.models.context import Bag, last_items
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.item_head import ItemHead
from recaug.training.models.network import Network
from recaug.training.models.scores import Scores


class ContextEncoder(nn.Module):
    """The bag of the context's items and its last item, joined. sparse: gradients hold the rows that were read."""

    def __init__(self, n_items: int, hidden: int, dropout: float, sparse: bool) -> None:
        super().__init__()
        self.bag = Bag(n_items, hidden, dropout, sparse)
        self.last = nn.Embedding(n_items + 1, hidden, padding_idx=0, sparse=sparse)
        nn.init.normal_(self.last.weight, std=0.02)
        with torch.no_grad():
            self.last.weight[0].zero_()

    def tables(self) -> list[nn.Parameter]:
        """Parameters whose gradient may be sparse."""
        return [*self.bag.embedding.parameters(), *self.last.parameters()]

    def forward(self, items: Tensor) -> Tensor:
        """items: (batch, length) left-aligned. Returns (batch, hidden)."""
        return torch.tanh(self.bag(items) + self.last(last_items(items)))


class Generator(nn.Module):
    """Noise z and the context to logits over the catalogue."""

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
        self.z_dim = z_dim
        self.context = ContextEncoder(n_items, hidden, dropout, sparse=n_items > full_softmax_items)
        self.hidden = nn.Linear(hidden + z_dim, hidden)
        self.head = ItemHead(n_items, hidden, covisitation, likeness, log_popularity, full_softmax_items)

    def forward(self, z: Tensor, items: Tensor) -> Tensor:
        """z: (batch, z_dim); items: (batch, length). Returns what the head takes, (batch, hidden)."""
        return torch.tanh(self.hidden(torch.cat([self.context(items), z], dim=1)))

    def tables(self) -> list[nn.Parameter]:
        """Parameters whose gradient is sparse."""
        sparse = self.head.candidates is not None
        return [*self.context.tables(), self.head.output.get_parameter("weight")] if sparse else []


class Discriminator(nn.Module):
    """Does the item belong to the context? Takes the item's embedding, so that a relaxed item can be judged.

    minibatch_statistics: it also sees how far the items of its batch spread, the mean standard deviation of their
    embeddings (Karras et al. 2018), so that a generator which always draws the same is found out. Outside training that
    is the spread of real batches, which it learns (spread_error): what it says of an item then depends on no other.
    """

    def __init__(
        self,
        n_items: int,
        hidden: int,
        dropout: float,
        with_spectral_norm: bool,
        minibatch_statistics: bool,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.context = ContextEncoder(n_items, hidden, dropout, sparse)
        self.items = nn.Embedding(n_items + 1, hidden, padding_idx=0, sparse=sparse)
        self.spread = nn.Parameter(torch.zeros(())) if minibatch_statistics else None
        self.hidden, self.output = nn.Linear(3 * hidden + minibatch_statistics, hidden), nn.Linear(hidden, 1)
        nn.init.normal_(self.items.weight, std=hidden**-0.5)
        with torch.no_grad():
            self.items.weight[0].zero_()
        if with_spectral_norm:
            spectral_norm(self.hidden)
            spectral_norm(self.output)

    def forward(self, items: Tensor, embedded: Tensor) -> Tensor:
        """items: (batch, length), the context; embedded: (batch, hidden) or (batch, n, hidden), what is judged with it.

        Returns logits, (batch,) or (batch, n).
        """
        context = self.context(items)
        if embedded.dim() == 3:
            context = context[:, None].expand_as(embedded)
        joined = torch.cat([context, embedded, context * embedded], dim=-1)
        if self.spread is not None:
            spread = spread_of(embedded) if self.training else self.spread
            joined = torch.cat([joined, spread.expand(*joined.shape[:-1], 1)], dim=-1)
        return self.output(F.leaky_relu(self.hidden(joined), 0.2)).float().squeeze(-1)

    def tables(self) -> list[nn.Parameter]:
        """Parameters whose gradient is sparse."""
        return [*self.context.tables(), *self.items.parameters()] if self.items.sparse else []

    def spread_error(self, real: Tensor) -> Tensor:
        """What teaches the spread of real batches: squared error, a scalar; 0 where it is not looked at."""
        if self.spread is None:
            return real.new_zeros(())
        return (self.spread - spread_of(real).detach()).square()


def spread_of(embedded: Tensor) -> Tensor:
    """Mean standard deviation of a batch's embeddings. embedded: (..., hidden), of two items or more. A scalar."""
    return embedded.flatten(0, -2).var(dim=0).add(1e-8).sqrt().mean()


class BehaviourGAN(Network):
    """A conditional GAN over the catalogue (Goodfellow et al. 2014), the next item by straight-through Gumbel-softmax.

    Arguments as in BehaviourVAE; spectral_norm: of the discriminator's linear layers (Miyato et al. 2018);
    minibatch_statistics: see Discriminator.
    """

    def __init__(
        self,
        n_items: int,
        *,
        hidden: int,
        z_dim: int,
        dropout: float,
        spectral_norm: bool,
        minibatch_statistics: bool = False,
        covisitation: CoVisitation | None = None,
        likeness: ItemLikeness | None = None,
        log_popularity: Tensor | None = None,
        full_softmax_items: int = WHOLE,
    ) -> None:
        super().__init__()
        self.generator = Generator(
            n_items,
            hidden=hidden,
            z_dim=z_dim,
            dropout=dropout,
            covisitation=covisitation,
            likeness=likeness,
            log_popularity=log_popularity,
            full_softmax_items=full_softmax_items,
        )
        sparse = n_items > full_softmax_items
        self.discriminator = Discriminator(n_items, hidden, dropout, spectral_norm, minibatch_statistics, sparse)

    @torch.no_grad()
    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See Network: from sampled noise, or from z = 0."""
        head, hidden = self.generator.head, self.generator(self._noise(items, generator), items)
        return head(hidden, head.counted(items))

    @torch.no_grad()
    def scores(self, items: Tensor, generator: torch.Generator) -> Scores:
        """See Network."""
        hidden = self.generator(self._noise(items, generator), items)
        return self.generator.head.scores(hidden, items, random=generator)

    def _noise(self, items: Tensor, generator: torch.Generator | None) -> Tensor:
        shape = (len(items), self.generator.z_dim)
        if generator is None:
            return torch.zeros(shape, device=items.device)
        return torch.randn(shape, generator=generator, device=generator.device).to(items.device)

    @torch.no_grad()
    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """The discriminator's probability that each item is real.

        items: (batch, length), the contexts; generated: (batch, n); scores: not used. Returns (batch, n) in 0 to 1.
        """
        return torch.sigmoid(self.discriminator(items, self.discriminator.items(generated)))


def gumbel_one_hot(logits: Tensor, temperature: float) -> Tensor:
    """A sampled one-hot row whose gradient is that of the relaxed sample (Jang et al. 2017, straight-through).

    logits: (batch, columns). Returns the same shape.
    """
    uniform = torch.rand_like(logits).clamp(min=1e-10, max=1 - 1e-7)
    noisy = logits - torch.log(-torch.log(uniform))
    relaxed = torch.softmax(noisy / temperature, dim=1)
    chosen = noisy.argmax(dim=1, keepdim=True)
    return torch.zeros_like(relaxed).scatter(1, chosen, 1.0) - relaxed.detach() + relaxed


def non_saturating_generator(fake_logits: Tensor) -> Tensor:
    """L_G = -log D(G(z)) (Goodfellow et al. 2014, section 3). fake_logits: (batch,). Returns (batch,) nats."""
    return F.softplus(-fake_logits)


def non_saturating_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = -[log D(x) + log(1 - D(G(z)))] (Goodfellow et al. 2014, equation 1). Returns (batch,) nats."""
    return F.softplus(-real_logits) + F.softplus(fake_logits)


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim and Ye 2017). Returns (batch,)."""
    return F.relu(1 - real_logits) + F.relu(1 + fake_logits)


def critic_generator(fake_logits: Tensor) -> Tensor:
    """L_G = -D(G(z)): of the hinge loss (Lim and Ye 2017) and of Wasserstein's (Arjovsky et al. 2017)."""
    return -fake_logits


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = D(G(z)) - D(x) (Arjovsky et al. 2017). Returns (batch,)."""
    return fake_logits - real_logits


def gradient_penalty(discriminator: Discriminator, items: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """(||gradient of D between real and fake|| - 1)^2 (Gulrajani et al. 2017, equation 3).

    items: (batch, length); real, fake: (batch, hidden) or (batch, n, hidden), embedded. Returns (batch,) or (batch, n).
    """
    share = torch.rand_like(real[..., :1])
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(items, between).sum(), between, create_graph=True)
    return (gradient.norm(dim=-1) - 1).square()


GENERATOR_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "non_saturating": non_saturating_generator,
    "hinge": critic_generator,
    "wasserstein": critic_generator,
}
DISCRIMINATOR_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "non_saturating": non_saturating_discriminator,
    "hinge": hinge_discriminator,
    "wasserstein": wasserstein_discriminator,
}
