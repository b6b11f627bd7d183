"""How continuations and generated users are drawn from whatever says what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recaug.generators.base import Contexts, DrawBoth, DrawContinuations, Model, Names, Request, Sampler
from recaug.generators.histories import Histories
from recaug.training.checkpoint import load_model
from recaug.training.models.scores import Scores, Seen

MIN_HISTORY = 3  # events of a generated history and of the users that it is drawn from; less is no history


@dataclass(frozen=True)
class NetworkModel:
    """A network as samplers see it: it looks at the context alone."""

    module: Any
    after: int = 0

    def scores(self, contexts: Contexts, random: torch.Generator) -> Scores:
        """What may come next of each context, and how likely."""
        if contexts.whole:
            return Scores(self.module.next_logits(contexts.items, random))
        scores: Scores = self.module.scores(contexts.items, random)
        return scores

    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """As of the network."""
        fidelity: Tensor = self.module.fidelity(items, generated, scores)
        return fidelity


@dataclass(frozen=True)
class Continuing:
    """Draws distinct next items after every event of the fold's users; fewer where too many are rejected."""

    model: Model
    settings: DrawContinuations

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give a frame for every batch of events; see Sampler."""
        n = self.settings.continuations
        if not n:
            return
        user_of = np.repeat(np.arange(len(histories.user_ids)), histories.lengths)
        ends = np.flatnonzero(histories.folds[user_of] == fold)
        for start in range(0, len(ends), request.batch_rows):
            end = ends[start : start + request.batch_rows]
            users = user_of[end]
            contexts = contexts_of(histories, end, users, request.max_length, self.model.after)
            seen = histories.seen(end, users) if request.discovery else None
            chosen, fidelity = self.pick(contexts, seen, random)
            listed = chosen.numpy().ravel()
            yield pd.DataFrame(
                {
                    "user_id": np.repeat(histories.user_ids[users], n),
                    "item_index": listed.astype(np.int32),
                    "event_second": np.repeat(histories.times[end], n),
                    "parent_event_id": np.repeat(histories.event_ids[end], n),
                    "source_users": [[user] for user in np.repeat(histories.user_ids[users], n)],
                    "weight": self.settings.weight / n,
                    "fidelity": fidelity.numpy().astype(np.float64).ravel(),
                    "serial": np.tile(np.arange(n, dtype=np.int32), len(end)),
                }
            )[listed > 0]

    def pick(self, contexts: Contexts, seen: Seen | None, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw each context's next items, 0 where there is none, and how real they are. Both (batch, continuations)."""
        scores = self.model.scores(contexts, random)
        chosen = scores.draw(self.settings.continuations, self.settings.temperature, random, seen)
        return chosen, self.model.fidelity(contexts.items, chosen, scores)


@dataclass(frozen=True)
class NewUsers:
    """Draws users like a source user of the fold: the items from the model, length and times from a second user.

    For the VAE: z from q(z | source), then so many draws of the multinomial, without replacement. Of the share
    `new_users` the model is given no items, so that z comes from the prior: they have the second user alone as source.
    """

    model: Model
    settings: DrawBoth

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give a frame for every batch of users; see Sampler."""
        timers = np.flatnonzero(histories.lengths >= MIN_HISTORY)
        sources = sources_of(histories, fold, self.settings.histories, random)
        if not len(sources):
            return
        timing = timers[torch.randint(len(timers), (len(sources),), generator=random).numpy()]
        names = Names(request, fold)
        for start in range(0, len(sources), request.batch_rows):
            source, timer = sources[start : start + request.batch_rows], timing[start : start + request.batch_rows]
            contexts = contexts_of(histories, histories.starts[source + 1] - 1, source, request.max_length, 0)
            if self.settings.new_users:
                new = torch.rand(len(source), generator=random) < self.settings.new_users
                contexts = Contexts(contexts.items * ~new[:, None], contexts.future * ~new[:, None])
                source = np.where(new, timer, source)
            size = np.minimum(histories.lengths[timer], request.max_length)
            yield self._rows(histories, names, contexts, (source, timer, size), random)

    def _rows(
        self,
        histories: Histories,
        names: Names,
        contexts: Contexts,
        users: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
        random: torch.Generator,
    ) -> pd.DataFrame:
        """Draw a batch. users: source and timing user of each generated one, and how many events it gets."""
        source, timer, size = users
        scores = self.model.scores(contexts, random)
        chosen = scores.draw(int(size.max()), self.settings.temperature, random)
        fidelity = self.model.fidelity(contexts.items, chosen, scores).numpy().astype(np.float64)
        used = (np.arange(chosen.shape[1]) < size[:, None]) & (chosen.numpy() > 0)
        row, column = np.nonzero(used)
        user_ids = np.asarray([names.next(user) for user in histories.user_ids[source]], dtype=object)
        pairs = [sorted({histories.user_ids[a], histories.user_ids[b]}) for a, b in zip(source, timer, strict=True)]
        return pd.DataFrame(
            {
                "user_id": user_ids[row],
                "item_index": chosen.numpy()[used].astype(np.int32),
                "event_second": histories.times[histories.starts[timer[row]] + column],
                "parent_event_id": None,
                "source_users": [pairs[i] for i in row],
                "weight": self.settings.history_weight,
                "fidelity": fidelity[used],
                "serial": column.astype(np.int32),
            }
        )


@dataclass(frozen=True)
class Several:
    """Draws from samplers in turn."""

    samplers: tuple[Sampler, ...]

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give the frames of the first, then of the next; see Sampler."""
        for sampler in self.samplers:
            yield from sampler.draw(histories, fold, request, random)


def contexts_of(
    histories: Histories, ends: NDArray[np.int64], users: NDArray[np.int64], length: int, after: int
) -> Contexts:
    """What the users had until the events, and the next `after` of each."""
    future = torch.from_numpy(histories.contexts(ends, users, length, after=after))
    items = torch.from_numpy(histories.contexts(ends, users, length)) if after else future
    return Contexts(items, future)


def sources_of(histories: Histories, fold: int, share: float, random: torch.Generator) -> NDArray[np.int64]:
    """The fold's users of MIN_HISTORY events or more, each `share` times, a fraction by chance."""
    long_enough = (histories.folds == fold) & (histories.lengths >= MIN_HISTORY)
    return repeated(np.flatnonzero(long_enough), share, random)


def repeated(users: NDArray[np.int64], share: float, random: torch.Generator) -> NDArray[np.int64]:
    """Each of the users `share` times, a fraction by chance."""
    if not len(users) or not share:
        return users[:0]
    return np.repeat(users, int(share) + (torch.rand(len(users), generator=random).numpy() < share - int(share)))


def history_frame(
    users: tuple[str, str], items: NDArray[np.int64], times: NDArray[np.int64], fidelity: NDArray[np.float64]
) -> pd.DataFrame:
    """The rows of a generated history of one user, without their weight; items, times and fidelity are (events,).

    users: the generated one's name and the source's.
    """
    name, source = users
    return pd.DataFrame(
        {
            "user_id": name,
            "item_index": items.astype(np.int32),
            "event_second": times,
            "parent_event_id": None,
            "source_users": [[source]] * len(items),
            "fidelity": fidelity,
            "serial": np.arange(len(items), dtype=np.int32),
        }
    )


@lru_cache(maxsize=4)
def opened(folder: str) -> nn.Module:
    """Load a model once a Python worker; a folder's name is the hash of what made it, so it never changes."""
    return load_model(folder)
