"""One run's YAML as typed structs; an unknown or wrong key is an error that names its path.

Every key stands in the shipped files under conf/ with its unit; what runs is what is written.
"""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from recaug.errors import ConfigError

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
PositiveShare = Annotated[float, Meta(gt=0, le=1)]

STAGES = ("ingest", "prepare", "train", "augment", "evaluate", "publish", "recommend", "report")
POLICY = "policy"  # the arm that the policy chooses
TOGETHER = "+"  # between the generators of an arm that has the rows of several


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A section of the YAML; a key that is not a field is an error."""


class Lake(Strict, kw_only=True):
    """Where the tables are: a folder (`path`) or a schema of a catalogue (`catalog`), one of both."""

    path: str | None = None
    catalog: str | None = None


class Spark(Strict, kw_only=True):
    """How the session is built where the job builds it (local mode); spark-submit's own settings win.

    master: e.g. `local[2]`; null takes spark-submit's, or local[*].
    settings: any `spark.*` key, passed on as it is.
    """

    master: str | None = None
    shuffle_partitions: Positive = 2
    settings: dict[str, str] = {}


class Source(Strict, kw_only=True):
    """One file, folder or glob.

    format: one that Spark reads, or `sequences`: text lines `user item item ...` in order of time, which give the
        columns user, item and position (from 0); or `json_object`: files of one JSON object each, whose entries give
        the columns key and values (an array of texts); or `npz`: NumPy archives with the arrays images (n, height,
        width, channels), labels and split (codes) and classes and splits (what the codes mean), which give the columns
        position, image (PNG), label and split.
    path: `package://NAME/inside` names a file of an installed Python package.
    options: passed to Spark's reader, e.g. header, sep.
    """

    path: str
    format: Literal["csv", "json", "parquet", "delta", "binaryFile", "sequences", "json_object", "npz"]
    options: dict[str, str] = {}


class Rule(Strict, kw_only=True):
    """Rows for which the SQL expression `when` is true are quarantined under `name`."""

    name: str
    when: str


class Robots(Strict, kw_only=True):
    """Users out of all proportion: their events of that day (or minute) are quarantined."""

    max_events_per_day: Positive
    max_events_per_minute: Positive


class Events(Source, kw_only=True):
    """The event log. Each column is a Spark SQL expression over the source's columns.

    columns: user_id, item_id, event_time (timestamp, UTC) are required; event_type, price, quantity, query,
        session_id are optional. A plain column name is the usual expression; a constant is `'purchase'`.
    event_types: the source's value of event_type -> ours; another value is quarantined.
    unique_by: more columns of the source that tell two events apart (an invoice number, say).
    late_days: so many days before a night are read again, for rows that came after their own night.
    """

    columns: dict[
        Literal["user_id", "item_id", "event_time", "event_type", "price", "quantity", "query", "session_id"], str
    ]
    event_types: dict[str, str] = {}
    unique_by: list[str] = []
    rules: list[Rule] = []
    robots: Robots
    session_gap_minutes: Positive
    late_days: Annotated[int, Meta(ge=0)] = 0


class Items(Source, kw_only=True):
    """The catalogue: SQL expressions over its columns; several rows of one item give its last known values.

    categorical: one text each; multi_valued: an array of texts; numeric: a number, so that a package size such as
    `22 LB` is read by an expression; vectors: an array of numbers, such as an encoder gives. pictures, sounds: bytes of
    a picture, or of a WAV clip, or the path of a file that the executors see; pictures are cut to picture_size x
    picture_size, of sounds the log-mel energies are taken. What cannot be read is missing.
    """

    item_id: str
    title: str
    categorical: dict[str, str] = {}
    multi_valued: dict[str, str] = {}
    numeric: dict[str, str] = {}
    text: str | None = None
    vectors: dict[str, str] = {}
    pictures: dict[str, str] = {}
    picture_size: Literal[28, 32] = 32
    sounds: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        names = [*self.categorical, *self.multi_valued, *self.numeric, *self.vectors, *self.pictures, *self.sounds]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two attributes are called {', '.join(twice)}")


class Sources(Strict, kw_only=True):
    """Where the data come from; without `items` the catalogue is what the events name."""

    events: Events
    items: Items | None = None


class Holdout(Strict, kw_only=True):
    """What the splits `share` and `users` hold out.

    share: of a user's events, that the test takes. validation_share: of the others (`share`). folds: users fall into so
    many; fold: the one that is the test, the next one the validation (`users`).
    """

    share: Annotated[float, Meta(gt=0, lt=1)]
    validation_share: Annotated[float, Meta(gt=0, lt=1)]
    folds: Annotated[int, Meta(ge=3)]
    fold: Count


class Prepare(Strict, kw_only=True):
    """Windows before the night's date D, in days: train, then validation, then test, which ends with D.

    split: `time` cuts by these windows. `leave_one_out`, for logs that know only the order: of all events of the
        windows each user's last one is the test, the one before it the validation. `share`: of the same events a share
        of each user's, drawn by hash, whatever their time. `users`: users of whom no event is learnt from, their last
        share of events held out and the others folded in as their history.
    holdout: of the splits `share` and `users`.
    task: `repeat` may recommend what the user had before; `discovery` counts only products new to the user and
        masks those already seen.
    event_types: which of our event types make a sequence.
    min_item_users: an item enters the vocabulary when so many users of the train window had it; 0: so does the whole
        catalogue, whose new items only generated rows can teach the recommender.
    max_length: events of a sequence; a longer history is cut into windows that overlap by one event.
    folds: K of the cross-fit: samples of a fold come from a generator trained on the other folds.
    cold_events: a user with so many events or fewer before the test window counts as cold.
    head_share: the most frequent items that make this share of the train events are the head, the others the tail.
    user_share: of the users, the first by a hash; the others are not looked at. A smaller share's are among a larger's.
    core: users and items with so many events or more are kept, until all that are left have as many. Published data
        sets are made so (k-core), with the held-out events counted too: for comparison with them, not for a shop.
    """

    split: Literal["time", "leave_one_out", "share", "users"]
    holdout: Holdout | None = None
    task: Literal["repeat", "discovery"]
    event_types: list[str]
    train_days: Positive
    validation_days: Positive
    test_days: Positive
    min_item_users: Count
    max_length: Annotated[int, Meta(ge=4)]
    folds: Annotated[int, Meta(ge=2)]
    cold_events: Count
    head_share: Share
    user_share: PositiveShare = 1.0
    core: Positive = 1


class Negatives(Strict, kw_only=True):
    """Negatives drawn in proportion to popularity^alpha (0: uniform), never one of the user's own items."""

    alpha: NonNegative
    per_user: Positive


