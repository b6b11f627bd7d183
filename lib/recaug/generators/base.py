"""What a generator is: an entry of the YAML that says what it learns from, and gives what samples from it."""

import datetime as dt
import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple, Protocol

import msgspec
import pandas as pd
import torch
from msgspec import Meta
from torch import Tensor

from recaug.config.base import Count, NonNegative, PositiveFloat, Share, Strict
from recaug.config.generators import Entry
from recaug.generators.accounting import Sampling
from recaug.generators.histories import Histories
from recaug.generators.inputs import GeneratorInputs
from recaug.results import TrainedModel
from recaug.training.jobs import Job
from recaug.training.models.scores import Scores

Name = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class Draw(Strict):
    """What is sampled from a generator. min_fidelity: candidates below it are dropped before the gate."""

    min_fidelity: Share = 0.0005


class DrawContinuations(Draw):
    """continuations: generated next items after each real event. temperature: of the sampling softmax.

    weight: in the recommender's loss, of all continuations of an event together.
    """

    continuations: Count = 8
    temperature: PositiveFloat = 1.0
    weight: NonNegative = 0.3


class DrawHistories(Draw):
    """histories: generated users a real user. history_weight: of each of their events, in the recommender's loss."""

    histories: NonNegative = 1.0
    history_weight: NonNegative = 0.3


class DrawBoth(DrawContinuations):
    """Continuations and histories.

    histories: generated users a real user. history_weight: of each of their events, in the recommender's loss.
    new_users: share of the generated users that are drawn from the prior; the others vary real ones.

    The defaults draw few and sharply, as the VAE's rows that lift Beauty and Toys are drawn: it is flatter than the
    counts that inform it. They draw no histories, for more users of the same kind did not help where it was measured.
    """

    continuations: Count = 2
    temperature: PositiveFloat = 0.5
    weight: NonNegative = 0.1
    histories: NonNegative = 0.0
    history_weight: NonNegative = 0.3
    new_users: Share = 0.0


class Generator(Strict, Entry, kw_only=True):
    """A generator of behaviour, as its entry in the YAML says; its fields are the keys of the entry.

    A subclass has a field `draw`, a Draw of its own: what a generator cannot do is no key.
    label, colour (CSS, on light and on dark paper): on the page. rows_label: what an arm of its rows is called there,
    the label where it is empty. writes: `continuations`, `histories` or both. control: its rows know nothing and are
    never published; other rows have to beat them. private: what it knows of users it has from GeneratorInputs.events
    and pairs, or learns with noise: it has differential privacy where the night asks for it.
    kind: of the registry, or a class path `package.module:Class`.
    own_name: the key `name`, so that one kind can stand twice with different settings.
    draw: what is sampled from it.
    """

    label: ClassVar[str]
    colour: ClassVar[tuple[str, str]]
    rows_label: ClassVar[str] = ""
    writes: ClassVar[frozenset[str]]
    control: ClassVar[bool] = False
    private: ClassVar[bool] = False

    kind: str
    own_name: Name | None = msgspec.field(default=None, name="name")
    draw: Draw = Draw()

    @property
    def name(self) -> str:
        """As in the column `generator`: the own name, or the kind, of a class path the class."""
        return self.own_name or self.kind.rpartition(":")[2]

    @property
    def continuations(self) -> int:
        """Generated next items after each real event; 0 where it writes none."""
        return self.draw.continuations if isinstance(self.draw, DrawContinuations) else 0

    @property
    def histories(self) -> float:
        """Generated users a real user; 0 where it writes none."""
        return self.draw.histories if isinstance(self.draw, DrawHistories | DrawBoth) else 0.0

    def jobs(self, inputs: GeneratorInputs) -> Sequence[Job]:
        """Give the models to train, one a fold that is left out; none where nothing is trained."""
        return []

    def sampling(self, users: int) -> Sampling | None:
        """How a network with differential privacy samples so many users; None where nothing is trained."""
        return None

    @abstractmethod
    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """Give what each fold's users are sampled from, as the address of a folder by fold.

        trained: the night's models; what is not trained writes its folders here, or finds them.
        """

    @abstractmethod
    def sampler(self, folder: str) -> "Sampler":
        """Open what one of `folders` holds. Called in Python workers."""

    def model(self, folder: str) -> "Model | None":
        """Open what says what comes next, if anything in one of `folders` does: what an audit of weights asks."""
        return None


class Contexts(NamedTuple):
    """What users had until an event. items: (batch, length) int64 left-aligned, 0 for padding.

    future: the same and what the users had next, as much as the model says that it takes out of what it knows;
    (batch, length + after). whole: of every item is asked, not of those alone from which one is drawn.
    """

    items: Tensor
    future: Tensor
    whole: bool = False


class Model(Protocol):
    """Says what comes next."""

    @property
    def after(self) -> int:
        """Events after a context that it has to know, to leave out what they taught it."""
        ...

    def scores(self, contexts: Contexts, random: torch.Generator) -> Scores:
        """What may come next of each context, and how likely."""
        ...

    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """How real each generated item is, in 0 to 1. items: (batch, length); generated and result: (batch, n)."""
        ...


@dataclass(frozen=True)
class Request:
    """What is asked of a sampler. Rows are named by what makes them: seed, date, generator, fold, source and serial.

    max_length: events of a history. discovery: what the user has had does not come again. batch_rows: contexts at once.
    """

    generator: str
    seed: int
    date: dt.date
    max_length: int
    discovery: bool
    batch_rows: int

    @property
    def identity(self) -> str:
        """Of the generator's rows of the night."""
        return f"{self.seed}|{self.date.isoformat()}|{self.generator}"


@dataclass(frozen=True)
class Names:
    """Names the generated users of a fold's bucket, of each source user one after the other."""

    request: Request
    fold: int
    given: Counter[str] = field(default_factory=Counter)

    def next(self, source: str) -> str:
        """Name the next user that is made of the source user."""
        serial = self.given[source]
        self.given[source] += 1
        identity = f"{self.request.identity}|{self.fold}|{source}|{serial}"
        return "generated-" + hashlib.sha256(identity.encode()).hexdigest()[:20]


class Sampler(Protocol):
    """Draws rows of a fold's users in a bucket."""

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give frames of user_id, item_index, event_second, parent_event_id, source_users, weight, fidelity, serial.

        parent_event_id: of a continuation; None for an event of a generated user. serial: tells apart the rows of one
        parent, or of one generated user. fidelity: 0 to 1.
        """
        ...
