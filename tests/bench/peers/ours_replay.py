"""Beside RePlay: our metrics of the same lists, those of the evaluation's slices too."""

import argparse

import clock
import lists
import numpy as np
import pandas as pd

from recaug.evaluate.metrics import USER_METRICS
from recaug.evaluate.ranking import _measured

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--users", type=int, required=True)
given = parser.parse_args()
made = lists.lists(given.users)
frame = pd.DataFrame({"split": "test", "user_index": np.arange(len(made.items)), "cold": False})
frame["targets"] = [np.unique(own) for own in made.targets]
everything = np.ones(int(max(made.items.max(), made.targets.max())) + 1, dtype=bool)
kinds = {"head": everything, "tail": ~everything, "rare": ~everything, "new": ~everything}
for _ in range(2):  # the first is the warm-up
    with clock.Clock() as running:
        found = _measured(frame, made.items, kinds)[list(USER_METRICS)].mean()
clock.tell("metrics, lists", "recaug", len(frame), running, values=found.to_dict())
