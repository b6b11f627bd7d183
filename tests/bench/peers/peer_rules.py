"""Rows by rules in Spark SQL alone, of the columns that generated rows have: rows a second to nowhere, and to Delta.

It stands for dbldatagen, which makes such expressions of a specification: its licence (Databricks License) allows it
only in connection with Databricks' services, so it is not run here.
"""

import argparse
import shutil
from pathlib import Path

import clock
from pyspark.sql import DataFrame, SparkSession

from recaug import config, session

COLUMNS = (  # no row and no column knows of another
    "concat('u', lpad(string(bigint(rand(1) * 1000000)), 6, '0')) AS user_id",
    "int(1 + 12000 * pow(rand(2), 3)) AS item_index",  # popularity falls with the rank
    "timestamp_seconds(1388534400 + bigint(rand(3) * 31536000)) AS event_time",
    "CASE WHEN rand(4) < 0.9 THEN 'view' WHEN rand(5) < 0.7 THEN 'cart' ELSE 'purchase' END AS event_type",
    "sha2(string(id), 256) AS event_id",
    "rand(6) AS weight",
    "rand(7) AS fidelity",
)


def events(spark: SparkSession, rows: int) -> DataFrame:
    """So many rows in one partition."""
    return spark.range(rows, numPartitions=1).selectExpr(*COLUMNS)


def main() -> None:
    """Measure both after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    given = parser.parse_args()
    spark = session.build(config.Spark(master="local[1]", shuffle_partitions=1), "peers", 1)
    for rows in (given.rows // 10, given.rows):  # the first is the warm-up
        with clock.Clock() as running:
            events(spark, rows).write.format("noop").mode("overwrite").save()
    clock.tell("rows to nowhere", "rules", given.rows, running)
    for rows in (given.rows // 10, given.rows):
        shutil.rmtree(given.folder / "rules", ignore_errors=True)
        with clock.Clock() as running:
            events(spark, rows).write.format("delta").save(str(given.folder.resolve() / "rules"))
    clock.tell("rows to Delta", "rules", given.rows, running)


if __name__ == "__main__":
    main()
