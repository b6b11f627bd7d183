"""What came of each search: one row an item that an answer to a query has shown, with its examination."""

import datetime as dt
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.search_log import ACTIONS
from recaug.clickstream.sessions import identify_sessions

COLUMNS = ("query_id", "user_id", "session_id", "search_id", "item_id", "rank", "action", "event_time", "query")


def impressions(good: DataFrame, gap_minutes: int) -> DataFrame:
    """Make one row of all that a log says of an item in one answer to a query: the most that came of it.

    good: rows of search_log.mark_searches without reasons. What a user asked again within a session is one answer,
    unless the log names its answers (search_id); where it knows neither sessions nor users, each row is one. A session
    ends with a silence of gap_minutes. Gives COLUMNS: action is
    shown, click or purchase, rank the first place.
    """
    known = F.concat_ws("\x1f", F.coalesce("user_id", F.lit("")), "session_id")
    answer = F.coalesce("search_id", F.when(F.col("session_id").isNotNull(), known), F.to_json("position"))
    rows = with_sessions(good, gap_minutes).withColumn(
        "search_id", F.substring(F.sha2(F.concat_ws("\x1e", answer, "query_id"), 256), 1, 16)
    )
    most = F.max(_place(F.col("action")))
    by_time = F.struct(F.col("event_time").isNull(), "event_time", "user_id", "session_id")
    grouped = rows.groupBy("search_id", "query_id", "item_id").agg(
        F.min(F.struct(by_time.alias("by_time"), "user_id", "session_id", "event_time")).alias("first"),
        F.min("rank").alias("rank"),
        _named(most).alias("action"),
        F.min("query").alias("query"),
    )
    first = {name: F.col(f"first.{name}").alias(name) for name in ("user_id", "session_id", "event_time")}
    return grouped.select(*(first.get(name, F.col(name)) for name in COLUMNS))


def with_sessions(good: DataFrame, gap_minutes: int) -> DataFrame:
    """Name the sessions of users whose times are known, where the log does not."""
    named = F.xxhash64("user_id", "event_time", F.to_json("position")).cast("string")
    rows = good.withColumn("event_id", F.sha2(named, 256).substr(1, 16))
    timed = F.col("user_id").isNotNull() & F.col("event_time").isNotNull()
    return identify_sessions(rows.where(timed), gap_minutes).unionByName(rows.where(~timed)).drop("event_id")


def _place(action: Column) -> Column:
    """The number of an action in ACTIONS, from 1; null for another."""
    numbers = [F.lit(part) for number, name in enumerate(ACTIONS, 1) for part in (name, number)]
    return F.create_map(*numbers)[action]


def _named(place: Column) -> Column:
    return F.element_at(F.array(*map(F.lit, ACTIONS)), place)


def with_followed(shown: DataFrame, events: DataFrame, actions: Mapping[str, str], gap_minutes: int) -> DataFrame:
    """Tell by the events what came of what was shown: the same user's event of the item, soon after the search.

    shown: of impressions. events: user_id, item_id, event_type, event_time and session_id. actions: the event's type
    -> click or purchase. Soon: within gap_minutes, or in the session where both name the same one.
    """
    pairs = [F.lit(text) for pair in actions.items() for text in pair]
    came = events.select(
        F.col("user_id").alias("_user"),
        F.col("item_id").alias("_item"),
        F.col("event_time").alias("_time"),
        F.col("session_id").alias("_session"),
        _place(F.create_map(*pairs)[F.col("event_type")]).alias("_place"),
    ).where("_place > 0")
    waited = F.unix_micros("_time") - F.unix_micros("event_time")
    soon = (waited <= gap_minutes * 60_000_000) | F.coalesce(F.col("_session") == F.col("session_id"), F.lit(False))
    on = (F.col("user_id") == F.col("_user")) & (F.col("item_id") == F.col("_item")) & (waited >= 0) & soon
    followed = shown.join(came, on=on, how="left").groupBy(*shown.columns).agg(F.max("_place").alias("_place"))
    most = F.greatest(F.coalesce("_place", F.lit(1)), _place(F.col("action")))
    return followed.withColumn("action", _named(most)).select(*shown.columns)


