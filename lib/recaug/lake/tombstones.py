"""Who was erased: hashes of their ids, which every later read of the source meets."""

import datetime as dt
from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.lake.tables import Lake

ERASED_USERS = "erased_users"


def bury(lake: Lake, users: Collection[str], known: Collection[str], moment: dt.datetime, run_id: str) -> None:
    """Add these users; who is there already keeps that the lake knew them. known: those that it has rows of.

    moment: UTC, with its zone. Raises StorageError as Lake.replace does.
    """
    rows = [(user, moment, user in known) for user in users]
    given = lake.spark.createDataFrame(rows, "user_id string, erased timestamp, known boolean")
    added = given.select(F.sha2("user_id", 256).alias("user_hash"), "erased", "known")
    before = lake.read(ERASED_USERS).localCheckpoint() if lake.exists(ERASED_USERS) else added.limit(0)
    together = before.unionByName(added).groupBy("user_hash")
    buried = together.agg(F.max("erased").alias("erased"), F.max("known").alias("known"))
    lake.replace(buried.coalesce(1), ERASED_USERS, {}, run_id)


def known_before(lake: Lake, users: DataFrame) -> set[str]:
    """Give those of `users` (user_id) whose rows an earlier erasure has deleted."""
    if not lake.exists(ERASED_USERS):
        return set()
    buried = lake.read(ERASED_USERS).where("known")
    hashed = users.withColumn("user_hash", F.sha2("user_id", 256))
    return {row["user_id"] for row in hashed.join(buried, "user_hash", how="left_semi").collect()}


def ignore_erased(lake: Lake, rows: DataFrame) -> DataFrame:
    """Mark the rows of erased users as ignored: they are counted, and become neither events nor quarantine.

    rows: of intake.mark_rows.
    """
    if not lake.exists(ERASED_USERS):
        return rows
    buried = F.broadcast(lake.read(ERASED_USERS).select("user_hash", F.lit(True).alias("buried")))
    hashed = rows.withColumn("user_hash", F.sha2("user_id", 256)).join(buried, "user_hash", how="left")
    gone = F.coalesce("buried", F.lit(False))
    marked = hashed.withColumns(
        {
            "ignored": F.col("ignored") | gone,
            "reasons": F.when(gone, F.array().cast("array<string>")).otherwise(F.col("reasons")),
            "raw": F.when(~gone, F.col("raw")),
        }
    )
    return marked.select(*rows.columns)


def without_erased(lake: Lake, rows: DataFrame) -> DataFrame:
    """Leave out the rows (user_id) of erased users."""
    if not lake.exists(ERASED_USERS):
        return rows
    hashed = rows.withColumn("user_hash", F.sha2("user_id", 256))
    return hashed.join(lake.read(ERASED_USERS), "user_hash", how="left_anti").drop("user_hash")


def last_erasure(lake: Lake) -> dt.datetime | None:
    """Give when users were last erased, UTC without a zone; None where nobody was whom the lake knew."""
    if not lake.exists(ERASED_USERS):
        return None
    row = lake.read(ERASED_USERS).where("known").agg(F.max("erased").cast("double").alias("erased")).first()
    if row is None or row["erased"] is None:
        return None
    return dt.datetime.fromtimestamp(row["erased"], dt.UTC).replace(tzinfo=None)
