"""Reads made logs as a night does, for tests."""

from pathlib import Path

import msgspec
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.clean import mark
from recaug.clickstream.mapping import map_events
from recaug.clickstream.positions import name_files, number_rows
from recaug.clickstream.source import read_source
from recaug.config import Events

COLUMNS = {"user_id": "who", "item_id": "what", "event_time": "at"}


def log(**keys: object) -> Events:
    """A source of events whose columns are who, what and at, unless the keys say otherwise."""
    return msgspec.convert({"columns": COLUMNS} | keys, Events)


def marked(spark: SparkSession, events: Events) -> list[dict[str, object]]:
    """Each row of the log as clean.mark has it, in the order of user, time and `order`."""
    rows = read_source(spark, events, "source.events")
    mapped = map_events(rows, events).transform(name_files).transform(number_rows)
    known = mark(mapped, events).withColumn("day", F.dayofmonth("event_time"))
    return [row.asDict() for row in known.orderBy("user_id", "event_time", "order").collect()]


def good(spark: SparkSession, events: Events) -> list[tuple]:
    """User, item and day of each row that is an event."""
    return [(row["user_id"], row["item_id"], row["day"]) for row in marked(spark, events) if not row["reasons"]]


def bad(spark: SparkSession, events: Events) -> list[tuple]:
    """The first reason, and the raw text, of each row that is none."""
    return sorted((row["reasons"][0], row["raw"]) for row in marked(spark, events) if row["reasons"])


def put(path: Path, content: str | bytes) -> str:
    """Write a file, with the folders that it needs; gives its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)
