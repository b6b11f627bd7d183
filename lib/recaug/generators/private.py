"""How differential privacy is kept of what generators know of users."""

import hashlib
import hmac
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from recaug.clickstream import noisy_counts
from recaug.config import Optimiser
from recaug.generators.accounting import PAIRS
from recaug.results import Spent
from recaug.training.batches import Columns
from recaug.training.loop import Batch, TrainingTask
from recaug.training.private import Chance, Noise, PrivateTask, sampled_users
from recaug.training.worker import Worker


@dataclass(frozen=True)
class Private:
    """Noise, and the secret that decides it; pickled to the ranks.

    counts: noise on the counts, training: on the gradients of networks, both by the most that a user adds. delta: the
    chance that the counts show a pair of one user alone. contributions: see config.Privacy. users: who may teach.
    spent: what all of it comes to.
    """

    secret: bytes = field(repr=False)
    counts: float
    training: float | None
    delta: float
    contributions: int
    users: int
    spent: Spent

    @property
    def made_of(self) -> dict[str, Any]:
        """What decides models beside their data; of the secret a fingerprint."""
        fingerprint = hmac.digest(self.secret, b"fingerprint of the noise's secret", hashlib.sha256).hex()[:16]
        return {
            "secret": fingerprint,
            "counts": self.counts,
            "training": self.training,
            "delta": self.delta,
            "contributions": self.contributions,
            "users": self.users,
        }

    @property
    def meta(self) -> dict[str, Any]:
        """What a model's meta.json says: how it was made, and what the night's generators together spend."""
        return self.made_of | {"spent": msgspec.to_builtins(self.spent)}

    def noise(self, release: str) -> noisy_counts.Noise:
        """Noise on the counts. release: names their data and how they are counted; other data want another name."""
        return noisy_counts.Noise(
            secret=self.secret,
            release=f"counts {release} {self.made_of}",
            pairs=self.counts / math.sqrt(PAIRS),
            items=self.counts / math.sqrt(1 - PAIRS),
            delta=self.delta,
            most=self.contributions,
        )

    def task(self, task: Any, optimiser: Optimiser, training: str, worker: Worker) -> TrainingTask:
        """Give a task of which one knows each user's loss (LossesTask) noise. training: names all that decides it."""
        assert self.training is not None
        noise = Noise(self.training, optimiser.batch_rows, Chance(self.secret, training))
        return PrivateTask(task, noise, worker)

    def batches(
        self, files: Sequence[str], without: int | None, optimiser: Optimiser, training: str, worker: Worker
    ) -> Iterator[Batch]:
        """Give this rank's users, each by chance, with something to predict. without: a fold."""

        def keep(columns: Columns) -> np.ndarray:
            taught = (columns["window"] == 0) & (columns["length"] >= 2)
            return np.asarray(taught & (columns["fold"] != without))

        rate, chance = min(optimiser.batch_rows / self.users, 1.0), Chance(self.secret, training)
        return sampled_users(files, ["items", "fold", "window", "length"], keep, rate, chance, worker)
