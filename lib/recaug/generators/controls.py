"""Rows that know nothing: what generated rows have to beat, for more rows may help whatever they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from recaug.generators.base import Contexts, DrawContinuations, Generator
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.samplers import Continuing, NetworkModel, opened
from recaug.results import TrainedModel
from recaug.training.checkpoint import finish_model, model_folder
from recaug.training.inputs import log_shares
from recaug.training.models.popularity import PopularityGenerator
from recaug.training.models.scores import Scores, Seen


class DrawOne(DrawContinuations):
    """The one item that came next, with the weight that generated continuations together have elsewhere."""

    continuations: Literal[1] = 1


class DrawByPopularity(DrawContinuations):
    """Continuations by popularity. min_fidelity: none is dropped, for rare items are to have their share."""

    min_fidelity: float = 0.0


class Repeated(Generator, kw_only=True):
    """A control: each real event's real successor once more, with the weight of generated rows."""

    label = "real rows again"
    colour = ("#6b6b6b", "#a8a8a8")
    writes = frozenset({"continuations"})
    control: ClassVar[bool] = True
    private: ClassVar[bool] = True

    kind: Literal["repeated"] = "repeated"
    draw: DrawOne = DrawOne()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """No model: whatever the fold, the user's own events say it."""
        return inputs.by_fold({None: self.kind})

    def sampler(self, folder: str) -> "Following":
        """What came next."""
        return Following(NothingToKnow(), self.draw)


class Popular(Generator, kw_only=True):
    """A control: continuations drawn by popularity, whatever came before."""

    label = "popularity"
    colour = ("#7a5f16", "#d1b25a")
    rows_label = "rows by popularity"
    writes = frozenset({"continuations"})
    control: ClassVar[bool] = True
    private: ClassVar[bool] = True

    kind: Literal["popular"] = "popular"
    draw: DrawByPopularity = DrawByPopularity()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """The popularity of the train events, written as a model or found."""
        popularity = torch.from_numpy(log_shares(inputs.events()))
        private = None if inputs.private is None else inputs.rows_hash
        made_of = {"rows": inputs.tables.content_hash("vocabulary"), "private": private}
        folder = model_folder(inputs.models, self.kind, made_of)
        if not folder.finished():
            n_items = len(popularity) - 1
            module: nn.Module = PopularityGenerator(n_items, popularity)
            finish_model(folder, module, {"arguments": {"n_items": n_items}})
        return inputs.by_fold({None: folder.root})

    def sampler(self, folder: str) -> Continuing:
        """Continuations."""
        return Continuing(NetworkModel(opened(folder)), self.draw)


@dataclass(frozen=True)
class NothingToKnow:
    """A Model that is never asked what comes next, for the user's next event says it."""

    after: int = 1

    def scores(self, contexts: Contexts, random: torch.Generator) -> Scores:
        """Never called: see Following."""
        raise AssertionError("what came next is known")

    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """Real."""
        return torch.ones_like(generated, dtype=torch.float32)


@dataclass(frozen=True)
class Following(Continuing):
    """Gives the item that came next, instead of drawing one."""

    def pick(self, contexts: Contexts, seen: Seen | None, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """See Continuing; 0 after a user's last event."""
        known = (contexts.items > 0).sum(dim=1, keepdim=True)
        chosen = contexts.future.gather(1, known)
        return chosen, torch.ones_like(chosen, dtype=torch.float32)