class CoVisitation(Strict, kw_only=True):
    """Counts of what users had together; both the baseline and the generators' informed input.

    window: how many events further on still count as together.
    backward: weight of a pair against the order of time (1: order does not matter).
    decay: weight of the history's older events at scoring, per event.
    neighbours: kept for each item.
    """

    window: Positive
    backward: NonNegative
    decay: Share
    neighbours: Positive


class Training(Strict, kw_only=True):
    """How every deep model is trained.

    launcher: `horovod` (horovod.spark.run), `torch_distributor` (pyspark.ml), `tasks` (each model alone in a Spark
    task, as many side by side as there are slots), `local` (in this process).
    workers: ranks of a model, each one task slot; 1 for tasks and local.
    timeout_seconds: without progress for so long, the training is ended.
    checkpoint_epochs: a checkpoint every so many epochs.
    warm_epochs: of a generator that goes on from the last night's weights; null: every night trains from nothing.
    """

    launcher: Literal["horovod", "torch_distributor", "tasks", "local"]
    workers: Positive
    timeout_seconds: Positive = 600
    checkpoint_epochs: Positive = 5
    warm_epochs: Positive | None = None


class Optimiser(Strict, kw_only=True):
    """AdamW with warm-up and cosine decay. batch_rows: sequences a step, over all ranks together."""

    epochs: Positive
    batch_rows: Positive
    learning_rate: PositiveFloat
    weight_decay: NonNegative = 0.0
    warmup_share: Share = 0.1
    clip_norm: PositiveFloat = 1.0


