"""The number of a table's newest version, without a Spark job where the table is a folder."""

import re

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

COMMIT = re.compile(r"\d{20}\.json")


def newest_of_path(spark: SparkSession, place: str) -> int:
    """By the names of the commits, as Delta's protocol has them: history reads them, in a Spark job a table."""
    folder = spark._jvm.org.apache.hadoop.fs.Path(f"{place}/_delta_log")  # type: ignore[union-attr]
    files = folder.getFileSystem(spark._jsc.hadoopConfiguration()).listStatus(folder)
    names = [file.getPath().getName() for file in files]
    return max(int(name.removesuffix(".json")) for name in names if COMMIT.fullmatch(name))


def newest_of_name(spark: SparkSession, name: str) -> int:
    """By the history of a table of a catalogue."""
    return int(DeltaTable.forName(spark, name).history(1).select("version").first()[0])  # type: ignore[index]
