"""The table of a comparison of search rankers, as Markdown and as a page."""

from collections.abc import Mapping

from recaug.report import numbers, queries
from recaug.report.page import templates
from recaug.report.queries import RANKERS
from recaug.results import Interval, RankerResult, SearchBenchmark

COLUMNS = {
    "ndcg@10": "NDCG@10",
    "recall@50": "Recall@50",
    "mrr@50": "MRR@50",
    "recall@50 new items": "Recall@50, items without a train pair",
}
PARTS = {"overall": "All queries", "head": "Head queries", "torso": "Torso queries", "tail": "Tail queries"}


def markdown(result: SearchBenchmark) -> str:
    """Write the test's table: each metric with its interval, the lift over the tuned BM25, speed and settings."""
    heads = [*COLUMNS.values(), "NDCG@10 over BM25", "Recall@50 over BM25", "queries/s", "settings"]
    lines = [f"| ranker | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
    for name, own in in_order(result).items():
        cells = [_cell(own.measures["overall"], metric) for metric in COLUMNS]
        lifts = [_lift(own.lifts.get("overall", {}), metric) for metric in ("ndcg@10", "recall@50")]
        speed = f"{own.per_second:,.0f}" if own.per_second is not None else ""
        lines.append(f"| {RANKERS[name]} | {' | '.join([*cells, *lifts, speed, own.settings])} |")
    table = "\n".join(lines) + "\n"
    return table if result.generated is None else f"{table}\n{queries.markdown(result.generated)}"


def render(result: SearchBenchmark) -> str:
    """Write the page: the test's table by slice of the queries, and what validation chose from."""
    parts = [part for part in PARTS if part in result.rankers["bm25"].measures]
    tables = {
        PARTS[part]: {
            RANKERS[name]: [_cell(own.measures[part], metric) for metric in COLUMNS]
            + [_lift(own.lifts.get(part, {}), metric) for metric in ("ndcg@10", "recall@50")]
            for name, own in in_order(result).items()
            if part in own.measures
        }
        for part in parts
    }
    return (
        templates()
        .get_template("search.html")
        .render(
            result=result,
            rankers=in_order(result),
            names=RANKERS,
            columns=COLUMNS,
            tables=tables,
            run_id=result.run_id,
            queries=queries,
        )
    )


def in_order(result: SearchBenchmark) -> dict[str, RankerResult]:
    """The rankers in the table's order, also of results that were read back, whose keys are sorted."""
    return {name: result.rankers[name] for name in RANKERS if name in result.rankers}


def _cell(measures: Mapping[str, Interval], metric: str) -> str:
    return numbers.interval(measures[metric]) if metric in measures else ""


def _lift(lifts: Mapping[str, Interval], metric: str) -> str:
    return numbers.change(lifts[metric]) if metric in lifts else ""
