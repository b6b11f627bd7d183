"""What a session of ours starts beside itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession


def test_a_worker_is_forked_from_a_process_that_has_torch(spark: SparkSession) -> None:
    def look(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield batch.assign(there="libtorch" in Path(f"/proc/{os.getppid()}/maps").read_text())

    (row,) = spark.range(1).mapInPandas(look, "id bigint, there boolean").collect()
    assert row["there"]
