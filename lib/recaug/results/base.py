"""What all results are made of: floats are finite; what was not measured is None."""

from typing import Literal

import msgspec

Slice = str  # of units: overall, cold, warm
Metric = str  # ndcg@10, hr@10, recall@20 rare, ...
Subject = Literal["rows", "weights"]  # of an attack
Curve = dict[str, float]  # one epoch of a training: epoch, seconds, losses, what was measured


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all results."""


class Interval(Result):
    """An estimate and the bounds of its bootstrap interval; None where the data give no bound."""

    mean: float
    low: float | None = None
    high: float | None = None


class Spent(Result):
    """Differential privacy that was spent of each user: epsilon at delta, an upper bound.

    mechanisms: Gaussian ones, each as noise (standard deviation by the most that a user adds), chance of a user to be
    in a step's sample, and steps.
    """

    epsilon: float
    delta: float
    mechanisms: list[tuple[float, float, int]]


class TrainedModel(Result):
    """A finished model. folder: its address; seconds: of its training; reused: found finished.

    generator, fold: of a generator's model, which left that fold of the users out. started_from: the model of an
    earlier night that it went on from. counts_ndcg: NDCG@10 of the other folds' counts on the same validation users.
    epoch: whose weights it has; 0 is the start, before it had learnt anything.
    """

    name: str
    folder: str
    seed: int
    seconds: float
    reused: bool = False
    generator: str | None = None
    fold: int | None = None
    started_from: str | None = None
    counts_ndcg: float | None = None
    epoch: int | None = None
    curves: list[Curve] = []

    @property
    def kept(self) -> Curve:
        """What was measured of the epoch whose weights it has; nothing of one that did not learn."""
        return next((curve for curve in self.curves if curve["epoch"] == self.epoch), {})
