"""Continuations by the counts: from what all others had together and items alike; nothing is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recaug.clickstream.terms import alike, item_terms, latent_matrix
from recaug.config.base import Share
from recaug.generators.base import Contexts, DrawContinuations, Generator
from recaug.generators.inputs import GeneratorInputs, counting
from recaug.generators.samplers import Continuing, opened
from recaug.results import TrainedModel
from recaug.training.checkpoint import finish_model, model_folder
from recaug.training.inputs import neighbours
from recaug.training.models.counts import CountsGenerator
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.scores import Scores


class Alike(NamedTuple):
    """By what items are alike. share: of the chances that goes by it, the rest by the counts.

    by: `catalogue`, its words and attributes, or `latents`. most_events: an alike item has so many at most; None: any.
    """

    share: float
    by: Literal["catalogue", "latents"] = "catalogue"
    most_events: int | None = None


class Counts(Generator, kw_only=True):
    """Continuations by leave-one-out co-visitation counts, which need no training.

    attributes: share of the chances that goes to items alike in the catalogue's words and attributes; an item of which
        the catalogue says nothing has none.
    """

    label = "counts"
    colour = ("#16736d", "#4fc3bb")
    rows_label = "counts' rows"
    writes = frozenset({"continuations"})

    private: ClassVar[bool] = True

    kind: Literal["counts"] = "counts"
    attributes: Share = 0.2
    draw: DrawContinuations = DrawContinuations()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """The counts; see counts_folders."""
        return counts_folders(inputs, Alike(self.attributes))

    def model(self, folder: str) -> "LeaveOneOut":
        """The counts."""
        return LeaveOneOut(opened(folder))

    def sampler(self, folder: str) -> Continuing:
        """Continuations."""
        return Continuing(self.model(folder), self.draw)


@dataclass(frozen=True)
class LeaveOneOut:
    """The counts as samplers see them: what the user's own events added is taken out."""

    module: Any

    @property
    def after(self) -> int:
        """The window of the counts."""
        window: int = self.module.covisitation.window
        return window

    def scores(self, contexts: Contexts, random: torch.Generator) -> Scores:
        """What may come next of each context, and how likely."""
        scores: Scores = self.module.scores(contexts.items, contexts.future)
        return scores

    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """As of the counts."""
        fidelity: Tensor = self.module.fidelity(items, generated, scores)
        return fidelity


def counts_folders(inputs: GeneratorInputs, near: Alike, earlier: bool = False) -> dict[int, str]:
    """Write the counts of the train window as models, or find them, and give their folders' addresses by fold.

    earlier: counts of what came before an item, not after. Of one model of exact counts that serves all folds a user's
    own pairs are taken out. Raises ContractError where the table that says what is alike is not there, or knows what
    the night may not.
    """
    return inputs.by_fold({fold: _counts_folder(inputs, near, earlier, fold) for fold in inputs.counted_folds})


def _counts_folder(inputs: GeneratorInputs, near: Alike, earlier: bool, without: int | None) -> str:
    """Write the counts without a fold, or of all, as a model, or find it."""
    source = {"catalogue": "items", "latents": "item_latents"}[near.by]
    described = inputs.tables.read(source) if near.share else None
    names = ["vocabulary", "covisitation", *([source] if described is not None else [])]
    made_of = {
        "near": near,
        "covisitation": counting(inputs.counts),
        "neighbours": inputs.counts.neighbours,
        "earlier": earlier,
        "users": (inputs.min_users, without),
        "private": None if inputs.private is None else inputs.rows_hash,
        "rows": [inputs.tables.content_hash(name) for name in names],
    }
    folder = model_folder(inputs.models, "counts", made_of)
    if not folder.finished():
        vocabulary, events, pairs = inputs.tables.read("vocabulary"), inputs.events(without), inputs.pairs(without)
        if earlier:
            pairs = pairs.selectExpr("other_index AS item_index", "item_index AS other_index", "weight")
        table = neighbours(pairs, len(events) - 1, inputs.counts.neighbours)
        likeness = None
        if described is not None:
            describe = latent_matrix if near.by == "latents" else item_terms
            terms = describe(described, vocabulary)
            likeness = ItemLikeness(
                *map(torch.from_numpy, alike(terms, inputs.counts.neighbours, _among(events, near)))
            )
        counts = CoVisitation(*map(torch.from_numpy, table), **counting(inputs.counts))
        own = without is None and inputs.private is None
        meta = {
            "arguments": {"share": near.share, "own": own},
            "covisitation": counting(inputs.counts),
            "private": None if inputs.private is None else inputs.private.meta,
        }
        finish_model(folder, CountsGenerator(counts, likeness, share=near.share, own=own), meta)
    return folder.root


def _among(events: np.ndarray, near: Alike) -> np.ndarray | None:
    """Which items may be alike, (n_items + 1,). events: of each, (n_items + 1,)."""
    if near.most_events is None:
        return None
    few: np.ndarray = (events <= near.most_events) & (np.arange(len(events)) > 0)
    return few
