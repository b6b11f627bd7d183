"""Train several models in one launch; models that are finished already are taken as they are."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from pyspark.sql import SparkSession

from recaug.config import Optimiser, Training
from recaug.errors import StorageError, TrainingError
from recaug.training.checkpoint import finish_model, is_finished, read_meta, weights_hash, working_folder
from recaug.training.launch import Watched, launch, launch_each
from recaug.training.loop import Batch, Task, fit
from recaug.training.worker import Worker


class Job(Protocol):
    """One model to train; pickled to the ranks."""

    @property
    def name(self) -> str:
        """What the progress bar calls it."""
        ...

    @property
    def folder(self) -> Path:
        """Where the finished model lies."""
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

    def task(self, worker: Worker) -> Task:
        """Build the model and what is trained of it. Called after the seed is set."""
        ...

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """This rank's batches, without end."""
        ...

    def meta(self) -> dict[str, Any]:
        """What load_model needs: architecture and arguments."""
        ...


class Trained(NamedTuple):
    """A finished model. seconds: of its training; reused: found finished."""

    name: str
    folder: Path
    seconds: float
    curves: list[dict[str, float]]
    reused: bool


def train(jobs: Sequence[Job], spark: SparkSession, training: Training, title: str) -> list[Trained]:
    """Train what is not finished, all in one launch, and return every model in the jobs' order.

    The launcher `tasks` trains the models side by side, each alone in a Spark task; the others one after another.

    Raises TrainingError if a rank fails or ranks end with different weights; StorageError if the models' folder
    cannot be written.
    """
    open_jobs = [job for job in jobs if not is_finished(job.folder)]
    for job in open_jobs:
        try:
            working_folder(job.folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{job.folder.parent}: {error.strerror}; set artifacts to a writable folder") from error
    if open_jobs:
        watched = Watched(
            title,
            [working_folder(job.folder) / "progress.jsonl" for job in open_jobs],
            sum(job.steps_per_epoch * job.optimiser.epochs for job in open_jobs),
        )
        epochs = {"checkpoint_epochs": training.checkpoint_epochs}
        if training.launcher == "tasks":
            calls = [{"jobs": [job], **epochs} for job in open_jobs]
            hashes = [[one for (one,) in launch_each(train_on_rank, calls, spark, training, watched)]]
        else:
            hashes = launch(train_on_rank, {"jobs": open_jobs, **epochs}, spark, training, watched)
        for number, job in enumerate(open_jobs):
            if len({of_rank[number] for of_rank in hashes}) > 1:
                raise TrainingError(f"{job.name}: the ranks ended with different weights")
    trained = []
    for job in jobs:
        meta = read_meta(job.folder)
        trained.append(Trained(job.name, job.folder, meta["seconds"], meta["curves"], job not in open_jobs))
    return trained


def train_on_rank(worker: Worker, jobs: Sequence[Job], checkpoint_epochs: int) -> list[str]:
    """Train the jobs one after another on this rank. Returns each one's weights hash."""
    hashes = []
    for job in jobs:
        started = time.monotonic()
        torch.manual_seed(job.seed)
        task, batches = job.task(worker), job.batches(worker)
        work = working_folder(job.folder)
        try:
            curves = fit(
                task,
                batches,
                worker,
                work=work,
                name=job.name,
                optimiser=job.optimiser,
                steps_per_epoch=job.steps_per_epoch,
                seed=job.seed,
                checkpoint_epochs=checkpoint_epochs,
            )
        finally:
            batches.close()  # type: ignore[attr-defined]
        hashes.append(weights_hash(task.module))
        if worker.rank == 0:
            finish_model(
                job.folder,
                task.module,
                job.meta()
                | {"name": job.name, "seconds": time.monotonic() - started, "curves": curves, "weights": hashes[-1]},
            )
    return hashes
