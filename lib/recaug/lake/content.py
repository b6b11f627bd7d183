"""A hash of a table's rows that depends neither on their order nor on the files they lie in."""

import hashlib

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, MapType


def content_hash(df: DataFrame) -> tuple[int, str]:
    """Count and hash the rows of `df`, in one pass.

    Each row is hashed with xxhash64 over its columns by name and over which of them are null (xxhash64 alone skips
    nulls); the rows' hashes are summed, by halves so that the sums cannot overflow, and xored; SHA-256 over that,
    the count and the column names. Returns (rows, 64 hex digits).
    """
    rows, hashed, _ = summarise(df, F.lit(False))
    return rows, hashed


def summarise(df: DataFrame, stray: Column) -> tuple[int, str, int]:
    """Do as content_hash, and count in the same pass the rows for which `stray` is true."""
    names = sorted(df.columns)
    hashed = F.xxhash64(
        *(_hashable(F.col(f"`{name}`"), df.schema[name].dataType) for name in names),
        *(F.col(f"`{name}`").isNull() for name in names),
    )
    row = df.select(hashed.alias("h"), stray.alias("stray")).agg(
        F.count("h"),
        F.sum(F.col("h").bitwiseAND(F.lit(0xFFFFFFFF))),
        F.sum(F.shiftrightunsigned("h", 32)),
        F.bit_xor("h"),
        F.count_if("stray"),
    )
    count, low, high, xor, strays = row.first()  # type: ignore[misc]
    text = "|".join([*names, str(count), str(low), str(high), str(xor)])
    return int(count), hashlib.sha256(text.encode()).hexdigest(), int(strays)


def _hashable(column: Column, kind: DataType) -> Column:
    """Turn a map, which has no order and no hash, into its sorted entries."""
    return F.array_sort(F.map_entries(column)) if isinstance(kind, MapType) else column
