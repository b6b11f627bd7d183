"""The attribute VAE on what is known of the items, and on what is known of those that users had with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.config import Attributes, Optimiser
from recaug.lake.store import Store
from recaug.training.batches import decode, row_batches
from recaug.training.checkpoint import model_folder
from recaug.training.inputs import Near
from recaug.training.jobs import Plain
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models.attribute_vae import AttributeVAE
from recaug.training.models.behaviour_vae import kl_divergence
from recaug.training.models.item_fields import Seen, negative_log_likelihood, split, told_by_neighbours
from recaug.training.models.neighbourhood import Neighbourhood
from recaug.training.recommender import SHUFFLE_ROWS, rows_per_rank, steps_per_epoch
from recaug.training.worker import Worker

RECALL = 5  # values of a multi-valued attribute that are looked at


class Known(NamedTuple):
    """Rows of the table item_attributes: items (rows,), codes, numbers and parts (rows, columns)."""

    items: Tensor
    codes: Tensor
    numbers: Tensor
    parts: Tensor

    def without(self, fields: Sequence[Field], parts: Sequence[int]) -> Seen:
        """What may be seen where the values of these parts are hidden; text and vectors are never."""
        hidden = torch.isin(self.parts, torch.tensor(list(parts), dtype=self.parts.dtype, device=self.parts.device))
        at = torch.arange(len(fields), device=self.parts.device)
        widths = torch.tensor([field.width for field in fields], device=self.parts.device)
        coded = torch.tensor([field.coded for field in fields], dtype=torch.bool, device=self.parts.device)
        of_codes = at[coded].repeat_interleave(widths[coded])
        of_numbers = at[~coded].repeat_interleave(widths[~coded])
        return Seen(
            self.items,
            self.codes.masked_fill(hidden[:, of_codes], 0),
            self.numbers.masked_fill(hidden[:, of_numbers], torch.nan),
        )


def known(rows: pd.DataFrame | Batch) -> Known:
    """Decode a frame, or take a batch of the loader, with the columns of item_attributes but item_id."""
    if not isinstance(rows, pd.DataFrame):
        return Known(*(rows[name] for name in ("item_index", "codes", "numbers", "parts")))
    columns = (torch.from_numpy(decode(name, rows[name])) for name in ("codes", "numbers", "parts"))
    return Known(torch.from_numpy(np.array(rows["item_index"], np.int64)), *columns)


def score(field: Field, predicted: Tensor, truth: Tensor) -> Tensor:
    """How well a field was told, each item: NaN where the truth is missing.

    Of a category 1 if the likeliest value is true, else 0; of a multi-valued one the share of its values among the five
    likeliest; of a number the distance in normal deviates. predicted: as AttributeVAE.tell; truth: (batch, width).
    """
    if field.kind == "numeric":
        return (predicted[:, 0] - truth[:, 0]).abs()
    missing = (truth > 0).sum(dim=1) == 0
    k = 1 if field.kind == "categorical" else min(RECALL, predicted.shape[1] - 1)
    best = predicted.topk(k, dim=1).indices
    hits = ((truth[:, :, None] == best[:, None, :]) & (truth > 0)[:, :, None]).any(dim=2).sum(dim=1).float()
    return (hits / (truth > 0).sum(dim=1).clamp(min=1)).masked_fill(missing, torch.nan)


@dataclass(frozen=True, eq=False)
class AttributeJob(Plain):
    """The attribute VAE to train.

    models: of all models. files: of item_attributes, and of the enhanced copies; content_hash: of their rows
    and of the neighbours' and their values. rows: of item_attributes. codes: (n_items + 1, columns), every item's
    learnt values as Neighbourhood has them; prior: as AttributeVAE's. validation: a sample of rows, for the curves.
    """

    config: Attributes
    models: Store
    files: Sequence[str]
    content_hash: str
    rows: int
    seed: int
    fields: Sequence[Field]
    near: Near
    codes: np.ndarray
    prior: np.ndarray
    validation: Known
    workers: int

    @property
    def name(self) -> str:
        """In the progress bar."""
        return f"attributes-seed{self.seed}"

    @property
    def optimiser(self) -> Optimiser:
        """Of the section attributes."""
        return self.config.optimiser

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see as many rows as there are items."""
        return steps_per_epoch(self.rows, self.optimiser)

    @property
    def folder(self) -> Store:
        """Where the finished model will lie."""
        judged = {"min_probability": 0.0, "max_doubt": 0.0, "tolerance": 1.0, "members": 1}  # decide after training
        made_of = {
            "config": msgspec.structs.replace(self.config, **judged),
            "fields": list(self.fields),
            "rows": self.content_hash,
            "seed": self.seed,
            "workers": self.workers,
        }
        return model_folder(self.models, "attributes", made_of)

    def meta(self) -> dict[str, Any]:
        """Architecture and arguments."""
        n_items, tables, limit = self.near.items.shape
        shape = {"n_items": n_items - 1, "tables": tables, "neighbours": limit, "dim": self.near.vectors.shape[1]}
        arguments = {
            "fields": [msgspec.to_builtins(field) for field in self.fields],
            "hidden": self.config.hidden,
            "z_dim": self.config.z_dim,
            "dropout": self.config.dropout,
            "shape": shape,
        }
        return {"arguments": arguments}

    def task(self, worker: Worker) -> "AttributeTask":
        """Build the model."""
        neighbours, weights, vectors, codes = (torch.from_numpy(table) for table in (*self.near, self.codes))
        around = Neighbourhood(neighbours, weights, vectors, codes, told_by_neighbours(self.fields))
        prior = torch.from_numpy(self.prior)
        model = AttributeVAE(**self.meta()["arguments"], neighbourhood=around, prior=prior)
        return AttributeTask(model, self.config, self.validation)

    def batches(self, worker: Worker) -> Iterator[Batch]:
        """Rows of the catalogue."""
        rows, copies = rows_per_rank(self.optimiser, worker), self.config.classic.copies if self.config.classic else 0
        return row_batches(
            self.files,
            ["item_index", "codes", "numbers", "parts"],
            rows,
            seed=self.seed,
            shuffle_rows=min(SHUFFLE_ROWS, max(self.rows * (1 + copies) // worker.size, rows)),
            rank=worker.rank,
            size=worker.size,
            reader=worker.reader,
        )


class AttributeTask:
    """The bound of all that is known of an item, seen through those of its modalities that chance leaves visible."""

    def __init__(self, model: AttributeVAE, config: Attributes, validation: Known) -> None:
        self.model, self.config, self.validation = model, config, validation
        self.module: nn.Module = model
        self.parts: Mapping[str, ParameterGroup] = {
            "model": ParameterGroup(
                list(model.parameters()), config.optimiser.learning_rate, (0.9, 0.999), model.informed
            )
        }

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        seen = known(batch).without(self.model.fields, (VALIDATION, TEST))
        there = self.model.present(seen)
        drop = torch.full(there.shape[1:], self.config.drop, device=there.device)
        drop[-1] = self.config.drop_behaviour
        visible = there & (torch.rand(there.shape, device=there.device) >= drop)
        noise = torch.randn(len(there), self.config.z_dim, device=there.device)
        predicted, mu, log_variance = self.model(seen, visible, noise)
        loss = (
            self.config.beta * min(1.0, share / max(self.config.anneal_share, 1e-9)) * kl_divergence(mu, log_variance)
        )
        for field, said, truth in zip(self.model.fields, predicted, split(self.model.fields, seen), strict=True):
            loss = loss + negative_log_likelihood(field, said, truth)
        yield Update("model", loss.sum(), torch.tensor(float(len(loss)), device=loss.device))

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """How well the values kept for validation are told, by field; see `score`."""
        device = next(self.model.parameters()).device
        rows = Known(*(part.to(device) for part in self.validation))
        seen = rows.without(self.model.fields, (VALIDATION, TEST))
        whole = split(self.model.fields, Seen(*rows[:3]))
        with torch.no_grad():
            experts = self.model.read(seen)
        visible, metrics = self.model.present(seen), {}
        for place, field in enumerate(self.model.fields):
            asked = rows.parts[:, place] == VALIDATION
            if field.completed and bool(asked.any()):
                right = score(field, self.model.tell(experts, visible, field)[asked], whole[place][asked])
                metrics[f"validation_{field.name}"] = float(right.nanmean())
        return metrics
