"""How differential privacy is kept of what generators know of users."""

import hashlib
import hmac
import math
from dataclasses import dataclass, field
from typing import Any

from recaug.clickstream.noisy_counts import Noise
from recaug.generators.accounting import PAIRS
from recaug.results import Spent


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

    def noise(self, release: str) -> Noise:
        """Noise on the counts. release: names their data and how they are counted; other data want another name."""
        return Noise(
            secret=self.secret,
            release=f"counts {release} {self.made_of}",
            pairs=self.counts / math.sqrt(PAIRS),
            items=self.counts / math.sqrt(1 - PAIRS),
            delta=self.delta,
            most=self.contributions,
        )
