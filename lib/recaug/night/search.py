"""The tables of search: what was asked, shown, clicked and bought; queries with their split, and judgements."""

import datetime as dt
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.click_model import made_searches
from recaug.clickstream.examination import examination
from recaug.clickstream.failures import reading
from recaug.clickstream.search_log import KEY, check_searches, mark_searches
from recaug.clickstream.searches import (
    impressions,
    judgements_of_grades,
    judgements_of_log,
    queries_of_grades,
    queries_of_log,
    with_examined,
    with_followed,
    with_split,
)
from recaug.clickstream.source import read_source
from recaug.clickstream.splits import windows
from recaug.config import PrepareSearch, Search
from recaug.errors import NoRowsError
from recaug.lake.slices import Where
from recaug.lake.tables import Commit
from recaug.night.catalogue import up_to_the_night
from recaug.night.context import Context


class Taken(NamedTuple):
    """What was written of source.search. rows: that were read; reasons: of bad ones, by how many rows they are of."""

    rows: int
    reasons: dict[str, int]
    written: dict[str, Commit]


def take_searches(context: Context) -> Taken:
    """Read source.search up to the night; write search_quarantine, and search_events or search_grades.

    A log with times replaces the days that the source still has; one without, and judgements, the whole table.
    Raises ContractError for a source that cannot be read as the YAML says, and writes nothing then.
    """
    search = context.config.source.search
    assert search is not None
    with reading(search, KEY):
        rows = read_source(context.spark, search, KEY, up_to_the_night(context, search, KEY))
        marked = mark_searches(rows, search).where(_is_up_to(context.date)).persist()
        try:
            reasons = check_searches(marked, search)
            good, bad = marked.where("size(reasons) = 0"), marked.where("size(reasons) > 0")
            slice_ = _slice(context, marked, search)
            written = {
                "search_quarantine": _replace(context, _quarantine(bad, context.date), "search_quarantine", slice_)
            }
            if search.graded:
                grades = good.select("query_id", "query", "item_id", "gain", "event_time")
                written["search_grades"] = _replace(context, grades, "search_grades", {})
            if search.clicked:
                shown = _shown(context, good, search)
                written["search_events"] = _replace(context, shown, "search_events", {} if search.graded else slice_)
        finally:
            marked.unpersist()
    return Taken(reasons.pop(""), reasons, written)


def prepare_searches(context: Context) -> dict[str, Commit]:
    """Write queries, each with its split, and judgements, of what take_searches wrote."""
    search, config = context.config.source.search, context.config.prepare
    assert search is not None
    if not search.clicked:
        graded = context.lake.read("search_grades")
        queries, judged = queries_of_grades(graded), judgements_of_grades(graded)
    else:
        events = context.lake.read("search_events").where(F.col("event_date") <= F.lit(context.date))
        queries, judged = queries_of_log(events), _judged(events, config.search)
    cut, shares = windows(context.date, config), (config.search.validation_share, config.search.test_share)
    split = with_split(queries, config.search.split, shares, (cut.validation_start, cut.test_start))
    return {
        "queries": _replace(context, split, "queries", {}),
        "judgements": _replace(context, judged, "judgements", {}),
    }


def _judged(events: DataFrame, settings: PrepareSearch) -> DataFrame:
    return judgements_of_log(events, settings.purchase_weight, settings.prior_looks)


def _is_up_to(date: dt.date) -> F.Column:
    return F.coalesce(F.to_date("event_time") <= F.lit(date), F.lit(True))


def _slice(context: Context, marked: DataFrame, search: Search) -> Where:
    """The days that are replaced: those of the rows up to the night, or all where rows have no times."""
    if "event_time" not in search.columns:
        return {}
    first = marked.agg(F.min(F.to_date("event_time"))).first()
    if first is None or first[0] is None:
        raise NoRowsError(f"{KEY}: {search.place} has no row up to {context.date} with a time")
    return {"event_date": (first[0], context.date)}


def _quarantine(bad: DataFrame, date: dt.date) -> DataFrame:
    """Make bad rows those of search_quarantine; those without a time count to the night."""
    return bad.withColumns(
        {"event_date": F.coalesce(F.to_date("event_time"), F.lit(date)), "dated": F.col("event_time").isNotNull()}
    ).select("raw", "reasons", "source", "event_date", "dated")


def _shown(context: Context, good: DataFrame, search: Search) -> DataFrame:
    """Make good rows of a log those of search_events."""
    made = search.click_model
    shown = made_searches(good, made) if made else impressions(good, search.session_gap_minutes)
    if search.event_actions:
        events = context.lake.read("events").where(F.col("event_date") <= F.lit(context.date))
        shown = with_followed(shown, events, search.event_actions, search.session_gap_minutes)
    shown = shown.persist()
    looked_at = examination(shown, search.ranks, search.prior_clicks)
    dated = shown.withColumn("event_date", F.coalesce(F.to_date("event_time"), F.lit(context.date)))
    return with_examined(dated, looked_at)


def _replace(context: Context, rows: DataFrame, name: str, where: Where) -> Commit:
    return context.lake.replace(rows, name, where, context.run_id)
