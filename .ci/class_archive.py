"""Keeps Spark's classes as Java has read and checked them (AppCDS), beside .venv's Spark: later sessions start sooner.

One session does a little of what a night does; its Java process writes its classes down as it ends. A Java without an
archive of its own classes writes none, and sessions then do without (see recaug.session).
"""

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyspark
from pyspark import SparkContext
from pyspark.sql import functions as F

TARGET = Path(pyspark.__file__).with_name("classes.jsa")


def main() -> None:
    """Write the archive anew; that of other jars or of another Java goes first, for a session would ask for it."""
    TARGET.unlink(missing_ok=True)
    from recaug.config import Spark
    from recaug.session import LOCAL, build

    written = TARGET.with_suffix(".part")
    written.unlink(missing_ok=True)
    brief = "-XX:TieredStopAtLevel=1"  # compiled code is not kept
    options = f"{LOCAL['spark.driver.extraJavaOptions']} {brief} '-XX:ArchiveClassesAtExit={written}'"
    spark = build(Spark(master="local[2]", settings={"spark.driver.extraJavaOptions": options}), "recaug set-up")
    with tempfile.TemporaryDirectory() as folder:
        _work(spark, folder)
    java = SparkContext._gateway.proc  # type: ignore[union-attr]
    spark.stop()
    java.stdin.close()  # its end is a session's: Java ends, too
    java.wait()
    if written.exists():
        written.rename(TARGET)


def _work(spark: pyspark.sql.SparkSession, folder: str) -> None:
    """Write, change and read small tables, so that Java knows the classes of it."""
    from recaug.lake.lease import hold
    from recaug.lake.tables import Lake

    lake, today = Lake(spark, f"{folder}/lake"), dt.date(2017, 1, 1)
    rows = [(f"e{number}", f"u{number % 7}", f"i{number % 5}", "buy", number, today) for number in range(50)]
    frame = spark.createDataFrame(
        pd.DataFrame(rows, columns=["event_id", "user_id", "item_id", "event_type", "second", "event_date"])
    )
    frame.write.parquet(f"{folder}/log")
    frame.write.csv(f"{folder}/csv", header=True)
    spark.read.csv(f"{folder}/csv", header=True).count()
    log = spark.read.parquet(f"{folder}/log").withColumn("event_time", F.timestamp_seconds("second"))
    nothing = [F.lit(None).alias(name) for name in ("session_id", "price", "quantity", "query", "event_order")]
    events = log.select("*", *nothing)
    with hold(lake, "set-up", 60):
        for files in (None, 2):
            lake.replace(events, "events", {"event_date": today}, "set-up", files, ("user_id",))
    read = lake.read("events").where(F.col("event_date") == today)
    read.groupBy("user_id").agg(F.countDistinct("item_id"), F.collect_list("event_id")).toPandas()
    order = "row_number() OVER (PARTITION BY user_id ORDER BY event_time)"
    read.join(read.groupBy("item_id").count(), "item_id").withColumn("place", F.expr(order)).orderBy("place").collect()
    read.select("event_id").mapInPandas(_same, "event_id string").count()


def _same(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    yield from parts


if __name__ == "__main__":
    main()
