"""What a user has done by now: the night's history, and what came since."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.stream.held import Event
from recaug.stream.serving import Vocabulary


@dataclass(frozen=True)
class Person:
    """A user by the items of a vocabulary, in the order of time; what it does not know is left out.

    items: indices; times: epoch seconds; seen: indices of all items so far. n_events: of any item. is_new: nothing
    but the batch is known of the user. fold: of the cross-fit.
    """

    user_id: str
    items: NDArray[np.int64]
    times: NDArray[np.int64]
    event_ids: NDArray[Any]
    seen: NDArray[np.int64]
    n_events: int
    fold: int
    is_new: bool

    def recoded(self, places: NDArray[np.int64]) -> "Person":
        """The same by the items of another vocabulary. places: the index there of each index here, 0 for none."""
        items = places[self.items]
        kept, seen = items > 0, places[self.seen]
        return Person(
            self.user_id,
            items[kept],
            self.times[kept],
            self.event_ids[kept],
            seen[seen > 0],
            self.n_events,
            self.fold,
            self.is_new,
        )


def person(user: str, base: Any, since: tuple[int, Sequence[Event]], vocabulary: Vocabulary, folds: int) -> Person:
    """Put a user's history together. base: the night's row of serving.Lists.people, None where it has none.

    since: how many events of earlier batches there are after that night, and these with those of the batch.
    """
    earlier, events = since
    coded = [(vocabulary.index.get(event.item_id, 0), event) for event in events]
    known = [(index, event) for index, event in coded if index]
    items = np.array([index for index, _ in known], dtype=np.int64)
    times = np.array([event.micros // 1_000_000 for _, event in known], dtype=np.int64)
    ids = np.array([event.event_id for _, event in known], dtype=object)
    if base is None:
        fold = int(hashlib.sha256(user.encode()).hexdigest()[:8], 16) % folds
        return Person(user, items, times, ids, np.unique(items), len(events), fold, earlier == 0)
    before = np.frombuffer(base.items, dtype="<i4")[: base.length].astype(np.int64)
    items = np.concatenate([before, items])
    times = np.concatenate([np.frombuffer(base.times, dtype="<i8")[: base.length].astype(np.int64), times])
    ids = np.concatenate([np.array([*base.event_ids], dtype=object), ids])
    order = np.argsort(times, kind="stable")
    seen = np.unique(np.concatenate([np.asarray(base.seen, dtype=np.int64), items]))
    return Person(
        user, items[order], times[order], ids[order], seen, base.n_events + len(events), int(base.fold), False
    )


def days_of(events: pd.DataFrame) -> tuple[Mapping[str, dt.date], Mapping[str, dt.date]]:
    """Give the day of each event, and of each user's first event."""
    by_event = dict(zip(events["event_id"], events["event_date"], strict=True))
    return by_event, events.groupby("user_id")["event_date"].min().to_dict()
