"""What an experiment found: arms, what each measured, and the verdict."""

from recaug.results.base import Interval, Metric, Result, Slice, Subject, TrainedModel


class Part(Result):
    """Some of the candidates: rows of the generators, thinned and weighted.

    users: `all`, `cold` or `warm` (by the first source user). rows: `all`, or `head`, `tail` (continuations with such
    items) or `histories`. share: of the units (a continuation, a whole history), by hash. weight: factor of theirs.
    """

    generators: tuple[str, ...]
    users: str = "all"
    rows: str = "all"
    share: float = 1.0
    weight: float = 1.0


class Arm(Result):
    """What a recommender learns from beside the real rows: the candidates that its parts select.

    slots: continuations of an event that it has room for. control: its rows know nothing; others have to beat them.
    """

    name: str
    parts: tuple[Part, ...] = ()
    slots: int = 1
    control: bool = False

    @property
    def generators(self) -> tuple[str, ...]:
        """Those whose rows it may hold, in order, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.generators))


class Fidelity(Result):
    """Collapse and copies of an arm's candidates, all shares but rows and histories (counts).

    told_apart: area under the ROC curve of a classifier of real and generated steps; ranking: of held-out validation
    users by the worst trained generator, over that of the counts. None where not measured.
    """

    rows: int
    histories: int
    coverage: float
    entropy_ratio: float
    duplicates: float
    copies: float
    mean_fidelity: float
    told_apart: float | None = None
    ranking: float | None = None


class Catalogue(Result):
    """What the lists make of the catalogue, mean over the seeds; novelty in bits."""

    coverage: float
    gini: float
    novelty: float


class Measured(Result):
    """One arm or baseline on the test window. measures: slice -> metric -> interval; coverage: of lists, by slice.

    exposure: slice -> share of the places in its lists that items outside the head hold.
    """

    measures: dict[Slice, dict[Metric, Interval]]
    catalogue: Catalogue
    coverage: dict[Slice, Interval] = {}
    exposure: dict[Slice, float] = {}
    models: list[TrainedModel] = []


Lifts = dict[Metric, dict[Slice, Interval]]


class ArmResult(Result):
    """An arm held against the trial's base.

    lifts: relative, on the test window; validation_lifts: of the gate's metric; blend_lifts: of the mixtures with the
    counts against each other. All are empty for the base. blend: the mixture, where measured. by_seed: the gate's
    metric on the test window, mean of all units, a training each.
    """

    arm: Arm
    measured: Measured
    lifts: Lifts = {}
    validation_lifts: dict[Slice, Interval] = {}
    blend: Measured | None = None
    blend_lifts: Lifts = {}
    fidelity: Fidelity | None = None
    by_seed: list[float] = []


class Verdict(Result):
    """decision: `publish` or `hold`; reasons: what speaks for it, one sentence each."""

    decision: str
    reasons: tuple[str, ...]


class Tried(Result):
    """An option of the policy in one round. lift: over nothing added, by slice of users, on the validation window."""

    option: str
    epochs: int
    lift: dict[Slice, float]


class Policy(Result):
    """What a policy tried and took: chosen: slice of users -> kind of rows -> option, `none` where nothing."""

    tried: list[Tried]
    chosen: dict[Slice, dict[str, str]]
    cpu_seconds: float


class Group(Result):
    """Units that an attribute says the same of. kind: `user`, or `item` where they have a held-out item of it.

    lift: of the chosen arm over the base, in the trial's metric; None where the base finds nothing. gap: it less that
    of all others; None where there are none, or no lift. exposure: of a group of items, its share of the train events
    (`real`), and of the places in the lists of the base (`base`) and of the chosen arm (`arm`); of a group of users,
    that of items outside the head in their lists.
    """

    kind: str
    attribute: str
    value: str
    units: int
    lift: Interval | None
    gap: Interval | None
    exposure: dict[str, float]


class Attack(Result):
    """How well an attack tells who taught a generator. auc: area under its ROC curve, .5 is chance.

    tpr: share of those who did that is caught where 1 % of the others are suspected.
    """

    name: str
    auc: Interval
    tpr: Interval


class Audit(Result):
    """What a generator's rows, or its models' weights, tell of the users that the models learnt from.

    users: that were asked about. releases: sets of rows, of a fold's model each, or models. strongest: of the attacks,
    by area. baselines, controls: areas; the first see no row and are .5, the others see rows that leak and are near 1.
    subject: what is attacked.
    """

    generator: str
    users: int
    releases: int
    attacks: list[Attack]
    strongest: str
    baselines: dict[str, Interval]
    controls: dict[str, Interval]
    subject: Subject = "rows"

    @property
    def bound(self) -> float | None:
        """The highest upper end of all attacks' areas."""
        return max((attack.auc.high for attack in self.attacks if attack.auc.high is not None), default=None)


class Trial(Result):
    """One experiment: arms x seeds over a task's units, chosen on validation, judged once on the test window.

    units: of the test, by slice. arms: the one without generated rows first. base: the arm that the others are held
    against: of the one without generated rows and the controls the best on validation. leaks: check -> rows that know
    too much. gap: lift of the chosen arm for cold units less that for warm ones; None where there are not both.
    groups: those of evaluate.fairness, of the chosen arm. privacy: of each generator whose models leave a fold out.
    warnings: what is far from the last nights. chosen: the arm that met the gate; None where there was none
    to choose. tail_share: of the train events.
    """

    task: str
    metric: Metric
    seeds: int
    units: dict[Slice, int]
    arms: dict[str, ArmResult]
    baselines: dict[str, Measured]
    leaks: dict[str, int]
    tail_share: float
    chosen: str | None
    verdict: Verdict
    base: str = "none"
    policy: Policy | None = None
    gap: Interval | None = None
    groups: list[Group] = []
    privacy: list[Audit] = []
    warnings: tuple[str, ...] = ()

    @property
    def generators(self) -> tuple[str, ...]:
        """Those of the chosen arm; none where there was none to choose."""
        return () if self.chosen is None else self.arms[self.chosen].arm.generators
