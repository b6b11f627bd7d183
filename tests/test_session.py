"""What a session of ours starts beside itself."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pyspark
import pytest
from py4j.java_gateway import JVMView
from pyspark import SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug.config import Spark
from recaug.lake.filesystems import ENVIRONMENT
from recaug.session import CLASSES, build, delta_package


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


@pytest.mark.skipif(not CLASSES.exists(), reason="set-up kept no classes: this Java has no archive of its own")
def test_set_up_has_brought_the_jar_that_delta_asks_for() -> None:
    _, artifact, version = delta_package().split(":")
    assert (Path(pyspark.__file__).parent / "jars" / f"{artifact}-{version}.jar").exists()


def test_java_takes_the_classes_that_setup_has_kept(spark: SparkSession) -> None:
    java = psutil.Process(SparkContext._gateway.proc.pid)  # type: ignore[union-attr]
    assert CLASSES.name in {Path(place.path).name for place in java.memory_maps()}


def test_a_column_asks_java_for_no_name(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java looks for a name in every jar."""
    asked: list[str] = []
    monkeypatch.setattr(JVMView, "__getattr__", lambda view, name: asked.append(name))
    F.sum(F.when(F.col("id") > 1, F.lit(2)))
    assert asked == []


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


def test_workers_have_the_sessions_settings_of_file_systems(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a bucket and of an account too, whose names hold theirs; in the environment alone."""
    given = {"fs.s3a.secret.key": "Ours", "fs.s3a.bucket.nights.endpoint": "http://here", "fs.azure.account.key.a": "A"}
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    monkeypatch.setenv(ENVIRONMENT, "")
    try:
        for key, value in given.items():
            hadoop.set(key, value)
        build(Spark(), "recaug")

        def look(_: object) -> str:
            return os.environ[ENVIRONMENT]

        (there,) = spark.sparkContext.parallelize([1], 1).map(look).collect()
        assert given.items() <= json.loads(there).items()
        assert there == os.environ[ENVIRONMENT]
        assert "Ours" not in str(spark.sparkContext.getConf().getAll())
    finally:
        for key in given:
            hadoop.unset(key)
        build(Spark(), "recaug")
