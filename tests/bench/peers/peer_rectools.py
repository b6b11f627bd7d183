"""RecTools' SASRec on Beauty's users: rows a second of its training, and validation NDCG@10 after each epoch."""

import argparse
import logging
import math
import warnings

import beauty
import clock
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class Watch(Callback):
    """Runs a clock in training, and ranks the validation users by RecTools' own `recommend` while it stands."""

    def __init__(self) -> None:
        self.curve: list[tuple[float, float, float]] = []
        self.clock = clock.Clock()

    def __deepcopy__(self, memo: object) -> "Watch":
        """RecTools copies its trainer."""
        return self

    def on_train_epoch_start(self, trainer: Trainer, module: object) -> None:
        """Go on."""
        self.clock.__enter__()

    def on_train_epoch_end(self, trainer: Trainer, module: torch.nn.Module) -> None:
        """Stop, and rank."""
        self.clock.__exit__(None, None, None)
        MODEL.is_fitted = True
        self.curve.append((self.clock.wall, self.clock.processor, ndcg()))
        MODEL.is_fitted = False
        module.train()


def ndcg() -> float:
    """NDCG@10 of all users over the whole catalogue without what they have had; one target each."""
    lists = MODEL.recommend([user.name for user in USERS], DATASET, k=10, filter_viewed=True)
    target = {user.name: user.validation for user in USERS}
    hits = lists[lists[Columns.Item] == lists[Columns.User].map(target)]
    return sum(1 / math.log2(rank + 1) for rank in hits[Columns.Rank]) / len(USERS)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--users", type=int, required=True)
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--learning-rate", type=float, default=0.001)
parser.add_argument("--threads", type=int, default=1)
given = parser.parse_args()
torch.set_num_threads(given.threads)
seed_everything(1)
USERS, WATCH = beauty.users(given.users), Watch()
rows = [(user.name, item, place) for user in USERS for place, item in enumerate(user.items)]
frame = pd.DataFrame(rows, columns=[Columns.User, Columns.Item, Columns.Datetime]).assign(weight=1.0)
frame[Columns.Datetime] = pd.to_datetime(frame[Columns.Datetime], unit="s")
DATASET = Dataset.construct(frame)
MODEL = SASRecModel(
    n_factors=64,
    n_blocks=1,
    n_heads=2,
    dropout_rate=0.4,
    session_max_len=beauty.LENGTH,
    loss="softmax",
    lr=given.learning_rate,
    batch_size=128,
    recommend_torch_device="cpu",
    get_trainer_func=lambda: Trainer(
        max_epochs=given.epochs,
        accelerator="cpu",
        callbacks=[WATCH],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ),
)
MODEL.fit(DATASET)
clock.tell(
    "SASRec, training rows",
    "RecTools",
    len(USERS) * given.epochs,
    WATCH.clock,
    curve=WATCH.curve,
)
