"""Generators that are networks, cross-fitted: model k learns from every user fold but k."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from recaug.clickstream.terms import Neighbours
from recaug.config import CoVisitation, Optimiser
from recaug.config.base import Positive, PositiveFloat
from recaug.generators.accounting import Sampling
from recaug.generators.base import DrawBoth, Generator
from recaug.generators.inputs import GeneratorInputs, LeftOut, counting
from recaug.generators.learning import Watch
from recaug.generators.private import Private
from recaug.generators.samplers import Continuing, NetworkModel, NewUsers, Several, opened
from recaug.lake.store import Store
from recaug.results import TrainedModel
from recaug.training.batches import Columns, row_batches
from recaug.training.checkpoint import model_folder, start_from
from recaug.training.loop import Batch, TrainingTask
from recaug.training.models import covisitation
from recaug.training.recommender import SHUFFLE_ROWS, rows_per_rank, steps_per_epoch
from recaug.training.validation import VALIDATION_NDCG
from recaug.training.worker import Worker

NOT_LEARNT = ("draw", "name")  # keys of an entry that do not decide the weights


class NetworkOptimiser(Optimiser, kw_only=True):
    """AdamW, as of Optimiser, of a generator's network."""

    epochs: Positive = 8
    batch_rows: Positive = 128
    clip_norm: PositiveFloat = 5.0


class Neural(Generator, kw_only=True):
    """A network that says what comes next; see training.models.network.

    A subclass names the network's class, and gives its arguments and its training task.

    informed: adds the co-visitation score of the context to the logits, with learned weights. attributes: and that of
        items alike in the catalogue.
    """

    network: ClassVar[type[nn.Module]]
    writes = frozenset({"continuations", "histories"})

    informed: bool = True
    attributes: bool = False
    optimiser: NetworkOptimiser = NetworkOptimiser()
    draw: DrawBoth = DrawBoth()

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if self.attributes and not self.informed:
            raise ValueError("attributes is true without informed, which it adds to")

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Give what the network's constructor needs beside n_items, covisitation, likeness and log_popularity."""

    @abstractmethod
    def task(self, module: Any, discovery: bool, watch: Watch) -> TrainingTask:
        """Give what is trained of the network."""

    def warm(self, epochs: int) -> Self:
        """Give the settings of a model that goes on from an earlier one: at most so many epochs."""
        epochs = min(epochs, self.optimiser.epochs)
        return msgspec.structs.replace(self, optimiser=msgspec.structs.replace(self.optimiser, epochs=epochs))

    def jobs(self, inputs: GeneratorInputs) -> list["NeuralJob"]:
        """One a fold. With inputs.before each goes on from the same fold's model, where that fits."""
        return [self._job(inputs, fold) for fold in inputs.learnt_folds]

    def sampling(self, users: int) -> Sampling:
        """As many users a step as batch_rows says, in expectation."""
        steps = steps_per_epoch(users, self.optimiser) * self.optimiser.epochs
        return Sampling(min(self.optimiser.batch_rows / users, 1.0), steps)

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """The trained models' own."""
        return inputs.by_fold({model.fold: model.folder for model in trained if model.generator == self.name})

    def model(self, folder: str) -> NetworkModel:
        """The network."""
        return NetworkModel(opened(folder))

    def sampler(self, folder: str) -> Several:
        """Continuations, then generated users."""
        model = self.model(folder)
        return Several((Continuing(model, self.draw), NewUsers(model, self.draw)))

    def _job(self, inputs: GeneratorInputs, fold: int | None) -> "NeuralJob":
        cold = NeuralJob(
            entry=self,
            left=inputs.left_out[fold],
            models=inputs.models,
            files=inputs.train_files,
            content_hash=f"{inputs.rows_hash} {inputs.catalogue_hash}" if self.attributes else inputs.rows_hash,
            seed=inputs.seed,
            counts=inputs.counts,
            discovery=inputs.discovery,
            workers=inputs.workers,
            alike=inputs.alike if self.attributes else None,
            private=inputs.private,
        )
        if inputs.before is None or (folder := inputs.before.folders.get((self.name, fold))) is None:
            return cold
        entry = self.warm(inputs.before.epochs[self.name, fold])
        goes_on = replace(cold, entry=entry, start=folder, places=inputs.before.places)
        return goes_on if goes_on.fits() else cold


