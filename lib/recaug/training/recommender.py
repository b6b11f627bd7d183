"""SASRec on real rows, or on real plus generated rows, with the same number of steps.

A row is a user's history, whether the model learns from all of its positions at once or from each of its prefixes as a
row of its own: batch_rows and steps count histories, so a step sees about as many targets either way and every arm has
the same budget.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from pyspark.sql import SparkSession
from torch import Tensor

from recaug.config import Config, Optimiser, SASRec
from recaug.lake.store import Store
from recaug.results import TrainedModel
from recaug.training.batches import row_batches
from recaug.training.checkpoint import model_folder, start_from
from recaug.training.inputs import Validation, content_of
from recaug.training.jobs import Plain, train
from recaug.training.loop import Batch
from recaug.training.models import sasrec
from recaug.training.next_item import SASRecTask
from recaug.training.validation import VALIDATION_NDCG, validation_ndcg
from recaug.training.worker import Worker

SHUFFLE_ROWS = 1 << 16
MAX_NEGATIVES = 1024  # a step and rank; more estimate the softmax no better and cost time


@dataclass(frozen=True, eq=False)
class SASRecJob:
    """One recommender to train.

    name: in the progress bar, such as none-seed0. models: of all models.
    files: addresses of the arm's rows: sequences' train columns and, if any, `continuations` (binary, int32, max_length
        * n position-major, 0 none), `continuation_weights` (binary, float32, the same shape), `row_weight` (of the row)
        and `is_generated` (whether its history is).
    content_hash: of those rows, so that the same input finds the finished model.
    real_rows: real train rows; they alone decide the steps, so every arm has the same budget.
    negatives_files: of the negatives table; read only above full_softmax_items, may be empty below.
    log_popularity: (n_items + 1,), see inputs.log_popularity. item_features: (n_items + 1, f) float32, or None.
    validation: users whose ranking is watched, of which the best epoch is kept; None: the last epoch is. mask_seen:
        where it is for discovery.
    start: address of a finished recommender to go on from, and places: (n_items + 1,), each item's index there, 0 for
        none; None: fresh weights.
    """

    name: str
    models: Store
    files: Sequence[str]
    content_hash: str
    real_rows: int
    seed: int
    n_items: int
    log_popularity: np.ndarray
    negatives_files: Sequence[str] = ()
    augmented: bool = True
    item_features: np.ndarray | None = None
    validation: Validation | None = None
    mask_seen: bool = False
    start: str | None = None
    places: np.ndarray | None = None


def train_sasrec(jobs: Sequence[SASRecJob], spark: SparkSession, config: Config, title: str) -> list[TrainedModel]:
    """Train every job in one launch; finished models are found again. Load one with checkpoint.load_recommender.

    Raises TrainingError as jobs.train does.
    """
    length, workers, drawn = config.prepare.max_length, config.training.workers, config.negatives.per_user
    runs = [
        _Run(
            job,
            config.sasrec,
            max_length=length,
            workers=workers,
            negatives_per_row=drawn,
            start=job.start,
            watched=None if job.validation is None else VALIDATION_NDCG,
        )
        for job in jobs
    ]
    return train(runs, spark, config.training, title)


@dataclass(frozen=True, eq=False)
class _Run(Plain):
    """A SASRecJob with what the configuration adds.

    negatives_per_row: drawn for each row of a batch, shared by all positions of the step. start: the job's. watched: on
    the job's validation users.
    """

    job: SASRecJob
    config: SASRec
    max_length: int
    workers: int
    negatives_per_row: int
    start: str | None = None
    watched: str | None = None

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def seed(self) -> int:
        return self.job.seed

    @property
    def optimiser(self) -> Optimiser:
        return self.config.optimiser

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(self.job.real_rows, self.optimiser)

    @property
    def sampled(self) -> bool:
        return self.job.n_items > self.config.full_softmax_items

    @property
    def folder(self) -> Store:
        return model_folder(
            self.job.models,
            "sasrec",
            {
                "config": self.config,
                "arguments": self.meta()["arguments"],
                "rows": self.job.content_hash,
                "real_rows": self.job.real_rows,
                "log_popularity": self.job.log_popularity.tobytes(),
                "item_features": None if self.job.item_features is None else self.job.item_features.tobytes(),
                "negatives_per_row": self.negatives_per_row if self.sampled else 0,
                "validation": None if self.job.validation is None else content_of(self.job.validation),
                "mask_seen": self.job.mask_seen,
                "seed": self.seed,
                "workers": self.workers,
                "start": None if self.start is None else (Store(self.start).name, self._places().numpy().tobytes()),
            },
        )

    def meta(self) -> dict[str, Any]:
        return {
            "arguments": {
                "n_items": self.job.n_items,
                "dim": self.config.dim,
                "blocks": self.config.blocks,
                "heads": self.config.heads,
                "dropout": self.config.dropout,
                "max_length": self.config.prefix_events + 1 if self.config.prefix_events else self.max_length,
                "prefixes": self.config.prefix_events > 0,
                "relative": self.config.positions == "relative",
                "layers": self.config.layers,
                "mark_generated": self.config.mark_generated and self.job.augmented,
                "item_features": 0 if self.job.item_features is None else self.job.item_features.shape[1],
            },
        }

    def task(self, worker: Worker) -> "SASRecTask":
        arguments = self.meta()["arguments"] | {"log_popularity": torch.from_numpy(self.job.log_popularity)}
        if self.job.item_features is not None:
            arguments["item_features"] = torch.from_numpy(self.job.item_features)
        model = sasrec.SASRec(**arguments)
        if self.start is not None:
            start_from(model, self.start, self._places())
        watch = None
        if (sample := self.job.validation) is not None:
            watch = partial(validation_ndcg, model.next_logits, sample, self.job.mask_seen, worker.device)
        return SASRecTask(model, self.optimiser.learning_rate, watch)

    def _places(self) -> Tensor:
        return torch.from_numpy(self.job.places) if self.job.places is not None else torch.zeros(0, dtype=torch.int64)

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """The arm's rows and, for the sampled softmax, negatives that all positions of the step share."""
        rows = rows_per_rank(self.optimiser, worker)
        columns = ["items"]
        if self.job.augmented:
            columns += ["continuations", "continuation_weights", "row_weight", "is_generated"]
        shuffle = min(SHUFFLE_ROWS, max(self.job.real_rows // worker.size, rows))
        arm = row_batches(
            self.job.files,
            columns,
            rows,
            seed=self.seed,
            shuffle_rows=shuffle,
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
        )
        if not self.sampled:
            yield from arm
            return
        drawn = min(self.negatives_per_row * rows, MAX_NEGATIVES)
        negatives = row_batches(
            self.job.negatives_files,
            ["item_index", "probability"],
            drawn,
            seed=self.seed,
            shuffle_rows=min(SHUFFLE_ROWS * 16, shuffle * self.negatives_per_row),
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
        )
        try:
            for batch, negative in zip(arm, negatives, strict=True):
                yield batch | {
                    "negatives": negative["item_index"].long(),
                    "log_probability": negative["probability"].log().float(),
                }
        finally:
            arm.close()  # type: ignore[attr-defined]
            negatives.close()  # type: ignore[attr-defined]


def rows_per_rank(optimiser: Optimiser, worker: Worker) -> int:
    """Rows of a step on this rank."""
    return max(optimiser.batch_rows // worker.size, 1)


def steps_per_epoch(rows: int, optimiser: Optimiser) -> int:
    """Steps that see so many rows about once."""
    return max(-(-rows // optimiser.batch_rows), 1)
