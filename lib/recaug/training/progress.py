"""Progress of a training: a line of JSON that rank 0 writes anew in the working folder and the driver's watch reads."""

import time
from collections.abc import Mapping

import msgspec
from torch import Tensor

from recaug.lake.store import Store

FILE = "progress.json"  # of a working folder
SECONDS = 1.0  # between two lines


class Line(msgspec.Struct, omit_defaults=True):
    """What is said of a moment or, with a curve, of an epoch.

    step, steps: done and of the whole training. losses: of each part, mean over the epoch so far; None is not finite.
    communication: share of the seconds that averaging gradients took.
    """

    name: str
    step: int
    steps: int
    losses: dict[str, float | None] = {}
    curve: dict[str, float | None] = {}
    rows_per_second: float = 0.0
    communication: float | None = None


class Progress:
    """Lines for whoever watches: a line a second with `step`, a line an epoch with its curve."""

    def __init__(self, work: Store, name: str, steps_per_epoch: int, epochs: int) -> None:
        self.work, self.name = work, name
        self.steps_per_epoch, self.steps = steps_per_epoch, steps_per_epoch * epochs
        self.last = time.monotonic()

    def tick(
        self, step: int, speed: Mapping[str, float], sums: Mapping[str, Tensor], weights: Mapping[str, Tensor]
    ) -> None:
        """Write a line if the last one is old enough."""
        if time.monotonic() - self.last < SECONDS:
            return
        losses: dict[str, float | None] = {part: float(sums[part]) / max(float(weights[part]), 1e-9) for part in sums}
        communication = speed.get("communication")
        self._write(Line(self.name, step, self.steps, losses, {}, speed["rows_per_second"], communication))

    def epoch(self, curve: Mapping[str, float]) -> None:
        """Write an epoch's curve."""
        self._write(Line(self.name, int(curve["epoch"]) * self.steps_per_epoch, self.steps, curve=dict(curve)))

    def _write(self, line: Line) -> None:
        self.last = time.monotonic()
        self.work.write(FILE, msgspec.json.encode(line))


def describe(line: Line) -> str:
    """A progress line in a few words: model, losses, rows a second."""
    losses = line.losses or {name: value for name, value in line.curve.items() if name.startswith("loss")}
    words = [f"{name} {value:.3f}" for name, value in losses.items() if value is not None]
    words.append(f"{line.curve.get('rows_per_second') or line.rows_per_second:,.0f} rows/s")
    communication = line.curve.get("communication", line.communication)
    if communication is not None:
        words.append(f"{communication:.0%} communication")
    return f"{line.name} " + ", ".join(words)
