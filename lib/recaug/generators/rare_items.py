"""Continuations with items that have few events, after events of items alike."""

from collections.abc import Sequence
from typing import Literal

from recaug.config.base import Count, NonNegative
from recaug.generators.base import DrawContinuations, Generator
from recaug.generators.counts import Alike, LeaveOneOut, counts_folders
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.samplers import Continuing, opened
from recaug.results import TrainedModel


class DrawRare(DrawContinuations):
    """Half as many continuations as other counts', and lighter: an item alike is the weaker ground."""

    continuations: Count = 4
    weight: NonNegative = 0.2


class RareItems(Generator, kw_only=True):
    """Continuations with items that have few events, after events of items alike; nothing is trained.

    events: an item with so many train events or fewer is rare; 0: one without any is.
    by: what makes items alike: the words and attributes of the `catalogue`, or `latents`, where the VAE of
        jobs/complete_attributes.py puts them.
    """

    label = "rare items"
    colour = ("#a3326b", "#ec87b6")
    rows_label = "rows of rare items"
    writes = frozenset({"continuations"})

    kind: Literal["rare_items"] = "rare_items"
    events: Count = 5
    by: Literal["catalogue", "latents"] = "catalogue"
    draw: DrawRare = DrawRare()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """Rare items alike, for every fold."""
        return counts_folders(inputs, Alike(1.0, self.by, self.events))

    def sampler(self, folder: str) -> Continuing:
        """Continuations."""
        return Continuing(LeaveOneOut(opened(folder)), self.draw)
