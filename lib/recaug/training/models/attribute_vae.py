"""One VAE for all that is known of an item: an expert a modality, any of which may be missing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.clickstream.attributes import Field
from recaug.training.models.item_fields import (
    Seen,
    first_layer,
    given,
    last_layer,
    name_of,
    scaled,
    split,
    told_by_neighbours,
)
from recaug.training.models.neighbourhood import Neighbourhood, empty_neighbourhood

PROFILE = 1e-7  # what a neighbourhood says of a value that none of it has
BEHAVIOUR = "behaviour"


class Experts(NamedTuple):
    """What each modality says of where an item lies: mu and precision, (batch, fields + 1, z_dim), and the neighbours.

    rows: (n,) int64, the batch's items that have neighbours; shares: theirs, see Neighbourhood.
    """

    mu: Tensor
    precision: Tensor
    rows: Tensor
    shares: list[Tensor]

    def at(self, chosen: Tensor) -> "Experts":
        """Some items of the batch: (batch,) bool."""
        kept, places = chosen[self.rows], chosen.cumsum(dim=0) - 1
        shares = [part[kept] for part in self.shares]
        return Experts(self.mu[chosen], self.precision[chosen], places[self.rows[kept]], shares)


class NeighbourShares(NamedTuple):
    """What the neighbours have that may be seen: the batch's items that have some, and their shares."""

    rows: Tensor
    shares: list[Tensor]


