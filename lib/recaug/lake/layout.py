"""How rows lie in the files of a table: the contract's columns, and which rows share a file."""

import re
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.errors import ContractError
from recaug.lake.contracts import TABLES


def conform(df: DataFrame, name: str) -> DataFrame:
    """Select the contract's columns, in its order and types, and then whatever else `df` has.

    Raises ContractError that names the columns that are missing.
    """
    types = dict(column.split(" ", 1) for column in TABLES[name].columns.split(", "))
    if missing := [column for column in types if column not in df.columns]:
        raise ContractError(f"table {name} needs {', '.join(missing)}; the rows have {', '.join(df.columns)}")
    more = [column for column in df.columns if column not in types]
    return df.select(*(F.col(column).cast(kind).alias(column) for column, kind in types.items()), *more)


def lay(df: DataFrame, files: int, by: Sequence[str], key: str = "user_index") -> DataFrame:
    """Hash rows by `key` into so many partitions and sort them by all of `by` within: the same wherever it runs."""
    return df.repartition(files, key).sortWithinPartitions(*by)


def balance(rows: DataFrame, partitioned_by: Sequence[str]) -> DataFrame:
    """Spread rows over the writing tasks, so that each partition of the table gets few files, of a good size."""
    columns = ", ".join(partitioned_by)
    hint = f"SELECT /*+ REBALANCE({columns}) */ * FROM {{rows}}"  # nosec B608: columns of contracts.py
    # sql() drops its view when it is done, and with a view Spark forgets cached rows of the same plan: so another plan.
    return rows.sparkSession.sql(hint, rows=rows.select("*"))


def local_address(file: str) -> str:
    """Write Spark's file:/a/b as file:///a/b, which readers outside Spark understand."""
    return re.sub(r"^file:/(?!/)", "file:///", file)
