"""The tables of search: what was asked, shown, clicked and bought; queries with their split, and judgements."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.click_model import made_searches
from recaug.clickstream.examination import examination
from recaug.clickstream.failures import reading
from recaug.clickstream.listing import Listing, list_files, list_table
from recaug.clickstream.readers import locate
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
from recaug.recommend.search.analysis import check_language
from recaug.results import Searches


class Read(NamedTuple):
    """Rows of source.search up to the night, marked and persisted. rows: how many; reasons: of bad ones, how often."""

    marked: DataFrame
    rows: int
    reasons: dict[str, int]


class Prepared(NamedTuple):
    """What was written of queries and judgements. splits: queries of each."""

    written: dict[str, Commit]
    splits: dict[str, int]

    @property
    def judgements(self) -> int:
        """How many there are."""
        return self.written["judgements"].rows if self.written else 0


@contextmanager
def read_searches(context: Context) -> Iterator[Read | NoRowsError | None]:
    """Read source.search up to the night, and forget it afterwards; None without it, the error where it has no row.

    Raises ContractError for a source that cannot be read as the YAML says, ConfigError where there is no stemmer of
    search_ranking.language.
    """
    search = context.config.source.search
    if search is None:
        yield None
        return
    check_language(context.config.search_ranking.language)
    marked = None
    try:
        with reading(search, KEY):
            rows = read_source(context.spark, search, KEY, up_to_the_night(context, search, KEY))
            marked = mark_searches(rows, search).where(_is_up_to(context.date)).persist()
            reasons = check_searches(marked, search)
        found: Read | NoRowsError = Read(marked, reasons.pop(""), reasons)
    except NoRowsError as error:
        found = error
    try:
        yield found
    finally:
        if marked is not None:
            marked.unpersist()


def searches_seen(context: Context) -> str:
    """Hash the files of source.search up to the night: names, sizes and times of change; empty of what are no files.

    Raises ContractError where there is none.
    """
    search = context.config.source.search
    if search is None or search.path is None:
        return ""
    with reading(search, KEY):
        path = locate(search.path, KEY)
        if search.format == "delta":
            listing = list_table(context.spark, path)
        else:
            listing = up_to_the_night(context, search, KEY) or Listing(list_files(context.spark, search, path, KEY))
    names = [f"{file.path} {file.size} {file.modified}" for file in listing.files]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def write_searches(context: Context, read: Read | NoRowsError | None) -> tuple[Searches | None, tuple[str, ...]]:
    """Write search_quarantine, and search_events or search_grades; gives what was counted, and warnings.

    A log with times replaces the days that the source still has; one without, and judgements, the whole table.
    """
    search = context.config.source.search
    if search is None or read is None:
        return None, ()
    if isinstance(read, NoRowsError):
        return None, (str(read),)
    good, bad = read.marked.where("size(reasons) = 0"), read.marked.where("size(reasons) > 0")
    days, looks, taken = _days(context, read.marked, search), list[float](), 0
    with reading(search, KEY):
        quarantined = _replace(context, _quarantine(bad, context.date), "search_quarantine", days).rows
        if search.graded:
            grades = good.select("query_id", "query", "item_id", "gain", "event_time")
            taken = _replace(context, grades, "search_grades", {}).rows
        if search.clicked:
            shown = _shown(context, good, search).persist()
            looks = examination(shown, search.ranks, search.prior_clicks)
            events = with_examined(shown, looks)
            taken = _replace(context, events, "search_events", {} if search.graded else days).rows
            shown.unpersist()
    return Searches(rows=read.rows, taken=taken, quarantined=quarantined, reasons=read.reasons, looks=looks), ()


def prepare_searches(context: Context) -> Prepared:
    """Write queries, each with its split, and judgements, of what write_searches wrote; nothing where it did not."""
    search, config, lake = context.config.source.search, context.config.prepare, context.lake
    if search is None or not lake.exists(table := "search_events" if search.clicked else "search_grades"):
        return Prepared({}, {})
    rows = lake.read(table)
    if search.clicked:
        rows = rows.where(F.col("event_date") <= F.lit(context.date))
        queries, judged = queries_of_log(rows), _judged(rows, config.search)
    else:
        queries, judged = queries_of_grades(rows), judgements_of_grades(rows)
    cut, shares = windows(context.date, config), (config.search.validation_share, config.search.test_share)
    split = with_split(queries, config.search.split, shares, (cut.validation_start, cut.test_start))
    written = {
        "queries": _replace(context, split, "queries", {}),
        "judgements": _replace(context, judged, "judgements", {}),
    }
    counted = lake.read("queries").groupBy("split").count().collect()
    return Prepared(written, {row["split"]: row["count"] for row in sorted(counted)})


def _judged(events: DataFrame, settings: PrepareSearch) -> DataFrame:
    return judgements_of_log(events, settings.purchase_weight, settings.prior_looks)


def _is_up_to(date: dt.date) -> F.Column:
    return F.coalesce(F.to_date("event_time") <= F.lit(date), F.lit(True))


def _days(context: Context, marked: DataFrame, search: Search) -> Where:
    """The days that are replaced: those of the rows up to the night, or all where rows have no times."""
    if "event_time" not in search.columns:
        return {}
    first = marked.agg(F.min(F.to_date("event_time"))).first()
    assert first is not None
    return {"event_date": (first[0], context.date)}


def _quarantine(bad: DataFrame, date: dt.date) -> DataFrame:
    """Make bad rows those of search_quarantine; those without a time count to the night."""
    return bad.withColumns(
        {"event_date": F.coalesce(F.to_date("event_time"), F.lit(date)), "dated": F.col("event_time").isNotNull()}
    ).select("raw", "reasons", "source", "event_date", "dated")


def _shown(context: Context, good: DataFrame, search: Search) -> DataFrame:
    """Make impressions of good rows, each with its day."""
    made = search.click_model
    shown = made_searches(good, made) if made else impressions(good, search.session_gap_minutes)
    if search.event_actions:
        events = context.lake.own("events").where(F.col("event_date") <= F.lit(context.date))
        shown = with_followed(shown, events, search.event_actions, search.session_gap_minutes)
    return shown.withColumn("event_date", F.coalesce(F.to_date("event_time"), F.lit(context.date)))


def _replace(context: Context, rows: DataFrame, name: str, where: Where) -> Commit:
    return context.lake.replace(rows, name, where, context.run_id)
