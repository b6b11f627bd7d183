"""What the other stages of a night counted."""

from recaug.results.base import Result, Spent, TrainedModel
from recaug.results.trial import Fidelity


class Searches(Result):
    """Rows of source.search and what became of them: impressions, or graded judgements, and the quarantined by reason.

    looks: how probably each place is looked at, from the first on; [] of judgements.
    """

    rows: int
    taken: int
    quarantined: int
    reasons: dict[str, int]
    looks: list[float] = []


class Ingest(Result):
    """Rows of the source and what became of them.

    rows_read: all of the files that the night was given; of them `ignored` are so by a rule of the YAML, `held` the
    lake has had before, `later` are of days after the night, which takes them then, `earlier` of days before those that
    it reads, and `too_late` are of such days as well, but no night has taken them; rows_in are the others: events,
    duplicates and quarantined. days: first and last taken, ISO; late: came after their night; day_rows: of the night's
    own day; files: that the night was given, files_skipped: those that it left alone; seen: hash of the files with rows
    of its days; versions: of Delta tables; columns: of each log of files, and of nights before, Spark's schema as JSON;
    warnings: what is odd, a line each; searches: of source.search, None without it.
    """

    rows_in: int
    events: int
    duplicates: int
    quarantined: int
    items: int
    reasons: dict[str, int]
    days: tuple[str | None, str]
    late: int | None = None
    rows_read: int = 0
    ignored: int = 0
    held: int = 0
    later: int = 0
    earlier: int = 0
    too_late: int = 0
    day_rows: int | None = None
    files: int = 0
    files_skipped: int = 0
    seen: str = ""
    versions: dict[str, int] = {}
    columns: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    searches: Searches | None = None


class Prepare(Result):
    """rows: of sequences, by split. cold: users of the test window. windows: first days, ISO.

    ways: NDCG@10 of validation users by each way of counting together that was tried; none where the YAML gives it.
    counted: the way that was taken.
    """

    users: int
    events: int
    items: int
    cold: int
    rows: dict[str, int]
    covisitation: int
    negatives: int
    windows: list[str]
    ways: dict[str, float] = {}
    counted: str | None = None


class Train(Result):
    """The generators' models, one a fold that is left out. spent: of all that generators know; None: without noise."""

    models: list[TrainedModel]
    spent: Spent | None = None

    def folds_of(self, generator: str) -> list[TrainedModel]:
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


class Refit(Result):
    """The chosen recipe's models, learnt from all days. rows: train windows; candidates: rows drawn.

    recommender: address of the one that the lists are of; None: those of the evaluation serve. models: all that were
    trained. leaks: check -> rows that know too much. fidelity: of the rows. faults: bounds of it that are broken, for
    which the proved models and rows serve. spent: privacy, with what the proved models spent.
    """

    rows: int = 0
    candidates: int = 0
    recommender: str | None = None
    models: list[TrainedModel] = []
    leaks: dict[str, int] = {}
    fidelity: Fidelity | None = None
    faults: tuple[str, ...] = ()
    spent: Spent | None = None

    @property
    def serves(self) -> bool:
        """Whether rows and lists are the refit's."""
        return self.recommender is not None


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
    """Lists written. diversity: mean 1 - cosine within a list, with and without re-ranking (`by_score`).

    index: how items were found; recall: share of the best k of all items that an approximate one found.
    """

    recommendations: int
    arm: str
    model: str
    diversity: float
    diversity_by_score: float
    faithfulness: Faithfulness
    index: str = "exact"
    recall: float | None = None


class Report(Result):
    """bytes of the page."""

    bytes: int
