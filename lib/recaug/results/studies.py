"""What the studies that `runs` records found."""

from recaug.results.base import Curve, Interval, Result, Slice


class Worth(Result):
    """Whether what a completion wrote makes a recommender better. arm: what it then reads; lift: on validation."""

    arm: str
    decision: str
    reasons: tuple[str, ...]
    lift: dict[Slice, Interval]


class Score(Result):
    """A mean over n items with its 95 % interval: accuracy, recall@5, or distance in normal deviates."""

    mean: float
    low: float
    high: float
    n: int


class Reliability(Result):
    """Proposals of like probability. probability: their mean; right: the share of right ones."""

    probability: float
    right: float
    n: int


class Predicted(Result):
    """How well the hidden values of an attribute were predicted. ways: see augment.attributes.measure.

    calibration_error: the mean over the proposals of the distance between a bin's mean probability and its share of
        right ones (expected calibration error, Guo et al. 2017). reliability: the bins. Of a number None and empty.
    coverage: of the 90 % interval of a number; else None.
    """

    ways: dict[str, Score]
    calibration_error: float | None = None
    reliability: list[Reliability] = []
    coverage: float | None = None


class Complete(Result):
    """The completion of the catalogue. attributes: how well the hidden values of each were predicted.

    gaps, filled: by attribute. completed, doubtful: rows. models: folders. curves: by model.
    """

    items: int
    attributes: dict[str, Predicted]
    gaps: dict[str, int]
    filled: dict[str, int]
    completed: int
    doubtful: int
    calibrations: dict[str, list[float]]
    models: list[str]
    train_seconds: float
    curves: dict[str, list[Curve]]
    worth: dict[str, Worth] = {}


class LookUpWay(Result):
    """How often a way of finding similar items lists what the user had next to the item later, by slice of the pairs.

    hits: the rate over users, see evaluate/look_up.py. latents_above: by what share the latents' lies above it.
    """

    hits: dict[Slice, Interval]
    latents_above: dict[Slice, Interval]


class SimilarItems(Result):
    """Rows of similar_items. items: of the catalogue; new: without train events; listed: that have similar ones.

    without_latent: came after the completion. pairs, users: held-out, by which ways were measured at k; {}: there are
    none.
    """

    rows: int
    items: int
    listed: int
    new: int
    new_listed: int
    without_latent: int
    k: int
    pairs: int
    users: int
    ways: dict[str, LookUpWay] = {}


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
