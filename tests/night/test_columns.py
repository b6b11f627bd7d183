"""A day may lack a column, or a field, that other days had: it is null in its rows, and the night goes on."""

import datetime as dt
import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.night.nights import context, note, rows_of

from recaug.errors import ContractError
from recaug.night import ingest
from recaug.night.context import Context


def night(spark: SparkSession, folder: Path, day: int, *records: dict) -> Context:
    """Add a file of the day, and ingest it."""
    (folder / "log").mkdir(exist_ok=True)
    lines = "".join(json.dumps({"who": "u", "at": f"2017-01-0{day} 10:00:00", **record}) + "\n" for record in records)
    (folder / "log" / f"{day}.json").write_text(lines)
    columns = {
        "event_type": "'purchase'",
        "user_id": "who",
        "item_id": "item.sku",
        "event_time": "at",
        "price": "item.price",
        "query": "words",
    }
    events = {"path": f"{folder}/log", "format": "json", "columns": columns, "event_types": {"purchase": "purchase"}}
    made = context(spark, folder, dt.date(2017, 1, day), source={"events": events})
    note(made, "ingest", ingest.run(made))
    return made


def test_a_day_may_lack_what_is_rarely_given(spark: SparkSession, tmp_path: Path) -> None:
    night(spark, tmp_path, 1, {"item": {"sku": "a", "price": 2}, "words": "red shoe"})
    night(spark, tmp_path, 2, {"item": {"sku": "b"}})
    night(spark, tmp_path, 3, {"item": {"sku": "c", "size": 3}})  # nor has the day before had it
    rows = sorted(rows_of(tmp_path, "events"), key=lambda row: row["item_id"])
    assert [(row["item_id"], row["price"], row["query"]) for row in rows] == [
        ("a", 2.0, "red shoe"),
        ("b", None, None),
        ("c", None, None),
    ]


def test_what_no_day_has_had_is_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"^source.events.columns.query: the source has no column `words`"):
        night(spark, tmp_path, 1, {"item": {"sku": "a", "price": 2}})
