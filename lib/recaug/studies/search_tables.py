"""The tables that a study of search reads: the catalogue, queries with their splits, and judgements."""

from recaug.errors import ConfigError
from recaug.lake.tables import Commit
from recaug.night.catalogue import read_items
from recaug.night.context import Context
from recaug.night.search import prepare_searches, take_searches


def write_search_tables(context: Context) -> dict[str, Commit]:
    """Write items, search_quarantine, search_events or search_grades, queries and judgements, as a night does.

    Returns what was written, by table. Raises ConfigError without source.search or source.items, ContractError where
    one of them cannot be read as the YAML says.
    """
    source = context.config.source
    if source.search is None or source.items is None:
        raise ConfigError("source.search and source.items are needed: what was searched for, and in which catalogue")
    taken = take_searches(context)
    items = read_items(context)
    assert items is not None
    try:
        written = {"items": context.lake.replace(items, "items", {}, context.run_id)}
    finally:
        items.unpersist()
    return {**written, **taken.written, **prepare_searches(context)}
