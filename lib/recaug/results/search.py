"""What the comparison of search rankers found."""

from recaug.results.base import Interval, Metric, Result, Slice, TrainedModel
from recaug.results.trial import Trial


class RankerResult(Result):
    """One ranker on the test queries. measures: by slice; lifts: over the tuned BM25, by slice and metric.

    settings: that validation chose; validation: NDCG@10 there, by settings tried. seconds: of fitting and choosing.
    per_second: queries answered over the whole catalogue, on one process; None where it was not timed.
    """

    measures: dict[Slice, dict[Metric, Interval]]
    lifts: dict[Slice, dict[Metric, Interval]]
    settings: str
    validation: dict[str, float]
    seconds: float
    per_second: float | None = None


class QueryFidelity(Result):
    """A generator's queries beside real ones: counts of rows, of items that have some, and of rare copies dropped.

    All others are shares, but told_apart (area under a ROC curve, None where there is too little): see
    evaluate/query_fidelity.py. real_lacking: of the words of real queries, those that their item lacks.
    """

    rows: int
    items: int
    dropped: int
    round_trip: float = 0.0
    lacking: float = 0.0
    real_lacking: float = 0.0
    repeated: float = 0.0
    shared: float = 0.0
    copies: float = 0.0
    told_apart: float | None = None
    entropy_ratio: float = 0.0


class QueryExample(Result):
    """A query that was drawn for an item.

    missing: its words that the item's text lacks. source: the real one that it is made of, empty of others.
    """

    item_id: str
    title: str
    generator: str
    text: str
    missing: list[str]
    source: str = ""


class GeneratedQueries(Result):
    """What generated queries are worth. tried: metric on validation by arm and weight; fidelity: by generator.

    models: of the VAE. published: rows of published_queries.
    """

    trial: Trial
    tried: dict[str, dict[str, float]]
    fidelity: dict[str, QueryFidelity]
    examples: list[QueryExample]
    models: list[TrainedModel] = []
    published: int = 0


class SearchBenchmark(Result):
    """Rankers compared. queries: measured, by split; items: of the catalogue; index_seconds: of words and matrices.

    generated: queries, where search_ranking.queries asks for them.
    """

    run_id: str
    queries: dict[str, int]
    items: int
    judgements: int
    index_seconds: float
    rankers: dict[str, RankerResult]
    generated: GeneratedQueries | None = None


class SearchRefit(Result):
    """What the ranker of the lists learnt once more. queries: with a judgement, of all splits; model: its towers.

    pairs: that the towers learnt from; seconds: of all that.
    """

    queries: int
    pairs: int
    seconds: float
    model: TrainedModel


class SearchLists(Result):
    """Lists of search. queries: that were asked; listed: that have a list; rows: of search_lists."""

    queries: int
    listed: int
    rows: int
    content_hash: str


class ListedItem(Result):
    """An item of a list. reason: the words that match, by field."""

    item_id: str
    title: str
    reason: str


class ListExample(Result):
    """The first items of a query's list. slice: head, torso or tail; empty where queries have no counts."""

    text: str
    slice: str
    items: list[ListedItem]


class Search(Result):
    """What the search stage of a night came to. queries: by split; judgements: of them.

    made: of what clicks are made by the click model; None of real ones. validation: NDCG@10 of each ranker; ranker: the
    best of them, which answers. generated: None where none were asked for, or nothing can be judged; refit: None where
    the lists are of what was proved; lists: None where there is nothing to choose a ranker on. examples: of the lists.
    models: all that were trained.
    """

    queries: dict[str, int]
    judgements: int
    made: str | None = None
    validation: dict[str, float] = {}
    ranker: str | None = None
    generated: GeneratedQueries | None = None
    refit: SearchRefit | None = None
    lists: SearchLists | None = None
    examples: list[ListExample] = []
    models: list[TrainedModel] = []
