"""Section privacy: whose pairs may count, and how it is measured what generated rows tell of a user."""

from typing import Annotated

from msgspec import Meta

from recaug.config.base import Count, Positive, Strict


class Privacy(Strict, kw_only=True):
    """What may be told of a user, and the audit that measures what is.

    min_users: a pair of items enters counts, neighbours and what generators know only if so many different users had
        it; 1: pairs of a single user may be in the rows. Above 1 the counts' generators are cross-fitted.
    users: of the train window, drawn by a hash, whom the night's audit asks about; 0: no audit.
    canaries: made-up users whose steps are planted beside the rows, half of them: an attack that misses these sees
        nothing.
    salts: halves of the users that jobs/audit_privacy.py makes rows from.

    On thin data a floor of five users leaves next to nothing: see docs/results.md.
    """

    min_users: Positive = 1
    users: Count = 1000
    canaries: Annotated[int, Meta(ge=20)] = 200
    salts: Positive = 10
