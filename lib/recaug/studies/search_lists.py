"""Lists for every query that was asked, and answers to new ones, by the ranker that validation chose."""

from collections.abc import Callable

from recaug.night.context import Context
from recaug.night.failures import one_line_errors
from recaug.night.nightly import held
from recaug.night.search.data import read_search_data
from recaug.night.search.lists import engine_of, served_of, write_lists
from recaug.night.search.rankers import fit_rankers
from recaug.recommend.search.analysis import check_language
from recaug.recommend.search.engine import Engine
from recaug.results import SearchLists
from recaug.studies.search_tables import write_search_tables


def run_search_lists(context: Context, say: Callable[[str], None] = print) -> SearchLists:
    """Write the tables of search and the day's search_lists: for each query of `queries` its best items.

    Raises ContractError where a split has nothing to choose settings on.
    """
    with one_line_errors("rank_search"), held(context, "lists of searches"):
        write_search_tables(context, say)
        return write_lists(context, open_engine(context, say))


def open_engine(context: Context, say: Callable[[str], None] = lambda line: None) -> Engine:
    """Fit the rankers on the tables as they are, and refit the best; towers that are trained already are found again.

    Queries that the gate has published are read, too.

    What it gives answers queries in Python: open_engine(context).search("ceiling fan"), each item with its reason.
    """
    check_language(context.config.search_ranking.language)
    data = read_search_data(context)
    return engine_of(context, data, served_of(context, data, fit_rankers(context, data, say), say))


def markdown(result: SearchLists) -> str:
    """In one line what was written."""
    return f"{result.rows:,} rows of search_lists: lists for {result.listed:,} of {result.queries:,} queries"
