"""Commits and clean-ups that are no replacement of a slice: notes of deletes, old files that leave the disk."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark.sql import functions as F

from recaug.lake.tables import Lake

WEEK = 168  # hours; what Delta keeps old files for at least, so that readers and writers at work are not disturbed
CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
NOTE = "spark.databricks.delta.commitInfo.userMetadata"
TASKS = "spark.sql.sources.parallelPartitionDiscovery.parallelism"  # of a vacuum: 10,000, a minute a table on 2 cores


@contextmanager
def noted(lake: Lake, note: Mapping[str, Any]) -> Iterator[None]:
    """Let the commits of a block say a note, and under which lease they are made."""
    conf = lake.spark.conf
    conf.set(NOTE, json.dumps({**note, **lake.ledger.guard()}))
    try:
        yield
    finally:
        conf.unset(NOTE)


def last_metric(lake: Lake, name: str, metric: str) -> int:
    """A figure of the table's last commit; 0 where that has none, for nothing was deleted."""
    row = lake.delta(name).history(1).select(F.col("operationMetrics")[metric]).first()
    return int(row[0]) if row is not None and row[0] is not None else 0


def vacuum(lake: Lake, name: str, retain_hours: float) -> None:
    """Remove files that no version needs which is younger. Below WEEK nobody may read or write the table meanwhile."""
    conf, tasks = lake.spark.conf, str(lake.spark.sparkContext.defaultParallelism)
    wanted = {CHECK: str(retain_hours >= WEEK).lower(), TASKS: tasks}
    before = {CHECK: str(conf.get(CHECK, "true")), TASKS: str(conf.get(TASKS))}
    try:
        for key, value in wanted.items():
            conf.set(key, value)
        lake.delta(name).vacuum(retain_hours)
    finally:
        for key, value in before.items():
            conf.set(key, value)
