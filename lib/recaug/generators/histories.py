"""A bucket's users as arrays: what samplers draw from."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray


class Histories(NamedTuple):
    """A bucket's users, in the order of user_id; events of all users one after the other.

    user_ids, folds: (users,). starts: (users + 1,) where each user's events begin. items, times, event_ids: (events,).
    """

    user_ids: NDArray[Any]
    folds: NDArray[np.int64]
    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]
    event_ids: NDArray[Any]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each user, (users,)."""
        return np.diff(self.starts)

    def contexts(
        self, ends: NDArray[np.int64], users: NDArray[np.int64], length: int, after: int = 0
    ) -> NDArray[np.int64]:
        """The last `length` events up to and with each of `ends` (event numbers), and the next `after` of the user.

        Left-aligned, (ends, length + after), 0 for padding.
        """
        first = np.maximum(self.starts[users], ends + 1 - length)
        last = np.minimum(ends + after, self.starts[users + 1] - 1)
        places = first[:, None] + np.arange(length + after)
        return np.where(places <= last[:, None], self.items[np.minimum(places, len(self.items) - 1)], 0)

    def seen(self, ends: NDArray[np.int64], users: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Row numbers and items of everything that each user had up to and with the event."""
        counts = ends + 1 - self.starts[users]
        rows = np.repeat(np.arange(len(ends)), counts)
        offset = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        items = self.items[np.repeat(self.starts[users], counts) + offset]
        return torch.from_numpy(rows), torch.from_numpy(items)


def gather(rows: pd.DataFrame) -> Histories:
    """Join each user's windows, which overlap by one event, to one history.

    rows: user_id, fold, window, length, items (int32 binary), times (int64 binary), event_ids.
    """
    rows = rows.sort_values(["user_id", "window"], ignore_index=True)
    lengths, skip = rows["length"].to_numpy(), (rows["window"] > 0).to_numpy().astype(np.int64)
    items = np.frombuffer(b"".join(rows["items"]), dtype="<i4").reshape(len(rows), -1)
    times = np.frombuffer(b"".join(rows["times"]), dtype="<i8").reshape(len(rows), -1)
    place = np.arange(items.shape[1])
    kept = (place >= skip[:, None]) & (place < lengths[:, None])
    user_ids, first = np.unique(rows["user_id"].to_numpy(dtype=object), return_index=True)
    counts = np.add.reduceat(lengths - skip, first)
    return Histories(
        user_ids=user_ids,
        folds=rows["fold"].to_numpy()[first].astype(np.int64),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=items[kept].astype(np.int64),
        times=times[kept],
        event_ids=np.concatenate([ids[drop:] for ids, drop in zip(rows["event_ids"], skip, strict=True)]),
    )
