"""What a session of ours starts beside itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from recaug.config import Spark
from recaug.session import build


def test_a_worker_is_forked_from_a_process_that_has_torch(spark: SparkSession) -> None:
    def look(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield batch.assign(there="libtorch" in Path(f"/proc/{os.getppid()}/maps").read_text())

    (row,) = spark.range(1).mapInPandas(look, "id bigint, there boolean").collect()
    assert row["there"]


def test_a_cluster_with_ansi_on_gives_null_for_what_cannot_be_cast(spark: SparkSession) -> None:
    """On EMR and Spark 4 it is on by default; a night's rows are the same."""
    spark.conf.set("spark.sql.ansi.enabled", "true")
    build(Spark(), "recaug")
    assert spark.sql("SELECT cast('no number' AS int) AS cast").collect()[0]["cast"] is None


def test_a_cluster_keeps_its_own_number_of_shuffle_partitions(spark: SparkSession) -> None:
    own = spark.conf.get("spark.sql.shuffle.partitions")
    try:
        spark.conf.set("spark.sql.shuffle.partitions", "7")
        build(Spark(), "recaug")
        assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
        build(Spark(shuffle_partitions=5), "recaug")
        assert spark.conf.get("spark.sql.shuffle.partitions") == "5"
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(own))