def with_examined(shown: DataFrame, examination: Sequence[float]) -> DataFrame:
    """Add examined: how probably the rank is looked at; 1 where none is known. examination: by rank, from 1."""
    if not examination:
        return shown.withColumn("examined", F.lit(1.0))
    by_rank = F.array(*(F.lit(float(chance)) for chance in examination))
    place = F.least(F.col("rank"), F.lit(len(examination)))
    return shown.withColumn("examined", F.coalesce(F.element_at(by_rank, place), F.lit(1.0)))


def with_split(queries: DataFrame, split: str, shares: tuple[float, float], days: tuple[dt.date, dt.date]) -> DataFrame:
    """Add split: train, validation or test, the same for all who ask the query.

    queries: query_id, and first_seen where the split is `time`. shares: of validation and test, by a hash, where it is
    `query`. days: the first of the validation window, and of the test window.
    """
    if split == "time":
        first = F.to_date("first_seen")
        of_test, of_validation = first >= F.lit(days[1]), first >= F.lit(days[0])
    else:
        place = (
            F.conv(F.substring(F.sha2(F.concat(F.lit("split"), "query_id"), 256), 1, 8), 16, 10).cast("long") / 2**32
        )
        of_test, of_validation = place < shares[1], place < shares[0] + shares[1]
    return queries.withColumn("split", F.when(of_test, "test").when(of_validation, "validation").otherwise("train"))


def queries_of_log(events: DataFrame) -> DataFrame:
    """Give the queries of search_events: query_id, text, count (of answers), users, first_seen."""
    return events.groupBy("query_id").agg(
        F.min("query").alias("text"),
        F.countDistinct("search_id").alias("count"),
        F.countDistinct("user_id").alias("users"),
        F.min("event_time").alias("first_seen"),
    )


def queries_of_grades(grades: DataFrame) -> DataFrame:
    """Give the queries of graded judgements: query_id, text, count (of judgements), users (0), first_seen."""
    return grades.groupBy("query_id").agg(
        F.min("query").alias("text"),
        F.count("*").alias("count"),
        F.lit(0).alias("users"),
        F.min("event_time").alias("first_seen"),
    )


def judgements_of_grades(grades: DataFrame) -> DataFrame:
    """Give each pair of query and item its mean gain: query_id, item_id, gain, source (graded)."""
    mean = grades.groupBy("query_id", "item_id").agg(F.avg("gain").alias("gain"))
    return mean.withColumn("source", F.lit("graded"))


def judgements_of_log(events: DataFrame, purchase_weight: float, prior_looks: float) -> DataFrame:
    """Estimate what an item is worth to a query by its clicks, as if all had looked at it (Wang et al. 2018).

    gain = min(1, clicks / E) + purchase_weight min(1, purchases / E), where E is prior_looks and the sum of `examined`
    over the times that it was shown: of two items clicked as often, the one that was shown where few look is worth
    more. A purchase is a click, too. An item that was shown and never clicked has gain 0.
    Gives query_id, item_id, gain, source (click or purchase).
    """
    counted = events.groupBy("query_id", "item_id").agg(
        F.count_if(F.col("action") != "shown").alias("clicks"),
        F.count_if(F.col("action") == "purchase").alias("purchases"),
        F.sum("examined").alias("looks"),
    )
    rate = {name: F.least(F.lit(1.0), F.col(name) / (F.col("looks") + prior_looks)) for name in ("clicks", "purchases")}
    return counted.select(
        "query_id",
        "item_id",
        (rate["clicks"] + purchase_weight * rate["purchases"]).alias("gain"),
        F.when(F.col("purchases") > 0, "purchase").otherwise("click").alias("source"),
    )
