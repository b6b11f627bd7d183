"""The VAE of queries as a job: train queries given their items, beside what the other folds' counts say of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recaug.config import Optimiser, QueryVAE
from recaug.lake.store import Store
from recaug.training.batches import row_batches
from recaug.training.checkpoint import model_folder
from recaug.training.jobs import Plain
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models import query_vae
from recaug.training.models.behaviour_vae import kl_divergence
from recaug.training.recommender import SHUFFLE_ROWS, rows_per_rank, steps_per_epoch
from recaug.training.worker import Worker

WATCHED = "validation_likelihood"
DRAWS = 8  # of the latent, over which a held-out query's likelihood is averaged
FLOOR = -12.0  # logit of a term that the counts do not know
COLUMNS = ("query_terms", "item_terms", "counted_terms", "counted_logs", "weight")


class Validation(NamedTuple):
    """Held-out queries with their items. queries, items, counted: (n, width) int32; logs: (n, width) float32."""

    queries: NDArray[np.int32]
    items: NDArray[np.int32]
    counted: NDArray[np.int32]
    logs: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class QueryVAEJob(Plain):
    """A VAE of queries to train.

    files: of query_rows; content_hash: of their rows and of what is watched; rows: how many. item_terms, query_terms:
    how many there are.
    """

    config: QueryVAE
    models: Store
    files: Sequence[str]
    content_hash: str
    rows: int
    item_terms: int
    query_terms: int
    validation: Validation
    seed: int
    workers: int
    watched: str | None = WATCHED
    name: str = "query_vae"

    @property
    def optimiser(self) -> Optimiser:
        """Of the section."""
        return self.config.optimiser

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see every row about once."""
        return steps_per_epoch(self.rows, self.optimiser)

    @property
    def folder(self) -> Store:
        """Where the finished model will lie."""
        made_of = {"config": self.config, "rows": self.content_hash, "seed": self.seed, "workers": self.workers}
        return model_folder(self.models, "query_vae", made_of | self.meta())

    def meta(self) -> dict[str, Any]:
        """Arguments of the module."""
        own = {name: getattr(self.config, name) for name in ("dim", "hidden", "z_dim", "dropout")}
        return {"arguments": {"item_terms": self.item_terms, "query_terms": self.query_terms, **own}}

    def task(self, worker: Worker) -> "QueryVAETask":
        """Build the model."""
        return QueryVAETask(query_vae.QueryVAE(**self.meta()["arguments"]), self)

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """Pairs of a train query and its item."""
        rows = rows_per_rank(self.optimiser, worker)
        shuffled = min(SHUFFLE_ROWS, max(self.rows // worker.size, rows))
        return row_batches(
            self.files,
            COLUMNS,
            rows,
            seed=self.seed,
            shuffle_rows=shuffled,
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
        )


class QueryVAETask:
    """Negative evidence lower bound of the train queries."""

    def __init__(self, model: query_vae.QueryVAE, job: QueryVAEJob) -> None:
        self.model, self.job = model, job
        self.module: nn.Module = model
        rate = job.optimiser.learning_rate
        self.parts: Mapping[str, ParameterGroup] = {"model": ParameterGroup(list(model.parameters()), rate)}

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        items, queries = batch["item_terms"], batch["query_terms"]
        mu, log_variance = self.model.encode(items, queries)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_variance)
        logits = self.counted(batch["counted_terms"], batch["counted_logs"]) + self.model.change(items, z)
        loss = self.job.config.beta * kl_divergence(mu, log_variance) - query_vae.query_likelihood(logits, queries)
        weights = batch["weight"].float()
        yield Update("model", (loss * weights).sum(), weights.sum())

    def counted(self, terms: Tensor, logs: Tensor) -> Tensor:
        """Logits of the counts."""
        return query_vae.counted_logits(terms, logs.float(), self.job.query_terms, FLOOR)

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Mean log likelihood of a held-out query, over draws of the latent from its prior, the same each epoch."""
        arrays = self.job.validation
        if not len(arrays.queries):
            return {WATCHED: 0.0}
        device = next(self.model.parameters()).device
        noise = torch.randn(DRAWS, 1, self.model.z_dim, generator=torch.Generator().manual_seed(self.job.seed))
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(arrays.queries), 512):
                parts = [torch.from_numpy(np.array(part[start : start + 512])).to(device) for part in arrays]
                queries, items, counted, logs = parts[0].long(), parts[1].long(), parts[2].long(), parts[3]
                told = self.counted(counted, logs)
                drawn = [
                    query_vae.query_likelihood(told + self.model.change(items, z.expand(len(items), -1)), queries)
                    for z in noise.to(device)
                ]
                total += float((torch.logsumexp(torch.stack(drawn), dim=0) - math.log(DRAWS)).sum())
        return {WATCHED: total / len(arrays.queries)}
