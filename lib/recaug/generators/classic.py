"""Classic enhancement of behaviour: variations of real histories; nothing is trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recaug.config.base import Share, Strict
from recaug.generators.base import DrawHistories, Generator, Names, Request
from recaug.generators.counts import Alike, LeaveOneOut, counts_folders
from recaug.generators.histories import Histories
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.samplers import contexts_of, history_frame, opened, sources_of
from recaug.generators.variations import vary
from recaug.results import TrainedModel


class Ways(Strict, kw_only=True):
    """Of a history's events, the share that each way keeps or changes; 0: not that way. Each other is as likely.

    crop: so many on end are kept. mask: so many are left out. reorder: so many on end change places; the gate counts
    such a history, whose items stay the same, as a copy. substitute, insert: a neighbour in the counts takes the place
    of so many, or follows them.
    """

    crop: Share = 0.6
    mask: Share = 0.3
    reorder: Share = 0.0
    substitute: Share = 0.3
    insert: Share = 0.3

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if not self.shares:
            raise ValueError("ways: all shares are 0; leave classic out of generators instead")

    @property
    def shares(self) -> dict[str, float]:
        """Of the ways that histories are varied in, by name; each above 0."""
        return {way: share for way, share in msgspec.structs.asdict(self).items() if share > 0}


class Classic(Generator, kw_only=True):
    """Variations of real histories.

    attributes: of the chances of a neighbour, the share that goes to items alike in the catalogue.
    """

    label = "classic"
    colour = ("#8a5a00", "#d8b15a")
    writes = frozenset({"histories"})
    private: ClassVar[bool] = True

    kind: Literal["classic"] = "classic"
    ways: Ways = Ways()
    attributes: Share = 0.0
    draw: DrawHistories = DrawHistories()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """The counts that neighbours are drawn from, for every fold."""
        return counts_folders(inputs, Alike(self.attributes))

    def sampler(self, folder: str) -> "Variations":
        """Varied histories."""
        return Variations(LeaveOneOut(opened(folder)), self.ways, self.draw)


@dataclass(frozen=True)
class Variations:
    """Varies the histories of the fold's users, or the last events of longer ones.

    Times stay in their order; what is inserted lies half-way to the next event. A neighbour that is drawn is none that
    the user had; where there is none, the event stays as it was. A history that stays as it was gives no row.
    """

    model: LeaveOneOut
    ways: Ways
    settings: DrawHistories

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give a frame for every history; see Sampler."""
        sources, names = sources_of(histories, fold, self.settings.histories, random), Names(request, fold)
        for start in range(0, len(sources), request.batch_rows):
            users = sources[start : start + request.batch_rows]
            first = np.maximum(histories.starts[users], histories.starts[users + 1] - request.max_length)
            made = [vary(int(n), self.ways.shares, random) for n in histories.starts[users + 1] - first]
            sizes = [len(variation.places) for variation in made]
            row, places = np.repeat(np.arange(len(users)), sizes), np.concatenate([each.places for each in made])
            drawn, events = np.concatenate([each.drawn for each in made]), np.repeat(first, sizes) + places
            items, fidelity = self._varied(histories, events, users[row], drawn, random)
            inserted = drawn & np.concatenate([[False], events[1:] == events[:-1]])
            kept = ~inserted | (items != histories.items[events])  # where no neighbour was found nothing is inserted
            for number, user in enumerate(users):
                own = np.flatnonzero((row == number) & kept)
                source, name = histories.user_ids[user], names.next(histories.user_ids[user])
                if np.array_equal(items[own], histories.items[first[number] : histories.starts[user + 1]]):
                    continue
                times = _times(histories.times[events[own]], inserted[own])[: request.max_length]
                own = own[: request.max_length]
                frame = history_frame((name, source), items[own], times, fidelity[own])
                yield frame.assign(weight=self.settings.history_weight)

    def _varied(
        self,
        histories: Histories,
        events: NDArray[np.int64],
        users: NDArray[np.int64],
        drawn: NDArray[np.bool_],
        random: torch.Generator,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items of the events, a neighbour where one is to be drawn and found, and their fidelity; all (events,)."""
        items, fidelity = histories.items[events], np.ones(len(events))
        if drawn.any():
            near, chance = self._neighbours(histories, events[drawn], users[drawn], random)
            items[drawn], fidelity[drawn] = np.where(near > 0, near, items[drawn]), np.where(near > 0, chance, 1.0)
        return items, fidelity

    def _neighbours(
        self, histories: Histories, events: NDArray[np.int64], users: NDArray[np.int64], random: torch.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Draw a neighbour of each event's item that its user never had, and its fidelity; 0 where there is none."""
        contexts = contexts_of(histories, events, users, 1, self.model.after)
        scores = self.model.scores(contexts, random)
        chosen = scores.draw(1, 1.0, random, histories.seen(histories.starts[users + 1] - 1, users))
        fidelity = self.model.fidelity(contexts.items, chosen, scores)
        return chosen.numpy()[:, 0], fidelity.numpy()[:, 0].astype(np.float64)


def _times(times: NDArray[np.int64], inserted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Order the times; what is inserted lies half-way to the next event. Both (events,)."""
    times = np.sort(times)
    return np.where(inserted, (times + np.append(times[1:], times[-1:])) // 2, times)
