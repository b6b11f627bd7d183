"""Sessions: what one user did without a long silence."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def identify_sessions(events: DataFrame, gap_minutes: int, context: DataFrame | None = None) -> DataFrame:
    """Give each event a session_id; a silence longer than the gap starts a new session.

    events: user_id, event_time, event_id and session_id, which stays where the source has one.
    context: events of the days before, with the same columns and their session_id, which a session goes on with.
    A new session is named after its first event's event_id. Returns the columns of `events`.
    """
    by_time = Window.partitionBy("user_id").orderBy("event_time", "event_id")
    rows = events.withColumn("_known", F.lit(None).cast("string"))
    if context is not None:
        before = context.withColumn("_known", F.col("session_id")).select("user_id", "event_time", "event_id", "_known")
        rows = rows.unionByName(before, allowMissingColumns=True)
    seconds = F.unix_micros("event_time") / 1e6
    silence = seconds - F.lag(seconds).over(by_time)
    starts = F.coalesce(silence > gap_minutes * 60, F.lit(True))
    named = F.coalesce("_known", F.when(starts, F.col("event_id")))
    last_named = F.last(named, ignorenulls=True).over(by_time.rowsBetween(Window.unboundedPreceding, 0))
    return (
        rows.withColumn("_named", last_named)
        .where("_known IS NULL")
        .withColumn("session_id", F.coalesce("session_id", "_named"))
        .select(*events.columns)
    )
