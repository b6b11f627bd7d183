"""Who else writes the lake, and which days are left to them."""

import datetime as dt
import time
from typing import NamedTuple

from pyspark.sql import functions as F

from recaug.lake.lease import LEASES, NIGHT, POLL_SECONDS, held_by
from recaug.lake.runs import ATTEMPT
from recaug.lake.tables import Lake


class Seen(NamedTuple):
    """What a look at the lake showed.

    floor: the newest day that a night has taken, or begun to take: it and those before are the nights'. holder: who
    other than a night holds the lake, in words; None where the stream may write.
    """

    floor: dt.date | None
    holder: str | None


class Watch:
    """Looks at the lake before a batch and before its commits; reads a table only where it is another than it was."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.runs: tuple[int | None, dt.date | None] = (None, None)
        self.leases: tuple[int | None, str | None] = (None, None)

    def look(self) -> Seen:
        """Look once."""
        version = self.lake.version("runs")
        if version is not None and version != self.runs[0]:
            taken = self.lake.read("runs", version).where(F.col("stage").isin("ingest", f"ingest{ATTEMPT}"))
            newest = taken.agg(F.max("event_date")).first()
            self.runs = version, newest[0] if newest is not None else None
        leases = self.lake.version(LEASES)
        if leases is not None and (leases != self.leases[0] or self.leases[1] is not None):
            holder = held_by(self.lake)
            self.leases = leases, None if holder is None or holder.work.startswith(NIGHT) else holder.work
        return Seen(self.runs[1], self.leases[1])

    def free(self, patience: float = float("inf")) -> Seen:
        """Look until nobody but a night holds the lake, or the seconds are over."""
        until = time.monotonic() + patience
        while (seen := self.look()).holder is not None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return seen
