"""A few rows that the driver knows, as a frame."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def literal_rows(spark: SparkSession, rows: Iterable[Sequence[Any]], columns: str) -> DataFrame:
    """Give rows as a frame of one partition; `columns` as DDL. Moments need their zone.

    createDataFrame sends tuples through a process of Python, a quarter of a second for one row; these are a literal.
    """
    names = [column.split(" ", 1)[0] for column in columns.split(", ")]
    text = msgspec.json.encode([dict(zip(names, row, strict=True)) for row in rows]).decode()
    parsed = F.from_json(F.lit(text), f"array<struct<{columns}>>", {"mode": "FAILFAST"})
    return spark.range(1, numPartitions=1).select(F.inline(parsed))