class SASRec(Strict, kw_only=True):
    """Self-attentive sequential recommendation (Kang and McAuley 2018).

    layers: `sasrec`, or `ligr`: a learned gate on each residual and a SwiGLU layer (Borisyuk et al. 2024).
    item_features: so many numbers of the catalogue, and the train events' numbers, enter the items' embedding; 0: the
        embedding knows items by their index alone. item_features_from: `catalogue`, singular values of its terms;
        `completed`, of the terms with what jobs/complete_attributes.py filled in; `latents`, of where its VAE puts the
        items. Either only where that job's gate found that it helps; else the catalogue as it is, or nothing.
    mark_generated: a learned vector tells the model in training that a history is generated; lists are made without it.
    full_softmax_items: catalogues up to this size use the full softmax, larger ones the sampled softmax with the
        Spark negatives and the correction by their probability.
    """

    layers: Literal["sasrec", "ligr"] = "sasrec"
    dim: Positive
    blocks: Positive
    heads: Positive
    dropout: Share
    item_features: Count = 0
    item_features_from: Literal["catalogue", "completed", "latents"] = "catalogue"
    mark_generated: bool = False
    full_softmax_items: Count
    optimiser: Optimiser


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


class Policy(Strict, kw_only=True):
    """Chooses what is added for cold and for warm users by successive halving on validation; nothing is a choice, too.

    rows: `all` of a generator's, as one choice; or kinds of them, each with a choice of its own: continuations with
        items of the `head`, with items of the `tail`, and `histories`.
    shares: of a generator's candidates. weights: factors of their weight. Every combination is tried with every
        generator that writes such rows.
    first_epochs: of the recommender's training in the first round; each round keeps the better half and trains it twice
        as long, up to sasrec.optimiser.epochs. epochs: of all rounds and trainings together; where less is left than
        the better half would need, fewer go on. What they cost in CPU seconds is told.
    """

    rows: Annotated[list[Literal["all", "head", "tail", "histories"]], Meta(min_length=1)]
    shares: Annotated[list[PositiveShare], Meta(min_length=1)]
    weights: Annotated[list[PositiveFloat], Meta(min_length=1)]
    first_epochs: Positive
    epochs: Positive

    def __post_init__(self) -> None:
        """Check what spans several values."""
        if len(self.rows) > len(set(self.rows) - {"all"}) > 0 or len(set(self.rows)) < len(self.rows):
            raise ValueError(f"rows {self.rows}: all stands alone, and each kind stands once")


def round_epochs(options: int, epochs: int) -> int:
    """Epochs of a round of the policy: with nothing added and with each option."""
    return (options + 1) * epochs


Generator = Literal["vae", "gan", "counts", "classic", "rare_items", "pseudo_prior"]


class Augment(Strict, kw_only=True):
    """Batch sampling.

    generators: each an arm of the evaluation, unless a policy chooses among them. `vae`, `gan`: the trained ones;
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
    policy: what it chooses is the evaluation's only arm. null: each generator is one.
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
    policy: Policy | None = None

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
        if (policy := self.policy) is not None:
            if not self.generators:
                raise ValueError("policy has no generators to choose from")
            written = [rows for kind in self.kinds for rows in self.rows_of(kind)]
            if missing := set(policy.rows) - set(written):
                raise ValueError(f"policy.rows: no generator writes {', '.join(sorted(missing))}; leave it out")
            n_options = len(written) * len(policy.shares) * len(policy.weights)
            if (first := round_epochs(n_options, policy.first_epochs)) > policy.epochs:
                raise ValueError(f"policy.epochs {policy.epochs} is below the {first} of the first round; raise it")

    @property
    def kinds(self) -> list[str]:
        """What can be added: the rows of each generator, and of those that are together."""
        return [*self.generators, *map(TOGETHER.join, self.together)]

    @property
    def arms(self) -> list[str]:
        """The arms of the evaluation with generated rows."""
        return self.kinds if self.policy is None else [POLICY]

    def slots(self, arm: str) -> int:
        """Continuations that an arm has room for beside each event; the policy's has as many kinds as slices."""
        of_arm = self.kinds if arm == POLICY else [arm]
        slices = {"head", "tail"} & set(self.policy.rows) if arm == POLICY and self.policy is not None else set()
        most = sorted((sum(own.continuations for own in self.each_of(kind)) for kind in of_arm), reverse=True)
        return max(1, sum(most[: max(1, len(slices))]))

    def rows_of(self, kind: str) -> list[str]:
        """Those of the policy's rows that one of `kinds` has."""
        assert self.policy is not None
        continues = any(own.continuations for own in self.each_of(kind))
        histories = any(own.histories for own in self.each_of(kind))
        written = {"all": True, "head": continues, "tail": continues, "histories": histories}
        return [rows for rows in self.policy.rows if written[rows]]

    def each_of(self, kind: str) -> list["Augment"]:
        """The sampling of each generator of one of `kinds`."""
        return [self.of(generator) for generator in kind.split(TOGETHER)]

    def of(self, generator: str) -> "Augment":
        """The sampling of one generator."""
        return msgspec.structs.replace(self, **self._own(generator), generators=[], own={}, together=[], policy=None)

    def _own(self, generator: str) -> dict[str, Any]:
        found = [msgspec.structs.asdict(differs) for kind, differs in self.own.items() if kind == generator]
        return {key: value for of_it in found for key, value in of_it.items() if value is not None}