@dataclass(frozen=True, eq=False)
class NeuralJob:
    """A network to train; pickled to the ranks.

    files: of sequences' train split; content_hash: of the rows and all else that is read. alike: items alike in the
    catalogue, for one that is informed by attributes. start: address of an earlier night's model of the fold, to go on
    from, and places: (n_items + 1,), each item's index there, 0 for none. private: noise to learn with; None: without.
    """

    entry: Neural
    left: LeftOut
    models: Store
    files: Sequence[str]
    content_hash: str
    seed: int
    counts: CoVisitation
    discovery: bool
    workers: int
    alike: Neighbours | None = None
    start: str | None = None
    places: np.ndarray | None = None
    private: Private | None = None

    @property
    def name(self) -> str:
        """Such as vae-fold0."""
        return f"{self.entry.name}-{'all' if self.fold is None else f'fold{self.fold}'}"

    @property
    def generator(self) -> str:
        """The entry's name."""
        return self.entry.name

    @property
    def fold(self) -> int | None:
        """The users that its rows leave out; None for none."""
        return self.left.fold

    @property
    def watched(self) -> str | None:
        """The ranking of the fold's validation users; None where nobody is held out, or may decide anything."""
        return VALIDATION_NDCG if len(self.left.validation.histories) and self.private is None else None

    @property
    def optimiser(self) -> Optimiser:
        """Epochs, batch rows and learning rate."""
        return self.entry.optimiser

    @property
    def steps_per_epoch(self) -> int:
        """The same on every rank."""
        return steps_per_epoch(self.left.rows, self.optimiser)

    @property
    def folder(self) -> Store:
        """Where the finished model will lie."""
        settings = msgspec.to_builtins(self.entry)
        made_of = {
            "settings": {key: value for key, value in settings.items() if key not in NOT_LEARNT},
            "meta": self.meta(),
            "discovery": self.discovery,
            "rows": self.content_hash,
            "log_popularity": self.left.log_popularity.tobytes(),
            "seed": self.seed,
            "workers": self.workers,
            "start": None if self.start is None else (Store(self.start).name, self._places().numpy().tobytes()),
        }
        return model_folder(self.models, self.name, made_of)

    def meta(self) -> dict[str, Any]:
        """What load_model needs beside the class."""
        return {
            "arguments": {"n_items": self.left.n_items, **self.entry.arguments()},
            "covisitation": counting(self.counts) if self.entry.informed else None,
            "private": None if self.private is None else self.private.meta,
        }

    def module(self) -> nn.Module:
        """Build the network, with the weights of the one that it goes on from."""
        near = covisitation.CoVisitation(*map(torch.from_numpy, self.left.neighbours), **counting(self.counts))
        alike = covisitation.ItemLikeness(*map(torch.from_numpy, self.alike)) if self.alike is not None else None
        module = self.entry.network(
            n_items=self.left.n_items,
            **self.entry.arguments(),
            covisitation=near if self.entry.informed else None,
            likeness=alike if self.entry.attributes else None,
            log_popularity=torch.from_numpy(self.left.log_popularity),
        )
        if self.start is not None:
            start_from(module, self.start, self._places())
        return module

    def fits(self) -> bool:
        """Say whether the network can go on from the earlier one."""
        try:
            self.module()
        except ValueError:
            return False
        return True

    def task(self, worker: Worker) -> TrainingTask:
        """Build the network and what is trained of it."""
        watch = Watch(self.left.validation, self.discovery, self.seed, worker.device)
        task = self.entry.task(self.module(), self.discovery, watch)
        return task if self.private is None else self.private.task(task, self.optimiser, self.folder.name, worker)

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """Rows of the other folds with something to predict."""
        if self.private is not None:
            return self.private.batches(self.files, self.fold, self.optimiser, self.folder.name, worker)
        rows = rows_per_rank(self.optimiser, worker)

        def keep(columns: Columns) -> np.ndarray:
            return np.asarray((columns["fold"] != self.fold) & (columns["length"] >= 2))

        return row_batches(
            self.files,
            ["items", "fold", "length"],
            rows,
            seed=self.seed,
            shuffle_rows=min(SHUFFLE_ROWS, max(self.left.rows // worker.size, rows)),
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
            keep=keep,
        )

    def _places(self) -> Tensor:
        return torch.from_numpy(self.places) if self.places is not None else torch.zeros(0, dtype=torch.int64)
