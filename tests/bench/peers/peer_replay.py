"""RePlay's metrics of lists of 20 items: their values, and seconds."""

import argparse

import clock
import lists
import numpy as np
import polars as pl
from replay.metrics import MAP, MRR, NDCG, HitRate, OfflineMetrics, Recall

METRICS = {
    "hr@10": HitRate(10),
    "ndcg@10": NDCG(10),
    "recall@10": Recall(10),
    "recall@20": Recall(20),
    "mrr@10": MRR(10),
    "map@10": MAP(10),
}
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--users", type=int, required=True)
given = parser.parse_args()
made = lists.lists(given.users)
users, k = made.items.shape
shown = pl.DataFrame(
    {
        "query_id": np.repeat(np.arange(users), k),
        "item_id": made.items.ravel(),
        "rating": np.tile(-np.arange(k, dtype=np.float64), users),
    }
)
wanted = pl.DataFrame(
    {"query_id": np.repeat(np.arange(users), lists.TARGETS), "item_id": made.targets.ravel()}
).unique()
for _ in range(2):  # the first is the warm-up
    with clock.Clock() as running:
        found = OfflineMetrics(list(METRICS.values()))(shown, wanted)
values = dict(zip(METRICS, found.values(), strict=True))
clock.tell("metrics, lists", "RePlay", users, running, values=values, names=list(found))
