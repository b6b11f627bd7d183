"""Lists for every query that was asked, each item with its reason."""

from collections.abc import Callable, Sequence

import numpy as np
from pyspark.sql import functions as F

from recaug.clickstream.splits import SPLITS
from recaug.generators.query_inputs import LOGGED, rare_queries
from recaug.night.context import Context
from recaug.night.search.data import SearchData
from recaug.night.search.published import Served, with_published
from recaug.night.search.rankers import Rankers
from recaug.night.search.refit import refit_served
from recaug.recommend.search.engine import Engine, search_lists
from recaug.recommend.search.ranker import Blocks
from recaug.results import ListedItem, ListExample, SearchLists

SHOWN = 5  # items of an example
EXAMPLES = 3  # queries of each slice
FEWEST = 3  # users of a query that is shown, where search_ranking.queries does not say how many


def served_of(context: Context, data: SearchData, fitted: Rankers, say: Callable[[str], None]) -> Served:
    """What answers queries: the ranker that validation chose, with published queries as they were proved, refitted."""
    return refit_served(context, data, with_published(context, data, fitted, say), say)


def engine_of(context: Context, data: SearchData, served: Served) -> Engine:
    """Put what answers queries and the catalogue together."""
    settings = context.config.search_ranking
    blocks = Blocks(settings.block_queries, settings.block_items)
    return Engine(served.ranker, data.catalogue, settings.language, blocks)


def write_lists(context: Context, engine: Engine) -> SearchLists:
    """Replace the day's search_lists: for each query of `queries` its best items."""
    lake, settings = context.lake, context.config.search_ranking
    queries = lake.read("queries").repartition(context.spark.sparkContext.defaultParallelism)
    lists = search_lists(context.spark, queries, engine, settings.length)
    rows = lists.withColumn("event_date", F.lit(context.date)).persist()
    try:
        commit = lake.replace(rows, "search_lists", {"event_date": context.date}, context.run_id)
        listed = rows.select("query_id").distinct().count()
    finally:
        rows.unpersist()
    return SearchLists(queries=queries.count(), listed=listed, rows=commit.rows, content_hash=commit.content_hash)


def list_examples(context: Context, data: SearchData, engine: Engine) -> list[ListExample]:
    """The first items for some test queries of each slice, drawn by the seed; of queries that may be personal none."""
    judged, asked = data.judged(SPLITS[2]), context.config.search_ranking.queries
    logged = bool(data.judgements["source"].isin(LOGGED).any())
    fewest = asked.min_users if asked is not None else FEWEST
    rare = set(data.queries["text"][rare_queries(data.queries, logged, fewest)])
    rng = np.random.default_rng(context.config.seed)
    shown: list[tuple[str, str]] = []
    for name, of_slice in (judged.slices or {"": np.ones(len(judged.texts), np.bool_)}).items():
        texts = [text for text, own in zip(judged.texts, of_slice, strict=True) if own and text not in rare]
        shown += [(name, texts[place]) for place in rng.permutation(len(texts))[:EXAMPLES]]
    answers = _answers(engine, [text for _, text in shown])
    return [ListExample(text=text, slice=name, items=own) for (name, text), own in zip(shown, answers, strict=True)]


def _answers(engine: Engine, texts: Sequence[str]) -> list[list[ListedItem]]:
    return [
        [ListedItem(item_id=one.item_id, title=one.title, reason=one.reason) for one in own]
        for own in (engine.answer(texts, SHOWN) if texts else [])
    ]