class Gate(Strict, kw_only=True):
    """Publishes only what held-out real data prove.

    metric: of the lift, a metric of the table. min_lift: the lower bound of the relative lift must be above it,
        overall, or for cold users while the overall lower bound is above -max_harm. confidence: of the interval.
    min_ranking: a trained generator's NDCG@10 on validation users that it has not seen, over that of the other folds'
        counts; 0: no bound.
    min_coverage: distinct generated items over distinct real items (train window). min_entropy: of the generated
        items' distribution over the real one's. max_duplicates: share of generated histories equal to another one.
    max_copies: share of generated histories equal to a real one.
    """

    metric: Literal["ndcg@10", "hr@10", "recall@20"]
    min_lift: float
    max_harm: NonNegative
    confidence: Annotated[float, Meta(gt=0.5, lt=1)]
    bootstraps: Positive
    min_ranking: NonNegative = 0.0
    min_coverage: Share
    min_entropy: Share
    max_duplicates: Share
    max_copies: Share


class Evaluate(Strict, kw_only=True):
    """The same recommender with and without the candidates: same budget, several seeds.

    blend: share of the co-visitation counts in a mixture with each arm's recommender, which is measured beside it;
        0: none. The gate judges the recommender alone.
    """

    seeds: Positive
    blend: Share = 0.0
    gate: Gate


class CountsGrid(Strict, kw_only=True):
    """Settings of the co-visitation counts to try, in every combination; see CoVisitation."""

    window: list[Positive]
    backward: list[NonNegative]
    decay: list[Share]


class ALSGrid(Strict, kw_only=True):
    """Settings of Spark's implicit ALS (Hu, Koren and Volinsky 2008) to try, in every combination."""

    rank: list[Positive]
    regularisation: list[PositiveFloat]
    alpha: list[PositiveFloat]
    iterations: Positive


class Benchmark(Strict, kw_only=True):
    """What jobs/benchmark_recommenders.py compares: validation chooses each model's settings, the test is seen once.

    date: the night whose windows, or leave-one-out, are compared.
    models: in the table's order. vae: the generator's network, from every user's rows (without the counts if
        vae.informed is false); content: by the catalogue's words and attributes; blend: a mixture of covisitation and
        sasrec.
    seeds: of each deep model. content: decays of older events to try. blend: shares of covisitation to try.
    folds: of the cross-validation. With prepare.split `time` their nights lie step_days apart and end with `date`
        (rolling origin); with `users` each holds out other users. The table is over the users of all folds.
    """

    date: dt.date
    models: list[Literal["popularity", "als", "content", "covisitation", "vae", "sasrec", "blend"]]
    seeds: Positive
    folds: Positive = 1
    step_days: Positive = 7
    covisitation: CountsGrid
    als: ALSGrid
    content: list[Share]
    blend: list[Share]


class LearningCurve(Strict, kw_only=True):
    """What jobs/benchmark_augmentation.py draws: the arms of `augment.generators` over shares of the users.

    date: the night whose windows, or leave-one-out, are judged. shares: of the users.
    """

    date: dt.date
    shares: Annotated[list[PositiveShare], Meta(min_length=1)]


class ItemEnhancement(Strict, kw_only=True):
    """Classic enhancement of items: copies that the attribute VAE learns from beside the real ones, in as many steps.

    copies: of each item. noise: on a number, in its standard deviations. typos, dropped_words: chance of a word of
    title or text to be typed wrongly, or to be left out.
    """

    copies: Positive
    noise: NonNegative = 0.0
    typos: Share = 0.0
    dropped_words: Share = 0.0


