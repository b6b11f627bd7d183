"""What the train events say of each user and item as numbers, and the same numbers on one scale.

Whatever the partitions, the same values: what is added up is whole numbers.
"""

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DAY = 86_400.0  # seconds
UNIT = 1_000_000  # sums are taken in millionths


def user_features(train: DataFrame, end: dt.date) -> DataFrame:
    """Describe each user of the train events.

    train: user_id, item_id, event_time, event_date, session_id, price. end: the first day after them.
    Gives user_id and, as doubles: events, items, sessions, days (distinct, of events), recency_days (from the last
    event to `end`), gap_days (mean between events; null for a single one), mean_price (null where none is known).
    """
    second = F.unix_timestamp("event_time")
    return train.groupBy("user_id").agg(
        F.count("*").cast("double").alias("events"),
        F.size(F.collect_set("item_id")).cast("double").alias("items"),
        F.size(F.collect_set("session_id")).cast("double").alias("sessions"),
        F.size(F.collect_set("event_date")).cast("double").alias("days"),
        _days_before(F.max(second), end).alias("recency_days"),
        ((F.max(second) - F.min(second)) / F.nullif(F.count("*") - 1, F.lit(0)) / DAY).alias("gap_days"),
        _mean("price").alias("mean_price"),
    )


def item_features(train: DataFrame, end: dt.date) -> DataFrame:
    """Describe each item of the train events.

    train, end: as of user_features. Gives item_id and, as doubles: events, users (distinct), repeat_share (of events
    that are not the first of their user), age_days (from the first event to `end`), mean_price (null where none is
    known).
    """
    users, events = F.count_distinct("user_id"), F.count("*")
    return train.groupBy("item_id").agg(
        events.cast("double").alias("events"),
        users.cast("double").alias("users"),
        (1 - users / events).alias("repeat_share"),
        _days_before(F.min(F.unix_timestamp("event_time")), end).alias("age_days"),
        _mean("price").alias("mean_price"),
    )


def normalised(rows: DataFrame) -> DataFrame:
    """Add z_<name> for each column but the first: log(1 + x) less its mean, over its deviation; null stays null.

    A shop's counts and prices span orders of magnitude, hence the logarithm; below 0 is 0. A column of one value is 0.
    """
    names = rows.columns[1:]
    units = {name: F.round(_log(name) * UNIT).cast("decimal(18,0)") for name in names}
    moments = rows.agg(
        *(F.sum(unit).cast("double").alias(f"sum_{name}") for name, unit in units.items()),
        *(F.sum(unit * unit).cast("double").alias(f"squares_{name}") for name, unit in units.items()),
        *(F.count(name).alias(f"n_{name}") for name in names),
    )
    scaled = rows.crossJoin(F.broadcast(moments))
    return scaled.select(*rows.columns, *(_z(name).alias(f"z_{name}") for name in names))


def _z(name: str) -> Column:
    mean = F.col(f"sum_{name}") / F.col(f"n_{name}") / UNIT
    squares = F.col(f"squares_{name}") / F.col(f"n_{name}") / UNIT / UNIT
    deviation = F.sqrt(F.greatest(squares - mean * mean, F.lit(0.0)))
    # what the millionths leave of a column of one value is no deviation
    return F.when(F.col(name).isNotNull(), F.when(deviation > 1e-5, (_log(name) - mean) / deviation).otherwise(0.0))


def _log(name: str) -> Column:
    return F.log1p(F.greatest(F.col(name), F.lit(0.0)))


def _mean(name: str) -> Column:
    return F.sum(F.round(F.col(name) * UNIT).cast("long")) / F.count(name) / UNIT


def _days_before(second: Column, end: dt.date) -> Column:
    return (F.unix_timestamp(F.lit(end).cast("timestamp")) - second) / DAY
