"""The two towers of search as a job: pairs of the train queries and their items, one epoch's best kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recaug.config import Optimiser, TwoTower
from recaug.lake.store import Store
from recaug.training.batches import row_batches
from recaug.training.checkpoint import load_model, model_folder
from recaug.training.jobs import Plain
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models import two_tower
from recaug.training.recommender import SHUFFLE_ROWS, rows_per_rank, steps_per_epoch
from recaug.training.worker import Worker

WATCHED = "validation_ndcg"
BLOCK = 4096  # items that are encoded at once
DEPTH = 10


class Validation(NamedTuple):
    """Queries that the training is watched by, and the items that they are held against.

    queries: (n, width), items: (m, width) hashed terms; gains: (n, m) float32.
    """

    queries: NDArray[np.int32]
    items: NDArray[np.int32]
    gains: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TowersJob(Plain):
    """Towers to train.

    files: of search_pairs; content_hash: of their rows and of what else decides the weights; pairs: how many rows.
    relevant: query_index * n_items + item_index of all pairs, sorted. log_frequency: (n_items,) of the items among
    the pairs. idf: (buckets + 1,). left_out: fold of the queries; None for none. label: its name where no fold is.
    start: address of finished towers of the same settings to go on from; None: fresh ones.
    """

    config: TwoTower
    models: Store
    files: Sequence[str]
    content_hash: str
    pairs: int
    relevant: NDArray[np.int64]
    log_frequency: NDArray[np.float32]
    idf: NDArray[np.float32]
    validation: Validation
    seed: int
    workers: int
    left_out: int | None = None
    watched: str | None = WATCHED
    start: str | None = None
    label: str = "two_tower"

    @property
    def name(self) -> str:
        """In the progress bar."""
        return self.label if self.left_out is None else f"{self.label}-fold{self.left_out}"

    @property
    def optimiser(self) -> Optimiser:
        """Of the section."""
        return self.config.optimiser

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see every pair about once."""
        return steps_per_epoch(self.pairs, self.optimiser)

    @property
    def folder(self) -> Store:
        """Where the finished model will lie."""
        made_of = {
            "config": self.config,
            "rows": self.content_hash,
            "left_out": self.left_out,
            "seed": self.seed,
            "workers": self.workers,
            "start": None if self.start is None else Store(self.start).name,
        }
        return model_folder(self.models, "two_tower", made_of)

    def meta(self) -> dict[str, Any]:
        """Arguments of the module."""
        names = ("buckets", "dim", "dropout", "temperature")
        return {"arguments": {name: getattr(self.config, name) for name in names}}

    def task(self, worker: Worker) -> "TowersTask":
        """Build the model, or take the one that it goes on from."""
        if self.start is not None:
            model = load_model(self.start)
            assert isinstance(model, two_tower.TwoTower)
            return TowersTask(model, self)
        return TowersTask(two_tower.TwoTower(**self.meta()["arguments"], idf=torch.from_numpy(self.idf)), self)

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """Pairs of the queries that are not left out."""
        rows, left_out = rows_per_rank(self.optimiser, worker), self.left_out
        return row_batches(
            self.files,
            ["query_index", "item_index", "fold", "weight", "query_terms", "item_terms"],
            rows,
            seed=self.seed,
            shuffle_rows=min(SHUFFLE_ROWS, max(self.pairs // worker.size, rows)),
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
            keep=None if left_out is None else lambda columns: columns["fold"] != left_out,
        )


class TowersTask:
    """In-batch softmax over the batch's items, those that are relevant to the query, too, left out."""

    def __init__(self, model: two_tower.TwoTower, job: TowersJob) -> None:
        self.model, self.job = model, job
        self.module: nn.Module = model
        rate = job.optimiser.learning_rate
        self.parts: Mapping[str, ParameterGroup] = {"model": ParameterGroup(list(model.parameters()), rate)}
        self.relevant = torch.from_numpy(job.relevant)
        self.log_frequency = torch.from_numpy(job.log_frequency)

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        device = batch["item_index"].device
        queries, items = batch["query_index"].long(), batch["item_index"].long()
        keys = queries[:, None] * len(self.log_frequency) + items[None, :]
        relevant = self.relevant.to(device)
        places = torch.searchsorted(relevant, keys).clamp(max=len(relevant) - 1)
        banned = (relevant[places] == keys) | (queries[:, None] == queries[None, :])
        logits = self.model.logits(self.model.queries(batch["query_terms"]), self.model.items(batch["item_terms"]))
        weights = batch["weight"].float()
        log_frequency = self.log_frequency.to(device)[items]
        loss = two_tower.in_batch_softmax(logits.float(), log_frequency, banned, weights)
        yield Update("model", loss, weights.sum())

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """NDCG@10 of the validation queries over the items that they are held against; nothing without such."""
        queries, items, gains = self.job.validation
        if not len(queries):
            return {}
        with torch.no_grad():
            scores = encode_queries(self.model, queries) @ encode_items(self.model, items).T
        best = scores.topk(min(DEPTH, scores.shape[1]), dim=1).indices.cpu()
        discount = 1 / torch.log2(torch.arange(2.0, best.shape[1] + 2))
        truth = torch.from_numpy(gains)
        ideal = (truth.topk(best.shape[1], dim=1).values * discount).sum(dim=1)
        gained = (truth.gather(1, best) * discount).sum(dim=1)
        return {WATCHED: float((gained / ideal.clamp(min=1e-9))[ideal > 0].mean())}


def encode_queries(model: two_tower.TwoTower, terms: NDArray[np.int32]) -> Tensor:
    """Vectors of queries, (n, dim) of length 1. terms: (n, width)."""
    return _encoded(model, model.queries, terms)


def encode_items(model: two_tower.TwoTower, terms: NDArray[np.int32]) -> Tensor:
    """Vectors of items, (n, dim) of length 1. terms: (n, width)."""
    return _encoded(model, model.items, terms)


def _encoded(model: two_tower.TwoTower, tower: Any, terms: NDArray[np.int32]) -> Tensor:
    device = model.terms.device
    blocks = [
        tower(torch.from_numpy(terms[start : start + BLOCK].astype(np.int64)).to(device))
        for start in range(0, len(terms), BLOCK)
    ]
    return torch.cat(blocks) if blocks else torch.zeros(0, model.terms.shape[1], device=device)