class Attributes(Strict, kw_only=True):
    """Completion of the catalogue by a multimodal VAE, jobs/complete_attributes.py.

    The modalities are every categorical, multi-valued, numeric and vector attribute, the text and the behaviour: what
    is known of the items that users had together with this one.

    text: which of the columns title and text make the text modality, as words and pairs of words hashed into
        text_buckets. min_items: a value that fewer items have is neither learnt nor filled in.
    neighbours: kept for each item, by co-visitation and over one item between. behaviour_dim: numbers an item, singular
        vectors of the co-visitation.
    classic: enhanced copies of the items to learn from; null: none.
    members: VAEs that differ in their seed, whose probabilities are averaged.
    hidden, z_dim, dropout, beta, anneal_share: as of the VAE. drop: chance that a modality of an item is hidden from
        the encoder in a training step, so that the others learn to tell it; drop_behaviour: of the behaviour.
    validation_share, test_share: of the given values, which are not learnt from; on the first the probabilities are
        calibrated, on the second they are measured against what is known.
    min_probability: a gap is filled from it on, else it stays. max_doubt: a given value below it is listed as doubtful;
        one of several, below so much of its share of the catalogue.
    tolerance: a number counts as right that is off by so much of the truth.
    """

    text: list[Literal["title", "text"]] = []
    text_buckets: Positive = 4096
    min_items: Positive
    neighbours: Positive
    behaviour_dim: Count
    classic: ItemEnhancement | None = None
    members: Positive = 1
    hidden: Positive
    z_dim: Positive
    dropout: Share
    drop: Share
    drop_behaviour: Share
    beta: NonNegative
    anneal_share: Share
    validation_share: PositiveShare
    test_share: PositiveShare
    min_probability: Share
    max_doubt: Share
    tolerance: PositiveFloat = 0.1
    optimiser: Optimiser

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to learn from")


class ImageSource(Source, kw_only=True):
    """Labelled pictures: SQL expressions over the source's columns.

    image: the bytes of a picture, or the path of a file that the executors see. split: train, validation or test; null:
        a tenth each is held out, by a hash of image_id.
    """

    image_id: str
    image: str
    label: str
    split: str | None = None


class Enhancement(Strict, kw_only=True):
    """Classic enhancement of pictures, each by numbers of its own.

    noise: standard deviation, of values from 0 to 1. rotation: degrees, to both sides. scaling: share, up and down.
    flip: left to right, every other one.
    """

    noise: NonNegative
    rotation: NonNegative
    scaling: Share
    flip: bool


class ImageGAN(Strict, kw_only=True):
    """Class-conditional GAN of pictures.

    width: channels of the last convolution. ema: decay of the averaged weights that samples come from. augmentation:
    the discriminator sees pictures through differentiable augmentation (Zhao et al. 2020), for small sets.
    """

    z_dim: Positive
    width: Positive
    loss: Literal["non_saturating", "hinge"]
    spectral_norm: bool
    augmentation: bool
    ema: Share
    discriminator_learning_rate: PositiveFloat
    optimiser: Optimiser


class ImageVAE(Strict, kw_only=True):
    """Class-conditional VAE of pictures; the pixels' sigma is learnt."""

    z_dim: Positive
    width: Positive
    beta: NonNegative
    optimiser: Optimiser


class ImageClassifier(Strict, kw_only=True):
    """Judges pictures: trained on real ones, with and without generated ones, and asked about real ones."""

    width: Positive
    dropout: Share
    optimiser: Optimiser


class Images(Strict, kw_only=True):
    """Generated pictures and what they are worth, jobs/generate_images.py.

    size, channels: pictures are cut to size x size, grey or red, green and blue. network: of GAN and VAE.
    generators: `vae`, `gan`, and `classic`: real pictures enhanced; each is an arm beside the real pictures alone.
    per_class: so many real pictures a class, each a comparison of its own; null: all. generated: pictures an arm adds
    for each real one. seeds: of the classifiers. epoch_steps: of an epoch, whatever the number of pictures.
    """

    source: ImageSource
    size: Literal[28, 32]
    channels: Literal[1, 3]
    network: Literal["convolutional", "perceptron"]
    generators: Annotated[list[Literal["vae", "gan", "classic"]], Meta(min_length=1)]
    per_class: Annotated[list[Positive | None], Meta(min_length=1)]
    generated: Positive
    seeds: Positive
    epoch_steps: Positive
    classic: Enhancement
    gan: ImageGAN
    vae: ImageVAE
    classifier: ImageClassifier


