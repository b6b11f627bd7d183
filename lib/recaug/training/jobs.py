"""Train several models in one launch; models that are finished already are taken as they are."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from pyspark.sql import SparkSession

from recaug.config import Optimiser, Training
from recaug.errors import TrainingError
from recaug.lake.store import Store
from recaug.results import TrainedModel
from recaug.training.best import best_epoch
from recaug.training.checkpoint import finish_model, read_meta, set_aside, weights_hash, working_folder
from recaug.training.launch import launch
from recaug.training.launchers import tasks
from recaug.training.launchers.watch import Watched
from recaug.training.loop import Batch, TrainingPlan, TrainingTask, fit
from recaug.training.worker import Worker


class Job(Protocol):
    """One model to train; pickled to the ranks."""

    @property
    def name(self) -> str:
        """What the progress bar calls it."""
        ...

    @property
    def folder(self) -> Store:
        """Where the finished model will lie."""
        ...

    @property
    def generator(self) -> str | None:
        """The generator that it is a model of; None for any other model."""
        ...

    @property
    def fold(self) -> int | None:
        """The users that its rows leave out; None for none."""
        ...

    @property
    def start(self) -> str | None:
        """Address of the model that it goes on from; None for fresh weights."""
        ...

    @property
    def watched(self) -> str | None:
        """The metric whose best epoch is kept, the start among them; None: the last epoch is."""
        ...

    @property
    def seed(self) -> int:
        """Of weights, batches and noise."""
        ...

    @property
    def optimiser(self) -> Optimiser:
        """Epochs, batch rows and learning rate."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """The same on every rank."""
        ...

    def task(self, worker: Worker) -> TrainingTask:
        """Build the model and what is trained of it. Called after the seed is set."""
        ...

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """This rank's batches, without end."""
        ...

    def meta(self) -> dict[str, Any]:
        """What load_model needs beside the weights: the arguments of the module's class."""
        ...


class Plain:
    """A job of no generator: no fold is left out, it starts from nothing, and its last epoch counts."""

    generator: str | None = None
    fold: int | None = None
    start: str | None = None
    watched: str | None = None


def train(jobs: Sequence[Job], spark: SparkSession, training: Training, title: str) -> list[TrainedModel]:
    """Train what is not finished, all in one launch, and return every model in the jobs' order.

    The launcher `tasks` trains the models side by side, each alone in a Spark task; the others one after another. A
    folder without meta.json counts for nothing, and one that is damaged is set aside: its model is trained again.

    Raises TrainingError if a rank fails or ranks end with different weights; StorageError if the models' folder
    cannot be written.
    """
    for job in jobs:
        set_aside(job.folder)
    reused = {job.folder for job in jobs if job.folder.finished()}
    open_jobs = [job for job in jobs if job.folder not in reused]
    for job in open_jobs:  # what cannot be written is refused here, and who looks into the folder sees what trains
        said = {"name": job.name, "seed": job.seed, "steps": _steps(job)}
        working_folder(job.folder).write("job.json", json.dumps(said))
    if open_jobs:
        watched = Watched(title, [(job.folder, _steps(job)) for job in open_jobs])
        settings = {"checkpoint_epochs": training.checkpoint_epochs, "reader": training.reader}
        if training.launcher == "tasks":
            tasks.run_each(train_on_rank, [{"jobs": [job], **settings} for job in open_jobs], spark, training, watched)
        else:
            launch(train_on_rank, {"jobs": open_jobs, **settings}, spark, training, watched)
    return [_trained(job, job.folder in reused) for job in jobs]


def train_on_rank(worker: Worker, jobs: Sequence[Job], checkpoint_epochs: int, reader: str | None = None) -> None:
    """Train the jobs one after another on this rank; rank 0 publishes each model once the ranks' weights agree."""
    worker.reader = reader
    for job in jobs:
        started = time.monotonic()
        torch.manual_seed(job.seed)
        task, batches = job.task(worker), job.batches(worker)
        plan = TrainingPlan(job.name, job.optimiser, job.steps_per_epoch, job.seed, checkpoint_epochs, job.watched)
        try:
            curves = fit(task, batches, worker, working_folder(job.folder), plan)
        finally:
            batches.close()  # type: ignore[attr-defined]
        weights = weights_hash(task.module)
        if not worker.agree(weights):
            raise TrainingError(f"{job.name}: the ranks ended with different weights")
        if worker.rank == 0:
            said = {"name": job.name, "seconds": time.monotonic() - started, "curves": curves, "weights": weights}
            said["epoch"] = best_epoch(job.watched, curves)
            finish_model(job.folder, task.module, job.meta() | said)


def _steps(job: Job) -> int:
    return job.steps_per_epoch * job.optimiser.epochs


def _trained(job: Job, reused: bool) -> TrainedModel:
    meta = read_meta(job.folder.root)
    return TrainedModel(
        name=job.name,
        folder=job.folder.root,
        seed=job.seed,
        seconds=meta["seconds"],
        reused=reused,
        generator=job.generator,
        fold=job.fold,
        started_from=job.start,
        epoch=meta["epoch"],
        curves=meta["curves"],
    )
