"""Lists for every query that was asked, and answers to new ones, by the ranker that validation chose."""

from collections.abc import Callable

from pyspark.sql import functions as F

from recaug.night.context import Context
from recaug.night.failures import one_line_errors
from recaug.night.nightly import held
from recaug.night.search.data import read_search_data
from recaug.night.search.published import with_published
from recaug.night.search.rankers import fit_rankers
from recaug.recommend.search.analysis import check_language
from recaug.recommend.search.engine import Engine, search_lists
from recaug.recommend.search.ranker import Blocks
from recaug.results import SearchLists
from recaug.studies.search_tables import write_search_tables


def run_search_lists(context: Context, say: Callable[[str], None] = print) -> SearchLists:
    """Write the tables of search and the day's search_lists: for each query of `queries` its best items.

    Raises ContractError where a split has nothing to choose settings on.
    """
    settings = context.config.search_ranking
    with one_line_errors("rank_search"), held(context, "lists of searches"):
        write_search_tables(context, say)
        engine = open_engine(context, say)
        queries = context.lake.read("queries").repartition(context.spark.sparkContext.defaultParallelism)
        lists = search_lists(context.spark, queries, engine, settings.length)
        rows = lists.withColumn("event_date", F.lit(context.date)).persist()
        try:
            commit = context.lake.replace(rows, "search_lists", {"event_date": context.date}, context.run_id)
            listed = rows.select("query_id").distinct().count()
        finally:
            rows.unpersist()
    return SearchLists(queries=queries.count(), listed=listed, rows=commit.rows, content_hash=commit.content_hash)


def open_engine(context: Context, say: Callable[[str], None] = lambda line: None) -> Engine:
    """Fit the rankers on the tables as they are; towers that are trained already are found again.

    Queries that the gate has published are read, too.

    What it gives answers queries in Python: open_engine(context).search("ceiling fan"), each item with its reason.
    """
    settings = context.config.search_ranking
    check_language(settings.language)
    data = read_search_data(context)
    fitted = fit_rankers(context, data, say)
    blocks = Blocks(settings.block_queries, settings.block_items)
    return Engine(with_published(context, data, fitted, say), data.catalogue, settings.language, blocks)


def markdown(result: SearchLists) -> str:
    """In one line what was written."""
    return f"{result.rows:,} rows of search_lists: lists for {result.listed:,} of {result.queries:,} queries"