class Recommend(Strict, kw_only=True):
    """Top-k lists for every user.

    diversity: weight of maximal marginal relevance; 0 leaves the lists in the order of the scores.
    """

    k: Positive
    diversity: Share = 0.0


class Tracking(Strict, kw_only=True):
    """MLflow: a server's address, or null for a folder under `artifacts`."""

    uri: str | None = None
    experiment: str = "recaug"


class Config(Strict, kw_only=True):
    """One complete run."""

    seed: int
    artifacts: str
    lake: Lake
    spark: Spark = Spark()
    source: Sources
    prepare: Prepare
    negatives: Negatives
    covisitation: CoVisitation
    training: Training
    sasrec: SASRec
    vae: VAE
    gan: GAN
    augment: Augment
    evaluate: Evaluate
    recommend: Recommend
    tracking: Tracking = Tracking()
    benchmark: Benchmark | None = None
    learning_curve: LearningCurve | None = None
    attributes: Attributes | None = None
    images: Images | None = None

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if (self.lake.path is None) == (self.lake.catalog is None):
            raise ValueError("set one of lake.path and lake.catalog, the other null")
        if missing := {"user_id", "item_id", "event_time"} - set(self.source.events.columns):
            raise ValueError(f"source.events.columns lacks {', '.join(sorted(missing))}")
        models = set() if self.benchmark is None else set(self.benchmark.models)
        if "blend" in models and (missing := {"covisitation", "sasrec"} - models):
            raise ValueError(f"benchmark.models has blend without {' and '.join(sorted(missing))}, which it mixes")
        holdout = self.prepare.holdout
        if self.benchmark is not None and self.benchmark.folds > 1:
            if self.prepare.split not in ("time", "users"):
                raise ValueError(f"benchmark.folds: prepare.split {self.prepare.split} has one fold")
            if self.prepare.split == "users" and holdout is not None and self.benchmark.folds > holdout.folds:
                raise ValueError(
                    f"benchmark.folds {self.benchmark.folds} is above prepare.holdout.folds {holdout.folds}"
                )
        if self.prepare.split in ("share", "users") and holdout is None:
            raise ValueError(f"prepare.split {self.prepare.split} needs prepare.holdout")
        if holdout is not None and holdout.fold >= holdout.folds:
            raise ValueError(f"prepare.holdout.fold {holdout.fold} is none of the {holdout.folds} from 0")
        if self.prepare.min_item_users == 0 and self.source.items is None:
            raise ValueError("prepare.min_item_users 0 takes new items from the catalogue: set source.items")
        if self.sasrec.dim % self.sasrec.heads:
            raise ValueError(f"sasrec.dim {self.sasrec.dim} is no multiple of sasrec.heads {self.sasrec.heads}")

    @property
    def hash(self) -> str:
        """Hash of what decides the rows: everything but where they lie, how Spark runs and who watches."""
        decides = msgspec.to_builtins(self)
        for place in ("artifacts", "lake", "spark", "tracking"):
            del decides[place]
        del decides["source"]["events"]["path"]
        for watch in ("launcher", "timeout_seconds", "checkpoint_epochs"):
            del decides["training"][watch]
        return hashlib.sha256(msgspec.json.encode(decides, order="sorted")).hexdigest()[:16]


def load(path: str | Path) -> Config:
    """Read one run's YAML. Raises ConfigError that names the file and the key."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give --config an existing YAML file") from error
    return loads(text, str(path))


def loads(text: str, name: str = "configuration") -> Config:
    """Parse YAML text; `name` stands for it in errors."""
    try:
        return msgspec.convert(yaml.safe_load(text), Config)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from error


def parse_date(text: str, name: str) -> dt.date:
    """Read an ISO date of the command line; a scheduler's unfilled {{template}} arrives as text, so say so."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}, not a date like 2017-03-04") from error
