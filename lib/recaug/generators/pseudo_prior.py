"""Histories of users with few events, with earlier ones in front; nothing is trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recaug.config.base import Positive, PositiveFloat
from recaug.generators.base import Contexts, DrawHistories, Generator, Names, Request
from recaug.generators.counts import Alike, LeaveOneOut, counts_folders
from recaug.generators.histories import Histories
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.samplers import history_frame, opened, repeated
from recaug.results import TrainedModel


class DrawEarlier(DrawHistories):
    """temperature: of the sampling softmax."""

    temperature: PositiveFloat = 1.0


class PseudoPrior(Generator, kw_only=True):
    """Events that may have come before the first one of a user with few (Liu et al. 2021).

    up_to: users with so many train events or fewer. events: drawn before the first one.
    """

    label = "pseudo-prior"
    colour = ("#4d6b1f", "#b1cf7a")
    rows_label = "rows with earlier events"
    writes = frozenset({"histories"})
    private: ClassVar[bool] = True

    kind: Literal["pseudo_prior"] = "pseudo_prior"
    up_to: Positive = 5
    events: Positive = 3
    draw: DrawEarlier = DrawEarlier()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """The counts of what came before, for every fold."""
        return counts_folders(inputs, Alike(0.0), earlier=True)

    def sampler(self, folder: str) -> "Earlier":
        """Histories with earlier events."""
        return Earlier(LeaveOneOut(opened(folder)), self)


@dataclass(frozen=True)
class Earlier:
    """Puts drawn events in front of short histories: each is drawn by the event that follows it.

    model: the counts, read against the order of time.
    Only the first real event starts the draws. Later ones would show through what they drew: that was a leak, and such
    histories did harm.
    An item that the user had at any time is never drawn, so the user's own pairs do not count.
    A history to which nothing can be added gives no row.
    """

    model: LeaveOneOut
    entry: PseudoPrior

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give a frame for every history; see Sampler."""
        few = np.flatnonzero((histories.folds == fold) & (histories.lengths <= self.entry.up_to))
        sources, names = repeated(few, self.entry.draw.histories, random), Names(request, fold)
        for start in range(0, len(sources), request.batch_rows):
            users = sources[start : start + request.batch_rows]
            earlier, chances = self._earlier(histories, users, random)
            for user, items, fidelity in zip(users, earlier, chances, strict=True):
                name = names.next(histories.user_ids[user])
                drawn, own = items > 0, slice(histories.starts[user], histories.starts[user + 1])
                if not drawn.any():
                    continue
                yield history_frame(
                    (name, histories.user_ids[user]),
                    np.concatenate([items[drawn], histories.items[own]])[: request.max_length],
                    _times(histories.times[own], int(drawn.sum()))[: request.max_length],
                    np.concatenate([fidelity[drawn], np.ones(len(histories.items[own]))])[: request.max_length],
                ).assign(weight=self.entry.draw.history_weight)

    def _earlier(
        self, histories: Histories, users: NDArray[np.int64], random: torch.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Draw the events before the first one of each user, 0 for none, and their fidelity; both (users, events)."""
        rows, seen = histories.seen(histories.starts[users + 1] - 1, users)
        latest, drawn, chances = torch.from_numpy(histories.items[histories.starts[users]]), [], []
        for _ in range(self.entry.events):
            contexts = Contexts(latest[:, None], latest[:, None])
            scores = self.model.scores(contexts, random)
            chosen = scores.draw(1, self.entry.draw.temperature, random, (rows, seen))
            latest = chosen[:, 0]
            drawn.append(latest.numpy())
            fidelity = self.model.fidelity(contexts.items, chosen, scores)
            chances.append(fidelity[:, 0].numpy().astype(np.float64))
            rows, seen = torch.cat([rows, torch.arange(len(users))]), torch.cat([seen, latest])
        return np.stack(drawn[::-1], axis=1), np.stack(chances[::-1], axis=1)


def _times(times: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Put n times before the others, as far apart as these are in the mean."""
    gap = max(int(times[-1] - times[0]) // max(len(times) - 1, 1), 1)
    return np.concatenate([times[0] - gap * np.arange(n, 0, -1), times])
