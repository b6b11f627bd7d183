"""Rows that other software wrote to a file, as a generator of a night, so that the gate judges them as it does ours."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recaug.generators.base import DrawHistories, Generator, Names, Request
from recaug.generators.histories import Histories
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.samplers import history_frame, sources_of
from recaug.results import TrainedModel


class Written(Generator, kw_only=True):
    """Each generated user is a user of the file. path: CSV with user_id and item_index, in the order of events."""

    label = "rows of a file"
    colour = ("#444444", "#bbbbbb")
    writes = frozenset({"histories"})

    path: str
    draw: DrawHistories = DrawHistories(min_fidelity=0.0)

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """The file serves every fold: who wrote it learnt from all of them, which is to its advantage."""
        return inputs.by_fold({None: self.path})

    def sampler(self, folder: str) -> "FromFile":
        """The file's users."""
        return FromFile(folder, self.draw)


class FromFile:
    """Gives the file's users to the fold's users, by chance."""

    def __init__(self, path: str, draw: DrawHistories) -> None:
        self.path, self.settings = path, draw

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give a frame for every generated user, at the times of its source's events; longer ones are cut."""
        names, written = Names(request, fold), read(self.path)
        for user in sources_of(histories, fold, self.settings.histories, random):
            own = slice(histories.starts[user], histories.starts[user + 1])
            times, source = histories.times[own], histories.user_ids[user]
            items = written[int(torch.randint(len(written), (), generator=random))][: len(times)]
            frame = history_frame((names.next(source), source), items, times[: len(items)], np.ones(len(items)))
            yield frame.assign(weight=self.settings.history_weight)


@lru_cache(maxsize=4)
def read(path: str) -> list[NDArray[np.int64]]:
    """Items of each of the file's users, an item once."""
    rows = pd.read_csv(path).drop_duplicates(["user_id", "item_index"])
    return [own.to_numpy(dtype=np.int64) for _, own in rows.groupby("user_id")["item_index"]]
