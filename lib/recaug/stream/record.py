"""What became of a batch, and how long it took."""

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recaug.results import Result
from recaug.stream.intake import Taken


class Batch(Result, frozen=True):
    """What became of a batch's rows; a line of batches.jsonl.

    late: of days that a night has taken, which the next one takes by source.events.late_days. waited: seconds for
    another job. p50, p95, most: seconds from an event's time to its being written; None without events.
    """

    number: int
    rows: int
    ignored: int
    events: int
    duplicates: int
    quarantined: int
    late: int
    generated: int
    lists: int
    seconds: float
    waited: float
    steps: dict[str, float]
    p50: float | None = None
    p95: float | None = None
    most: float | None = None

    @property
    def line(self) -> str:
        """For people."""
        late = f", {self.late:,} left to the night" if self.late else ""
        told = ""
        if self.p50 is not None:
            ages = (f"{what} {_long(age)}" for what, age in (("p50", self.p50), ("p95", self.p95), ("most", self.most)))
            told = f"; event to written {', '.join(ages)}"
        return (
            f"  batch {self.number}: {self.rows:,} rows: {self.events:,} events, {self.duplicates:,} duplicates, "
            f"{self.quarantined:,} quarantined{late}; {self.generated:,} generated, {self.lists:,} lists; "
            f"{self.seconds:.1f} s{told}"
        )


def _long(seconds: float | None) -> str:
    """Write a time: in seconds, or in days where it is longer than one, as of a log that is read again."""
    assert seconds is not None
    return f"{seconds:.1f} s" if seconds < 86_400 else f"{seconds / 86_400:,.0f} days"


@dataclass
class Clock:
    """Seconds of each step."""

    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    steps: dict[str, float] = field(default_factory=dict)

    def step(self, name: str) -> None:
        """End a step."""
        now = time.monotonic()
        self.steps[name], self.last = round(now - self.last, 3), now


def counted(
    number: int,
    taken: Taken,
    kept: tuple[pd.DataFrame, pd.DataFrame, int],
    made: tuple[pd.DataFrame, pd.DataFrame],
    spent: tuple[Clock, float],
) -> Batch:
    """Say what a batch did. kept: events, bad rows, and events with those held before; made: rows and lists."""
    events, bad, good = kept
    clock, waited = spent
    ages = time.time() - events["micros"].to_numpy(dtype=np.float64) / 1e6
    p50, p95, most = (round(float(q), 3) for q in np.quantile(ages, (0.5, 0.95, 1.0))) if len(ages) else (None,) * 3
    late = len(taken.events) - good + len(taken.bad) - len(bad)
    return Batch(
        number=number,
        rows=taken.rows,
        ignored=taken.ignored,
        events=len(events),
        duplicates=taken.rows - taken.ignored - len(events) - len(bad) - late,
        quarantined=len(bad),
        late=late,
        generated=len(made[0]),
        lists=made[1]["user_id"].nunique(),
        seconds=round(time.monotonic() - clock.began, 3),
        waited=round(waited, 3),
        steps=clock.steps,
        p50=p50,
        p95=p95,
        most=most,
    )
