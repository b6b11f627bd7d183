"""What stages and studies found, as typed structs: written as JSON into `runs` and read back typed.

The ground floor: it knows nothing of the package above it. Floats are finite; what was not measured is None.
"""

from typing import Any

import msgspec

Slice = str  # of units: overall, cold, warm
Metric = str  # ndcg@10, hr@10, recall@20 rare, ...
Curve = dict[str, float]  # one epoch of a training: epoch, seconds, losses, what was measured


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all results."""


class Interval(Result):
    """An estimate and the bounds of its bootstrap interval; None where the data give no bound."""

    mean: float
    low: float | None = None
    high: float | None = None


class TrainedModel(Result):
    """A finished model. folder: its address; seconds: of its training; reused: found finished.

    generator, fold: of a generator's model, which left that fold of the users out. started_from: the model of an
    earlier night that it went on from. counts_ndcg: NDCG@10 of the other folds' counts on the same validation users.
    """

    name: str
    folder: str
    seed: int
    seconds: float
    reused: bool = False
    generator: str | None = None
    fold: int | None = None
    started_from: str | None = None
    counts_ndcg: float | None = None
    curves: list[Curve] = []


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

    slots: continuations of an event that it has room for.
    """

    name: str
    parts: tuple[Part, ...] = ()
    slots: int = 1

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
    """An arm held against the arm without generated rows.

    lifts: relative, on the test window; validation_lifts: of the gate's metric; blend_lifts: of the mixtures with the
    counts against each other. All are empty for the arm without generated rows. blend: the mixture, where measured.
    """

    arm: Arm
    measured: Measured
    lifts: Lifts = {}
    validation_lifts: dict[Slice, Interval] = {}
    blend: Measured | None = None
    blend_lifts: Lifts = {}
    fidelity: Fidelity | None = None


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


class Trial(Result):
    """One experiment: arms x seeds over a task's units, chosen on validation, judged once on the test window.

    units: of the test, by slice. arms: the one without generated rows first. leaks: check -> rows that know too much.
    chosen: the arm that met the gate; None where there was none to choose. tail_share: of the train events.
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
    policy: Policy | None = None


class Ingest(Result):
    """Rows of the source and what became of them. days: first and last taken, ISO; late: came after their night."""

    rows_in: int
    events: int
    duplicates: int
    quarantined: int
    items: int
    reasons: dict[str, int]
    days: tuple[str | None, str]
    late: int | None = None


class Prepare(Result):
    """rows: of sequences, by split. cold: users of the test window. windows: first days, ISO."""

    users: int
    events: int
    items: int
    cold: int
    rows: dict[str, int]
    covisitation: int
    negatives: int
    windows: list[str]


class Train(Result):
    """The generators' models, one a fold that is left out."""

    models: list[TrainedModel]

    def of(self, generator: str) -> list[TrainedModel]:
        """Those of one generator."""
        return [model for model in self.models if model.generator == generator]


class Sampled(Result):
    """Rows that a generator drew, and those that passed the fidelity filter."""

    sampled: int
    candidates: int


class Augment(Result):
    """Candidates, by generator."""

    sampled: int
    candidates: int
    generators: dict[str, Sampled]


class Worth(Result):
    """Whether what a completion wrote makes a recommender better. arm: what it then reads; lift: on validation."""

    arm: str
    decision: str
    reasons: tuple[str, ...]
    lift: dict[Slice, Interval]


class Complete(Result):
    """The completion of the catalogue. attributes: how well values are told, see evaluate/completion.py.

    gaps, filled: by attribute. completed, doubtful: rows. models: folders. curves: by model.
    """

    items: int
    attributes: dict[str, dict[str, Any]]
    gaps: dict[str, int]
    filled: dict[str, int]
    completed: int
    doubtful: int
    calibrations: dict[str, list[float]]
    models: list[str]
    train_seconds: float
    curves: dict[str, list[Curve]]
    worth: dict[str, Worth] = {}


class Problems(Result):
    """Pictures that could not be read, and one of them."""

    n: int
    example: str | None = None


class Likeness(Result):
    """Pictures of a generator beside real ones. closest: least distance to a real one, which must not be below bound.

    precision, recall, density, coverage: see evaluate/images.py.
    """

    drawn: int
    precision: float
    recall: float
    density: float
    coverage: float
    closest: float | None = None
    bound: float | None = None


class PictureTrial(Result):
    """One number of real pictures. accuracy: on the test, by arm; validation: means; lift: over real pictures alone."""

    real: int
    accuracy: dict[str, Interval]
    validation: dict[str, float]
    lift: dict[str, Interval]
    chosen: str | None
    decision: str
    reason: str
    generators: dict[str, Likeness]


class Pictures(Result):
    """Generated pictures. images: readable real ones; sizes: by number of real pictures a class, `all` or so many."""

    images: int
    labels: list[str]
    problems: Problems
    sizes: dict[str, PictureTrial]
    drawn: int
    published: int
    training_seconds: dict[str, float]
    models: dict[str, str]
    curves: dict[str, list[Curve]]


class Publish(Result):
    """Rows of the partition, and the arm that they are of."""

    augmented: int
    chosen: str | None = None


class Faithfulness(Result):
    """Whether reasons are true: fall of the first item's score without what it names, and without as many others."""

    users: int
    fall_reason: float
    fall_random: float
    larger: float


class Recommend(Result):
    """Lists written. diversity: mean 1 - cosine within a list, with and without re-ranking (`by_score`)."""

    recommendations: int
    arm: str
    model: str
    diversity: float
    diversity_by_score: float
    faithfulness: Faithfulness


class Report(Result):
    """bytes of the page."""

    bytes: int


METRICS: dict[str, type[Result]] = {
    "ingest": Ingest,
    "prepare": Prepare,
    "train": Train,
    "augment": Augment,
    "evaluate": Trial,
    "publish": Publish,
    "recommend": Recommend,
    "report": Report,
    "complete": Complete,
    "images": Pictures,
}


def encode(found: Result) -> str:
    """Write a result as JSON, keys sorted."""
    return msgspec.json.encode(found, order="sorted").decode()


def decode(text: str, kind: type[Any]) -> Any:
    """Read a result of this type back. Raises msgspec.ValidationError where the text is of another one."""
    return msgspec.json.decode(text, type=kind)
