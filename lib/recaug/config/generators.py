"""Section augment: the generators and how they are sampled."""

from typing import Any, Literal

import msgspec

from recaug.config.base import Count, NonNegative, Positive, PositiveFloat, Share, Strict
from recaug.config.training import Optimiser

TOGETHER = "+"  # between the generators of an arm that has the rows of several


class VAE(Strict, kw_only=True):
    """Behaviour VAE: multinomial likelihood, KL annealed to `beta` over `anneal_share` of the steps.

    free_bits: nats a latent dimension that the KL does not punish. informed: adds the co-visitation score of the
        context to the decoder's logits, with learned weights; attributes: and that of items alike in the catalogue.
    predicts: what comes after a prefix of the history (`to_come`), or the `history` itself, whose bag is then seen
        through the dropout alone (Liang et al. 2018).
    """

    hidden: Positive
    z_dim: Positive
    dropout: Share
    beta: NonNegative
    anneal_share: Share
    free_bits: NonNegative
    informed: bool
    attributes: bool = False
    predicts: Literal["to_come", "history"] = "to_come"
    optimiser: Optimiser

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        _only_informed(self)


class GAN(Strict, kw_only=True):
    """Behaviour GAN: noise and context to the next item, straight-through Gumbel-softmax.

    warmup_epochs: maximum likelihood first. loss: `non_saturating` (Goodfellow et al. 2014), `hinge`, `wasserstein`
        (with gradient penalty). likelihood_weight: share of the likelihood that stays in the generator's loss.
    minibatch_statistics: the discriminator sees how far a batch's items spread (Karras et al. 2018).
    gumbel_temperature: of the relaxed sample. discriminator_learning_rate: of its own AdamW.
    discriminator_items: items to come, and as many generated ones, that it judges of each row of a step.
    informed, attributes: as of the VAE.
    """

    hidden: Positive
    z_dim: Positive
    dropout: Share
    warmup_epochs: Count
    loss: Literal["non_saturating", "hinge", "wasserstein"]
    spectral_norm: bool
    minibatch_statistics: bool = False
    gradient_penalty: NonNegative
    likelihood_weight: NonNegative
    gumbel_temperature: PositiveFloat
    discriminator_learning_rate: PositiveFloat
    discriminator_items: Positive
    informed: bool
    attributes: bool = False
    optimiser: Optimiser

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        _only_informed(self)


def _only_informed(generator: VAE | GAN) -> None:
    if generator.attributes and not generator.informed:
        raise ValueError("attributes is true without informed, which it adds to")


class Classic(Strict, kw_only=True):
    """Variations of a real history: of its events, the share that each way keeps or changes; 0: not that way.

    crop: so many on end are kept. mask: so many are left out. reorder: so many on end change places; the gate counts
    such a history, whose items stay the same, as a copy. substitute, insert: a neighbour in the counts takes the place
    of so many, or follows them.
    """

    crop: Share = 0.6
    mask: Share = 0.3
    reorder: Share = 0.0
    substitute: Share = 0.3
    insert: Share = 0.3


class RareItems(Strict, kw_only=True):
    """Continuations with items that have few events, after events of items alike.

    events: an item with so many train events or fewer is rare; 0: one without any is.
    by: what makes items alike: the words and attributes of the `catalogue`, or `latents`, where the VAE of
        jobs/complete_attributes.py puts them.
    """

    events: Count = 5
    by: Literal["catalogue", "latents"] = "catalogue"


class PseudoPrior(Strict, kw_only=True):
    """Events that may have come before the first one of a user with few (Liu et al. 2021).

    up_to: users with so many train events or fewer. events: drawn before the first one.
    """

    up_to: Positive = 5
    events: Positive = 3


class Sampling(Strict, kw_only=True):
    """Where one generator's sampling differs from the others'; see Augment. null: as of all."""

    continuations: Count | None = None
    oversampling: Positive | None = None
    histories: NonNegative | None = None
    new_users: Share | None = None
    temperature: PositiveFloat | None = None
    weight: NonNegative | None = None
    history_weight: NonNegative | None = None
    min_fidelity: Share | None = None


Generator = Literal["vae", "gan", "counts", "classic", "rare_items", "pseudo_prior"]


class Augment(Strict, kw_only=True):
    """Batch sampling.

    generators: each an arm of the evaluation, unless a policy chooses. `vae`, `gan`: the trained ones;
        `counts`: the leave-one-out co-visitation counts, which need no training and only continue; `classic`:
        variations of real histories; `rare_items`: continuations with rare items; `pseudo_prior`: histories of users
        with few events, with earlier ones in front.
    buckets: users are hashed into so many; a bucket is sampled as one unit. batch_rows: contexts at once.
    continuations: generated next items for each real prefix. histories: generated users a real user.
    new_users: of `vae` and `gan`, share of the generated users drawn from the prior; the others vary real ones.
    oversampling: of `gan`, continuations drawn for each to be kept; its discriminator rejects the others. 1: none is.
    max_users: of the lowest user hash, of whom at most samples are drawn (null: of all).
    temperature: of the sampling softmax. weight: in the recommender's loss, of all continuations of an event together;
        history_weight: of each event of a generated history.
    min_fidelity: candidates below it are dropped before the gate.
    attributes: share of the chances of `counts` that goes to items alike in the catalogue's words and attributes.
    classic: the ways of `classic`, each as likely. rare_items, pseudo_prior: see there.
    own: by generator, what differs from the above.
    together: generators whose rows are one more arm, or choice of a policy, named as in `counts+rare_items`.
    """

    generators: list[Generator]
    buckets: Positive
    batch_rows: Positive
    continuations: Count
    oversampling: Positive = 1
    histories: NonNegative
    new_users: Share = 0.0
    max_users: Positive | None = None
    temperature: PositiveFloat
    weight: NonNegative
    history_weight: NonNegative
    min_fidelity: Share
    attributes: Share = 0.0
    classic: Classic = Classic()
    rare_items: RareItems = RareItems()
    pseudo_prior: PseudoPrior = PseudoPrior()
    own: dict[Generator, Sampling] = {}
    together: list[list[Generator]] = []

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        for kind in self.generators:
            if kind in ("counts", "rare_items") and self.of(kind).histories:
                raise ValueError(f"own.{kind}.histories must be 0: {kind} gives continuations of real events only")
            if kind in ("classic", "pseudo_prior") and self.of(kind).continuations:
                raise ValueError(f"own.{kind}.continuations must be 0: {kind} gives whole histories only")
            if kind not in ("vae", "gan") and self._own(kind).get("new_users"):
                raise ValueError(f"own.{kind}.new_users must be 0: {kind} has no prior that users could be drawn from")
            if kind != "gan" and self._own(kind).get("oversampling", self.oversampling) > 1:
                raise ValueError(
                    f"oversampling: {kind} has no discriminator that could reject; give own.gan.oversampling"
                )
        if not any(msgspec.structs.asdict(self.classic).values()):
            raise ValueError("classic: all shares are 0; leave it out of generators instead")
        for joined in self.together:
            if len(joined) < 2 or len(set(joined)) < len(joined) or set(joined) - set(self.generators):
                raise ValueError(f"together: {joined} are not two or more of the generators {self.generators}")

    def of(self, generator: str) -> "Augment":
        """The sampling of one generator."""
        return msgspec.structs.replace(self, **self._own(generator), generators=[], own={}, together=[])

    def _own(self, generator: str) -> dict[str, Any]:
        found = [msgspec.structs.asdict(differs) for kind, differs in self.own.items() if kind == generator]
        return {key: value for of_it in found for key, value in of_it.items() if value is not None}
