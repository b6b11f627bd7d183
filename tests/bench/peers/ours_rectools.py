"""Our SASRec on the same users: rows a second of its training, and validation NDCG@10 after each epoch."""

import argparse
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import beauty
import clock
import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from recaug.config import Config, load
from recaug.lake.store import Store
from recaug.training import recommender
from recaug.training.inputs import Validation, log_shares
from recaug.training.validation import validation_ndcg

CONFIG = Path(__file__).parents[3] / "conf" / "beauty.yaml"
WIDTH = beauty.LENGTH + 1


def sample(users: list[beauty.User], index: dict[str, int]) -> tuple[np.ndarray, Validation]:
    """Train rows, (users, WIDTH) int32 left-aligned, and what is watched of them."""
    items = np.zeros((len(users), WIDTH), np.int32)
    for row, user in zip(items, users, strict=True):
        row[: len(user.items)] = [index[item] for item in user.items]
    histories = torch.from_numpy(items.astype(np.int64))
    targets = torch.tensor([[index.get(user.validation, 0)] for user in users])
    seen = torch.stack([histories.nonzero()[:, 0], histories[histories > 0]])
    return items, Validation(histories, seen, targets, torch.ones(len(users), dtype=torch.int64))


def main() -> None:
    """Train as a night does where it trains in its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    given = parser.parse_args()
    users = beauty.users(given.users)
    index = {item: place for place, item in enumerate(sorted({item for user in users for item in user.items}), 1)}
    items, watched = sample(users, index)
    popularity = np.bincount(items.ravel(), minlength=len(index) + 1)
    popularity[0] = 0
    training = clock.Clock()
    curve: list[tuple[float, float, float]] = []

    def ranked(*arguments: Any) -> float:
        """The clock stands while the users are ranked, before the first epoch and after each."""
        if curve:
            training.__exit__(None, None, None)
        curve.append((training.wall, training.processor, validation_ndcg(*arguments)))
        training.__enter__()
        return curve[-1][-1]

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        parquet.write_table(pa.table({"items": pa.array([row.tobytes() for row in items], pa.binary())}), file)
        job = recommender.SASRecJob(
            name="bench",
            models=Store(folder),
            files=[file.as_uri()],
            content_hash="bench",
            real_rows=len(users),
            seed=1,
            n_items=len(index),
            log_popularity=log_shares(popularity),
            augmented=False,
            validation=watched,
            mask_seen=True,
        )
        with patch.object(recommender, "validation_ndcg", ranked):
            recommender.train_sasrec([job], None, settings(given), "SASRec")  # type: ignore[arg-type] # no Spark
    start = {"popularity": curve[0][-1]}  # what it begins with
    clock.tell("SASRec, training rows", "recaug", len(users) * given.epochs, training, curve=curve[1:], **start)


def settings(given: argparse.Namespace) -> Config:
    """The model as the peer has it, in this process, for a thread."""
    optimiser = {"epochs": given.epochs, "patience": "null", "batch_rows": 128, "learning_rate": given.learning_rate}
    model = {"layers": "sasrec", "positions": "absolute", "dim": 64, "blocks": 1, "heads": 2, "dropout": 0.4}
    lines = [f"sasrec.{key}={value}" for key, value in model.items()]
    lines += [f"sasrec.optimiser.{key}={value}" for key, value in optimiser.items()]
    return load(CONFIG, [*lines, "training.launcher=local", f"prepare.max_length={WIDTH}"])


if __name__ == "__main__":
    main()
