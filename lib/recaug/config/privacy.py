"""Section privacy: whose pairs may count, and how it is measured what generated rows tell of a user."""

import os
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from recaug.config.base import Count, Positive, PositiveFloat, Strict
from recaug.errors import ConfigError

SHORTEST_KEY = 32  # characters: of 16 random bytes in hexadecimal


class Key(Strict, kw_only=True):
    """Where the key of the pseudonyms is kept, never the key itself: one of the two.

    env: an environment variable of the driver; a secret scope puts its secret into one. file: that holds nothing else.
    """

    env: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        """Check that one is given."""
        if (self.env is None) == (self.file is None):
            raise ValueError("give one of privacy.key.env and privacy.key.file")

    def read(self) -> str:
        """Read the key. Raises ConfigError where there is none, or one that can be guessed."""
        place = f"environment variable {self.env}" if self.file is None else f"file {self.file}"
        try:
            key = os.environ.get(str(self.env), "") if self.file is None else Path(self.file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"privacy.key: {place} cannot be read; write a key into it") from error
        if len(key.strip()) < SHORTEST_KEY:
            has = f"has {len(key.strip())} characters" if key.strip() else "is empty or not set"
            raise ConfigError(f"privacy.key: {place} {has}; give it {SHORTEST_KEY} or more, as openssl rand -hex 32")
        return key.strip()


class Privacy(Strict, kw_only=True):
    """What may be told of a user, and the audit that measures what is.

    key: of the pseudonyms (HMAC-SHA-256) that stand for users, events and sessions past the shop's own tables; null:
        none, and rows, page and models name them as the log does.
    min_users: a pair of items enters counts, neighbours and what generators know only if so many different users had
        it; 1: pairs of a single user may be in the rows. Above 1 the counts' generators are cross-fitted.
    users: of the train window, drawn by a hash, whom the night's audit asks about; 0: no audit.
    canaries: made-up users whose steps are planted beside the rows, half of them: an attack that misses these sees
        nothing.
    salts: halves of the users that jobs/audit_privacy.py makes rows from.
    epsilon: differential privacy of whatever generators know of users, together: counts with noise, and weights learnt
        with noise (DP-SGD); a user is what may be there or not. null: none. Wants a key, which decides the noise, and
        the extra `dp`. The refit of a night spends as much again: the model card says what both come to.
    delta: of it; has to be below 1 in so many users.
    contributions: pairs of items that a user adds to the noisy counts at most, the strongest; all of them together
        weigh 1 (L2).

    On thin data a floor of five users, or noise, leaves next to nothing: see docs/results.md. With epsilon the noise's
    threshold stands in the place of min_users. Not covered: the recommender and its lists, which items there are, what
    is chosen by validation, the page's figures; and a row tells of the users that it names as its source.
    """

    key: Key | None = None
    min_users: Positive = 1
    users: Count = 1000
    canaries: Annotated[int, Meta(ge=20)] = 200
    salts: Positive = 10
    epsilon: PositiveFloat | None = None
    delta: Annotated[float, Meta(gt=0, lt=0.01)] = 1e-6
    contributions: Positive = 20

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if self.epsilon is None:
            return
        if self.key is None:
            raise ValueError("privacy.epsilon wants privacy.key: who can draw the noise again takes it off")
        if self.min_users > 1:
            raise ValueError(
                "privacy.min_users is for exact counts: with privacy.epsilon set it to 1, the noise has a threshold"
            )

    @property
    def secret(self) -> str | None:
        """The key itself; None without one. Raises ConfigError as Key.read does."""
        return None if self.key is None else self.key.read()
