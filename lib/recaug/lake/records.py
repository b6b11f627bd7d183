"""What was read of `runs`, kept while the table goes on by what this process itself writes."""

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

from pyspark.sql import Row


class Asked(NamedTuple):
    """Records that are asked for by a SQL condition. date, stage: all those of it, of every one where it is None.

    part: some of these alone.
    """

    condition: str
    date: dt.date | None = None
    stage: str | None = None
    part: bool = False


class Records:
    """Rows by what was asked, each with the version of the table that it is of."""

    def __init__(self) -> None:
        self._held: dict[Asked, tuple[int | None, list[dict[str, Any]]]] = {}

    def rows(self, asked: Asked, version: int | None, collect: Callable[[], list[Row]]) -> list[dict[str, Any]]:
        """Give the rows, collected anew only where they are not of this version."""
        if asked not in self._held or self._held[asked][0] != version:
            self._held[asked] = version, [row.asDict() for row in collect()]
        return self._held[asked][1]

    def carry(
        self,
        before: int | None,
        after: int,
        date: dt.date | None = None,
        stage: str | None = None,
        row: dict[str, Any] | None = None,
    ) -> None:
        """Take what is of the version `before` as that of `after`, if nobody else wrote between.

        date, stage: whose record was written, None where no record was. row: as it would be read; where that is not
        known, and of a part, what may hold it is read anew.
        """
        if before is None or after != before + 1:
            return
        for asked, (version, rows) in [*self._held.items()]:
            if version != before:
                continue
            if stage is None or asked.date not in (None, date) or asked.stage not in (None, stage):
                self._held[asked] = after, rows
            elif row is not None and not asked.part:
                others = [one for one in rows if (one["stage"], one["event_date"]) != (stage, date)]
                self._held[asked] = after, [*others, row]
