"""The items that models know, and the users in an order that tells nothing."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def vocabulary(
    train: DataFrame, min_item_users: int, head_share: float, catalogue: DataFrame | None = None
) -> DataFrame:
    """Index the items that enough users of the train window had, most frequent first (ties by item_id), from 1.

    train: user_id and item_id of the train window's events. catalogue: item_id, of which those that nobody had follow
    with 0 users and events. Gives item_id, item_index, users, events, head: the items of the head are the most frequent
    ones that together make `head_share` of the events.
    """
    counted = (
        train.groupBy("item_id")
        .agg(F.count_distinct("user_id").alias("users"), F.count("*").alias("events"))
        .where(F.col("users") >= min_item_users)
    )
    if catalogue is not None:
        new = catalogue.select("item_id").join(counted, "item_id", how="left_anti")
        counted = counted.unionByName(new.withColumns({"users": F.lit(0), "events": F.lit(0)}))
    by_frequency = Window.orderBy(F.desc("events"), "item_id")
    before = F.sum("events").over(by_frequency.rowsBetween(Window.unboundedPreceding, 0)) - F.col("events")
    total = F.sum("events").over(Window.partitionBy())
    return counted.select(
        "item_id",
        F.row_number().over(by_frequency).alias("item_index"),
        F.col("users").cast("int").alias("users"),
        F.col("events").cast("int").alias("events"),
        (before < total * head_share).alias("head"),
    )


def users(events: DataFrame, seed: int, folds: int) -> DataFrame:
    """Number the users from 0 in the order of their hash (then user_id), and put each into a fold.

    Gives user_id, user_index, fold (0 to folds - 1). The numbers are dense, and the same however the rows lie: users
    are counted by bucket of the hash's upper bits, so that no task sees them all.
    """
    hashed = events.select("user_id").distinct().withColumn("_hash", F.xxhash64("user_id"))
    hashed = hashed.withColumn("_bucket", F.shiftrightunsigned("_hash", 54).cast("int"))
    # Unsigned, the buckets lie in the order of the hash but for its sign; any fixed order will do.
    sizes = hashed.groupBy("_bucket").count()
    before = F.sum("count").over(Window.orderBy("_bucket")) - F.col("count")
    offsets = sizes.select("_bucket", before.alias("_offset"))
    place = F.row_number().over(Window.partitionBy("_bucket").orderBy("_hash", "user_id")) - 1
    return (
        hashed.withColumn("_place", place)
        .join(F.broadcast(offsets), on="_bucket", how="inner")
        .select(
            "user_id",
            (F.col("_place") + F.col("_offset")).cast("int").alias("user_index"),
            F.pmod(F.xxhash64("user_id", F.lit(seed)), F.lit(folds)).cast("int").alias("fold"),
        )
    )