class AttributeVAE(nn.Module):
    """Multimodal VAE with a product of experts (Wu and Goodman 2018).

    Each modality that is there gives q(z | it) = N(mu, sigma^2); their product with the prior N(0, I) is
    q(z | all of them). A decoder a modality gives logits over a field's values, or mean and log sigma of its numbers
    (x' = mu(z) + sigma(z) * eps). Where users had the item, the logits of a field are informed by its neighbours, as
    softplus(a) * log(what they have + b * how frequent it is), with a and b learned.

    fields: of clickstream.attributes. shape: of the neighbourhood's tables, see empty_neighbourhood. prior: the share
    of the items that have each value of the categorical and multi-valued fields, one after the other.
    """

    prior: Tensor

    def __init__(
        self,
        fields: Sequence[Field | Mapping[str, Any]],
        *,
        hidden: int,
        z_dim: int,
        dropout: float,
        shape: Mapping[str, int],
        neighbourhood: Neighbourhood | None = None,
        prior: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.fields = msgspec.convert([msgspec.to_builtins(field) for field in fields], list[Field])
        self.coded = [field for field in self.fields if field.coded]
        self.by_neighbours = told_by_neighbours(self.fields)
        self.near: Neighbourhood = neighbourhood or empty_neighbourhood(self.fields, shape)
        n_values = sum(field.size for field in self.by_neighbours)
        self.register_buffer("prior", torch.ones(n_values) if prior is None else prior.float())
        self.embed = nn.ModuleDict(
            {name_of(field): nn.EmbeddingBag(field.size + 2, hidden, mode="sum", padding_idx=0) for field in self.coded}
        )
        numeric = [field for field in self.fields if not field.coded]
        self.numeric = nn.ModuleDict({name_of(field): first_layer(field, hidden) for field in numeric})
        n_tables, dim = self.near.neighbours.shape[1], self.near.vectors.shape[1]
        self.read_near = nn.Sequential(
            nn.Dropout(0.6 * dropout), nn.Linear(n_tables * (n_values + len(self.by_neighbours)) + dim, hidden)
        )
        modalities = [*map(name_of, self.fields), BEHAVIOUR]
        self.posterior = nn.ModuleDict(
            {name: nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 2 * z_dim)) for name in modalities}
        )
        self.trunk = nn.Sequential(nn.Linear(z_dim, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.output = nn.ModuleDict({name_of(field): last_layer(field, hidden) for field in self.fields})
        self.log_mix = nn.Parameter(torch.full((len(self.by_neighbours), n_tables), -0.5))
        self.log_floor = nn.Parameter(torch.full((len(self.by_neighbours),), -1.0))
        self.weight = nn.Parameter(torch.full((len(self.by_neighbours),), math.log(math.expm1(1.0))))
        with torch.no_grad():  # starts from the neighbours and the frequency: the latent adds what differs from them
            for layer in (layer for layer in self.output.values() if isinstance(layer, nn.Linear)):
                layer.weight.mul_(0.1)
                layer.bias.zero_()

    @property
    def informed(self) -> tuple[nn.Parameter, ...]:
        """The few numbers that weigh the neighbours."""
        return self.log_mix, self.log_floor, self.weight

    def present(self, seen: Seen) -> Tensor:
        """Which modality of each item is there: (batch, fields + 1) bool, the behaviour last."""
        columns = [given(field, part) for field, part in zip(self.fields, split(self.fields, seen), strict=True)]
        return torch.stack([*columns, self._has_neighbours(seen.items)], dim=1)

    def read(self, seen: Seen) -> Experts:
        """Ask every modality, also those that are missing: `join` leaves them out."""
        names = list(map(name_of, self.fields))
        hidden = [self._read(field, part) for field, part in zip(self.fields, split(self.fields, seen), strict=True)]
        posteriors = [self.posterior[name](given_).float() for name, given_ in zip(names, hidden, strict=True)]
        rows = self._has_neighbours(seen.items).nonzero()[:, 0]
        shares, known = self.near(seen.items[rows])
        columns = [*(part.sqrt().flatten(1) for part in shares), known.log1p().flatten(1)]
        near = torch.cat([*columns, self.near.vectors[seen.items[rows]]], dim=1)
        behaviour = self.posterior[BEHAVIOUR](self.read_near(near)).float()
        posteriors.append(behaviour.new_zeros(len(seen.items), behaviour.shape[1]).index_copy(0, rows, behaviour))
        mu, log_variance = torch.stack(posteriors, dim=1).chunk(2, dim=2)
        return Experts(mu, torch.exp(-log_variance.clamp(-8, 8)), rows, shares)

    @staticmethod
    def join(experts: Experts, visible: Tensor) -> tuple[Tensor, Tensor, NeighbourShares]:
        """Posterior of the visible modalities: mu and log sigma^2, each (batch, z_dim), and what the neighbours have.

        visible: (batch, fields + 1) bool, at most `present`.
        """
        certain = experts.precision * visible[:, :, None]
        precision = 1 + certain.sum(dim=1)  # with the prior's
        kept = visible[experts.rows, -1]
        near = NeighbourShares(experts.rows[kept], [part[kept] for part in experts.shares])
        return (certain * experts.mu).sum(dim=1) / precision, -torch.log(precision), near

    def decode(self, z: Tensor, near: NeighbourShares, field: Field) -> Tensor:
        """Logits (batch, size + 1) of a coded field, -inf at 0; or mean and log sigma (batch, 2 * width)."""
        out: Tensor = self.output[name_of(field)](self.trunk(z)).float()
        if not field.coded:
            return out
        logits = out[:, 1:]
        if field in self.by_neighbours:
            place = self.by_neighbours.index(field)
            weight, floor = F.softplus(self.weight[place]), self.log_floor[place].exp() * self.prior_of(field)
            near_shares = (near.shares[place] * self.log_mix[place].exp()[:, None]).sum(dim=1) + floor
            alone = weight * torch.log(floor + PROFILE)  # of an item without neighbours
            logits = (logits + alone).index_add(0, near.rows, weight * torch.log(near_shares + PROFILE) - alone)
        return torch.cat([torch.full_like(out[:, :1], -torch.inf), logits], dim=1)

    def prior_of(self, field: Field) -> Tensor:
        """The share of the items that have each value of a field, (size,)."""
        return self.prior.split([other.size for other in self.by_neighbours])[self.by_neighbours.index(field)]

    def forward(self, seen: Seen, visible: Tensor, noise: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """The training pass. noise: (batch, z_dim) standard normal.

        Returns what decode gives of each field, mu and log sigma^2.
        """
        mu, log_variance, near = self.join(self.read(seen), visible)
        z = mu + noise * torch.exp(0.5 * log_variance)  # the reparametrisation
        return [self.decode(z, near, field) for field in self.fields], mu, log_variance

    @torch.no_grad()
    def tell(self, experts: Experts, visible: Tensor, field: Field) -> Tensor:
        """What the visible modalities say of a field, from z = mu; see decode."""
        mu, _, near = self.join(experts, visible)
        return self.decode(mu, near, field)

    def _has_neighbours(self, items: Tensor) -> Tensor:
        """Whether users had anything together with it, (batch,) bool."""
        return (self.near.neighbours[items] > 0).any(dim=2).any(dim=1)

    def _read(self, field: Field, part: Tensor) -> Tensor:
        """A field's first layer: (batch, hidden)."""
        if not field.coded:
            hidden: Tensor = self.numeric[name_of(field)](scaled(field, part).nan_to_num())
            return hidden
        bag: Tensor = self.embed[name_of(field)](part)
        return bag / (part > 0).sum(dim=1, keepdim=True).clamp(min=1).sqrt()


class Ensemble:
    """VAEs that differ in their seed, whose probabilities are averaged (Lakshminarayanan et al. 2017)."""

    def __init__(self, members: Sequence[AttributeVAE]) -> None:
        self.members, self.first = list(members), members[0]
        self.fields = self.first.fields

    def present(self, seen: Seen) -> Tensor:
        """As of AttributeVAE."""
        return self.first.present(seen)

    @torch.no_grad()
    def read(self, seen: Seen) -> list[Experts]:
        """As of AttributeVAE, of each member."""
        return [member.read(seen) for member in self.members]

    def tell(self, experts: Sequence[Experts], visible: Tensor, field: Field) -> Tensor:
        """As of AttributeVAE: of a coded field the log of the mean probabilities; of a number the mixture's moments."""
        asked = zip(self.members, experts, strict=True)
        predicted = torch.stack([member.tell(of_it, visible, field) for member, of_it in asked])
        if field.coded:
            return torch.logsumexp(torch.log_softmax(predicted, dim=2), dim=0) - math.log(len(predicted))
        means, log_sigmas = predicted.chunk(2, dim=2)
        mean = means.mean(dim=0)
        variance = (log_sigmas.clamp(-5, 3).mul(2).exp() + means.square()).mean(dim=0) - mean.square()
        return torch.cat([mean, 0.5 * torch.log(variance)], dim=1)
