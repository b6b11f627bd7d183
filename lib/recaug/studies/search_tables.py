"""The tables that a study of search reads: the catalogue, queries with their splits, and judgements."""

from collections.abc import Callable

from recaug.errors import ConfigError, NoRowsError
from recaug.night.catalogue import read_items
from recaug.night.context import Context
from recaug.night.search.tables import prepare_searches, read_searches, write_searches
from recaug.results import Searches


def write_search_tables(context: Context, say: Callable[[str], None] = print) -> Searches:
    """Write items, search_quarantine, search_events or search_grades, queries and judgements, as a night does.

    Raises ConfigError without source.search or source.items, ContractError where one of them cannot be read as the YAML
    says.
    """
    source = context.config.source
    if source.search is None or source.items is None:
        raise ConfigError("source.search and source.items are needed: what was searched for, and in which catalogue")
    with read_searches(context) as read:
        if isinstance(read, NoRowsError):
            raise read
        items = read_items(context)
        assert items is not None
        catalogued = context.lake.replace(items, "items", {}, context.run_id)
        items.unpersist()
        found, _ = write_searches(context, read)
    assert found is not None
    prepared = prepare_searches(context)
    queries = ", ".join(f"{number:,} {split}" for split, number in prepared.splits.items())
    say(f"  {found.rows:,} rows of search, {found.quarantined:,} quarantined; {prepared.judgements:,} judgements of")
    say(f"  {catalogued.rows:,} items; queries: {queries}")
    return found
