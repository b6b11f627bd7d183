"""What the comparison of search rankers found."""

from recaug.results.base import Interval, Metric, Result, Slice


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


class SearchBenchmark(Result):
    """Rankers compared. queries: measured, by split; items: of the catalogue; index_seconds: of words and matrices."""

    run_id: str
    queries: dict[str, int]
    items: int
    judgements: int
    index_seconds: float
    rankers: dict[str, RankerResult]


class SearchLists(Result):
    """Lists of search. queries: that were asked; listed: that have a list; rows: of search_lists."""

    queries: int
    listed: int
    rows: int
    content_hash: str
