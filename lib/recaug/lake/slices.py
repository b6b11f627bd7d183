"""Slices of a table, cut along the columns that it is partitioned by."""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

# Partition column -> value, or (first, last), both included, None for open.
Where = Mapping[str, Any]

Settings = Mapping[str, str]  # of Spark's writer
NOTHING: Settings = MappingProxyType({})


def once(work: str, number: int) -> Settings:
    """Settings of a commit that is made once: Delta passes over one of the same work, of this number or a lower one."""
    return {"txnAppId": work, "txnVersion": str(number)}


def condition(where: Where) -> Column:
    """Write a slice as a filter."""
    return F.expr(sql(where)) if where else F.lit(True)


def sql(where: Where) -> str:
    """Write a slice as SQL."""
    terms = []
    for key, value in where.items():
        if isinstance(value, tuple):
            low, high = value
            terms += [f"{key} >= {_literal(low)}"] if low is not None else []
            terms += [f"{key} <= {_literal(high)}"] if high is not None else []
        else:
            terms.append(f"{key} = {_literal(value)}")
    return " AND ".join(terms) or "true"


def _literal(value: Any) -> str:
    """Write a value as SQL."""
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
