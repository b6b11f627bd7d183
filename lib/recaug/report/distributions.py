"""What the report draws: aggregations of real and generated events down to a few hundred rows.

A *sample* is a DataFrame of events with one more column, `series` (string): `real`, or the generator's name.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recaug.lake.literals import literal_rows

REAL = "real"

# Upper bounds of the gaps between two events, in seconds, with what a reader calls them.
GAPS = (
    (0, "same moment"),
    (60, "up to 1 min"),
    (600, "1 to 10 min"),
    (3600, "10 to 60 min"),
    (6 * 3600, "1 to 6 h"),
    (24 * 3600, "6 to 24 h"),
    (3 * 86400, "1 to 3 days"),
    (7 * 86400, "3 to 7 days"),
    (28 * 86400, "1 to 4 weeks"),
)
LONGEST_GAP = "over 4 weeks"


def learnt_events(events: DataFrame, sequences: DataFrame) -> DataFrame:
    """Keep the events that the generators learnt from: those of the train split's windows.

    Columns: `events` needs event_id and keeps all; `sequences` needs split and event_ids (array of strings).
    """
    learnt = sequences.where(F.col("split") == "train").select(F.explode("event_ids").alias("event_id"))
    return events.join(learnt, on="event_id", how="left_semi")


def sample(learnt: DataFrame, candidates: DataFrame | None) -> DataFrame:
    """Real and generated events under each other.

    Gives series, user_id, item_id, event_time, event_id, parent_event_id, source_users and fidelity (these three null
    for real events), in_history.
    in_history (boolean): the event is part of a whole history, real or generated; false for a continuation, which
    follows a real event and so says nothing of lengths and gaps.
    """
    event = ["user_id", "item_id", "event_time", "event_id"]
    real = learnt.select(
        F.lit(REAL).alias("series"),
        *event,
        F.lit(None).cast("string").alias("parent_event_id"),
        F.lit(None).cast("array<string>").alias("source_users"),
        F.lit(None).cast("double").alias("fidelity"),
        F.lit(True).alias("in_history"),
    )
    if candidates is None:
        return real
    in_history = F.col("parent_event_id").isNull().alias("in_history")
    origin = ["parent_event_id", "source_users", "fidelity"]
    return real.unionByName(candidates.select(F.col("generator").alias("series"), *event, *origin, in_history))


def popularity(sample: DataFrame) -> DataFrame:
    """Count the items by how often they occur, from which the rank-frequency curve follows.

    Gives series, events (of one item) and items (that occur so often): as many rows as there are distinct counts,
    however large the catalogue.
    """
    by_item = sample.groupBy("series", "item_id").agg(F.count("*").alias("events"))
    return by_item.groupBy("series", "events").agg(F.count("*").alias("items")).orderBy("series", F.desc("events"))


def lengths(sample: DataFrame) -> DataFrame:
    """Count the histories by their length: series, events (of one user), users."""
    by_user = sample.where("in_history").groupBy("series", "user_id").agg(F.count("*").alias("events"))
    return by_user.groupBy("series", "events").agg(F.count("*").alias("users")).orderBy("series", "events")


def gaps(sample: DataFrame) -> DataFrame:
    """Count the silences between consecutive events of a user: series, bucket (index into gap_names), gaps."""
    by_time = Window.partitionBy("series", "user_id").orderBy("event_time")
    seconds = F.col("event_time").cast("long") - F.lag(F.col("event_time").cast("long")).over(by_time)
    return (
        sample.where("in_history")
        .select("series", seconds.alias("seconds"))
        .where(F.col("seconds").isNotNull())
        .groupBy("series", _bucket(F.col("seconds")).alias("bucket"))
        .agg(F.count("*").alias("gaps"))
        .orderBy("series", "bucket")
    )


def gap_names() -> list[str]:
    """Name the buckets of `gaps`, in order."""
    return [name for _, name in GAPS] + [LONGEST_GAP]


def _bucket(seconds: Column) -> Column:
    """How many upper bounds of GAPS are below `seconds`."""
    bucket = F.lit(0)
    for bound, _ in GAPS:
        bucket = bucket + (seconds > bound).cast("int")
    return bucket


def categories(sample: DataFrame, items: DataFrame, attribute: str) -> DataFrame:
    """Count events by a categorical attribute of their items: series, category (null where missing), events.

    Columns: `items` needs item_id and categorical (map of strings).
    """
    category = items.select("item_id", F.col("categorical").getItem(attribute).alias("category"))
    return (
        sample.join(category, on="item_id", how="left")
        .groupBy("series", "category")
        .agg(F.count("*").alias("events"))
        .orderBy("series", F.desc("events"), "category")
    )


def example_users(sample: DataFrame, users: int) -> DataFrame:
    """Choose generated users to show, evenly over the generators, by a hash of their id.

    Whole generated histories where there are any, otherwise real users with continuations. Gives series, user_id,
    source_users, fidelity (mean over the rows), whole (boolean: a whole history).
    """
    per_user = (
        sample.where(F.col("series") != REAL)
        .groupBy("series", "user_id", F.col("in_history").alias("whole"))
        .agg(F.min("source_users").alias("source_users"), F.avg("fidelity").alias("fidelity"))
    )
    turn = Window.partitionBy("series").orderBy(F.desc("whole"), F.xxhash64("user_id"), "user_id")
    return (
        per_user.withColumn("turn", F.row_number().over(turn))
        .where(F.col("turn") <= users)
        .orderBy("turn", "series")
        .limit(users)
        .drop("turn")
        .orderBy("series", "user_id")
    )


def shown_histories(
    sample: DataFrame, users: Sequence[tuple[str, str]], items: DataFrame, attribute: str | None, longest: int
) -> DataFrame:
    """Read the first `longest` events of each given (series, user_id), with their titles.

    Gives series, user_id, item_id, event_time, event_id, parent_event_id, position (from 1), n_events (of the user in
    the series), title (the item_id where it is missing), category (null without `attribute` or where missing).
    """
    by_time = Window.partitionBy("series", "user_id").orderBy("event_time", "event_id")
    whole = Window.partitionBy("series", "user_id")
    category = F.col("categorical").getItem(attribute) if attribute else F.lit(None).cast("string")
    wanted = literal_rows(sample.sparkSession, users, "series string, user_id string")
    first = (
        sample.join(F.broadcast(wanted), on=["series", "user_id"], how="left_semi")
        .withColumn("position", F.row_number().over(by_time))
        .withColumn("n_events", F.count("*").over(whole))
        .where(F.col("position") <= longest)
        .drop("source_users", "fidelity", "in_history")
    )
    named = items.select("item_id", "title", category.alias("category"))
    return (
        first.join(named, on="item_id", how="left")
        .withColumn("title", F.coalesce("title", "item_id"))
        .orderBy("series", "user_id", "position")
    )


def quarantine_reasons(quarantine: DataFrame) -> DataFrame:
    """Count quarantined rows by reason, each with the form of one of them: reason, rows, example; most frequent first.

    example: the row as JSON, x for each letter of its values and 9 for each digit: what it says stays in the lake. A
    row with two reasons counts under both.
    """
    values = F.from_json("raw", "map<string,string>")
    formed = F.transform_values(values, lambda _, value: F.regexp_replace(value, r"\p{L}", "x"))
    masked = F.transform_values(formed, lambda _, value: F.regexp_replace(value, r"\p{N}", "9"))
    return (
        quarantine.select(F.explode("reasons").alias("reason"), F.to_json(masked).alias("form"))
        .groupBy("reason")
        .agg(F.count("*").alias("rows"), F.min("form").alias("example"))
        .orderBy(F.desc("rows"), "reason")
    )
