"""Writes a batch: one commit a table, each made once, the events last."""

import datetime as dt
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.lake.layout import conform
from recaug.lake.slices import once
from recaug.lake.tables import Lake
from recaug.stream import generated, lists

EVENTS = (
    "event_id string, user_id string, item_id string, event_type string, session_id string, price double, "
    "quantity double, query string, event_date date, event_order int, micros bigint"
)
BAD = "raw string, reasons array<string>, source string, event_date date, dated boolean"


@dataclass(frozen=True)
class Commits:
    """The commits of a batch. work: the stream, by its checkpoint; number: of the batch.

    A batch that is replayed after a crash makes those that are missing: Delta passes over one that is there. The events
    are last, so that a batch whose events are not there yet is computed anew as it was.
    """

    lake: Lake
    work: str
    number: int

    @property
    def name(self) -> str:
        """Of the batch among all of the stream: the run_id of what it generates."""
        return f"{self.work}-{self.number}"

    def events(self, rows: pd.DataFrame) -> int | None:
        """Append events; give the table's version, None where there are none."""
        if not len(rows):
            return None
        frame = self._frame(rows, EVENTS).withColumn("event_time", F.timestamp_micros("micros")).drop("micros")
        return self._append(frame, "events")

    def quarantine(self, rows: pd.DataFrame) -> None:
        """Append rows that are no events."""
        if len(rows):
            self._append(self._frame(rows, BAD), "events_quarantine")

    def augmented(self, rows: pd.DataFrame) -> None:
        """Append generated rows."""
        if len(rows):
            nothing = {name: F.lit(None).cast("double") for name in ("price", "quantity")}
            nothing |= {name: F.lit(None).cast("string") for name in ("session_id", "query")}
            frame = self._frame(rows, generated.COLUMNS).withColumns(nothing)
            timed = frame.withColumn("event_time", F.timestamp_seconds("event_second")).drop("event_second")
            self._append(timed, "augmented_events")

    def recommendations(self, rows: pd.DataFrame, day: dt.date) -> None:
        """Replace the lists of a day. rows: of every user whose list was refreshed on it."""
        if len(rows):
            because = F.arrays_zip("past", "shares").cast("array<struct<item_id: string, weight: double>>")
            frame = self._frame(rows, lists.COLUMNS).select(
                "user_id",
                "item_id",
                "score",
                "rank",
                "reason",
                because.alias("because"),
                F.lit(day).alias("event_date"),
            )
            slice_ = {"event_date": day}
            where, note = conform(frame, "recommendations"), self._note
            self.lake.write(where, "recommendations", slice_, note, once(self.work, self.number))

    @property
    def _note(self) -> dict[str, str]:
        return {"run_id": self.name}

    def _frame(self, rows: pd.DataFrame, columns: str) -> DataFrame:
        names = [column.split(" ")[0] for column in columns.split(", ")]
        return self.lake.spark.createDataFrame(rows[names], columns).coalesce(1)

    def _append(self, rows: DataFrame, name: str) -> int:
        return self.lake.append(conform(rows, name), name, self._note, once(self.work, self.number))
