"""RecBole's sampler of negatives by popularity^.75, never one of the user's own: rows a second."""

import argparse
from types import SimpleNamespace

import beauty
import clock
import numpy as np
import torch
from recbole.sampler import Sampler

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--users", type=int, required=True)
parser.add_argument("--per-user", type=int, required=True)
given = parser.parse_args()
np.random.seed(1)  # noqa: NPY002 - of this, RecBole draws
users = beauty.users(given.users)
index = {item: place for place, item in enumerate(sorted({item for user in users for item in user.items}), 1)}
events = [(number, index[item]) for number, user in enumerate(users, 1) for item in user.items]
columns = dict(zip(("user", "item"), map(torch.tensor, zip(*events, strict=True)), strict=True))
dataset = SimpleNamespace(  # what the sampler asks of a RecBole dataset
    uid_field="user", iid_field="item", user_num=len(users) + 1, item_num=len(index) + 1, inter_feat=columns
)
sampler = Sampler(["train"], [dataset], distribution="popularity", alpha=0.75).set_phase("train")
numbers = np.arange(1, len(users) + 1)
with clock.Clock() as running:
    drawn = sampler.sample_by_user_ids(numbers, None, given.per_user)
clock.tell("negatives", "RecBole", len(drawn), running)
