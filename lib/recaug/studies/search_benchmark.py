"""Every ranker of search on the same queries: validation chooses each one's settings, the test is seen once."""

import time
from collections.abc import Callable, Mapping

import msgspec
import pandas as pd

from recaug.clickstream.splits import SPLITS
from recaug.evaluate.contest import TEST, Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.search_metrics import METRICS, Judged, measured
from recaug.evaluate.sums import Axes, Sums
from recaug.night.context import Context
from recaug.night.failures import one_line_errors
from recaug.night.nightly import held
from recaug.night.search.data import SearchData, read_search_data
from recaug.night.search.prove import prove_queries
from recaug.night.search.rankers import LENGTH, Chosen, fit_rankers
from recaug.recommend.search.analysis import check_language
from recaug.recommend.search.ranker import Blocks, RandomOrder, Ranker, top
from recaug.report import search as page
from recaug.results import RankerResult, SearchBenchmark, decode, encode
from recaug.studies.search_tables import write_search_tables

FILE = "results.json"  # under the artifacts
BASE = "bm25"
TIMED = ("two_tower", "blend")


def run_search_benchmark(context: Context, say: Callable[[str], None] = print) -> SearchBenchmark:
    """Write the tables of search, fit and choose every ranker, then judge them all on the test queries.

    Writes results.json (as SearchBenchmark), results.md and index.html under artifacts. Where results.json holds this
    very run it is given back: the test is seen once. Raises ContractError where a split has nothing to measure.
    """
    store = context.artifacts
    check_language(context.config.search_ranking.language)
    if store.exists(FILE):
        before = _read(store.read(FILE))
        if before is not None and before.run_id == context.study_id:
            say(f"{store.address(FILE)} holds this run: the test is seen once")
            return before
    with one_line_errors("benchmark_search"), held(context, "a benchmark of search"):
        write_search_tables(context, say)
        started = time.monotonic()
        data = read_search_data(context)
        say(f"{len(data.catalogue):,} items, {len(data.queries):,} queries, {len(data.judgements):,} judgements")
        seconds = time.monotonic() - started
        result = _measured(context, data, seconds, say)
        store.write(FILE, encode(result))
        store.write("results.md", page.markdown(result))
        store.write("index.html", page.render(result))
    return result


def _read(content: bytes) -> SearchBenchmark | None:
    """An earlier run's results; None of what is no such."""
    try:
        before: SearchBenchmark = decode(content.decode(), SearchBenchmark)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
    return before


def _measured(context: Context, data: SearchData, seconds: float, say: Callable[[str], None]) -> SearchBenchmark:
    rankers, asked = fit_rankers(context, data, say), context.config.search_ranking.queries
    fitted = rankers.by_name
    chance = RandomOrder(len(data.catalogue), context.config.seed)
    chosen = {"random": Chosen(chance, "", {}, 0.0), **fitted}
    judged = data.judged(TEST)
    table, speed = look({name: own.ranker for name, own in chosen.items()}, judged, context)
    return SearchBenchmark(
        run_id=context.study_id,
        queries={split: len(data.judged(split).texts) for split in SPLITS},
        items=len(data.catalogue),
        judgements=len(data.judgements),
        index_seconds=round(seconds, 1),
        rankers=compared(context, table, chosen, speed, tuple(judged.slices)),
        generated=prove_queries(context, data, rankers, asked, say) if asked is not None else None,
    )


def look(rankers: Mapping[str, Ranker], judged: Judged, context: Context) -> tuple[pd.DataFrame, dict[str, float]]:
    """Measure every ranker on the test queries; queries a second of each."""
    settings = context.config.search_ranking
    blocks, tables, speed = Blocks(settings.block_queries, settings.block_items), [], {}
    for name, ranker in rankers.items():
        started = time.monotonic()
        lists = top(ranker, judged.texts, LENGTH, blocks)
        speed[name] = round(len(judged.texts) / max(time.monotonic() - started, 1e-9), 1)
        tables.append(measured(name, lists.items, judged))
    return pd.concat(tables, ignore_index=True), speed


def compared(
    context: Context,
    table: pd.DataFrame,
    chosen: Mapping[str, Chosen],
    speed: Mapping[str, float],
    slices: tuple[str, ...],
) -> dict[str, RankerResult]:
    """Means with intervals, and lifts over the tuned BM25, paired by query."""
    named = {BASE: [BASE], **{name: [name] for name in chosen}}
    gate = context.config.evaluate.gate
    sums = Sums.of(table, Axes(tuple(named), slices, METRICS), Draws(gate.bootstraps, context.config.seed))
    contest = Contest({TEST: sums}, named, gate)
    means = contest.summaries(TEST, METRICS)
    lifts = {metric: contest.lifts(TEST, metric) for metric in METRICS}
    return {
        name: RankerResult(
            measures=means[name],
            lifts={
                part: {metric: lifts[metric][name][part] for metric in METRICS if part in lifts[metric][name]}
                for part in means[name]
            }
            if name != BASE
            else {},
            settings=own.settings,
            validation=own.validation,
            seconds=round(own.seconds, 1),
            per_second=speed[name],
        )
        for name, own in chosen.items()
    }
