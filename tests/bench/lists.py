"""What top-k lists cost as the catalogue grows: every item scored, and candidates of an index (recommend.index: ann).

PYTHONPATH=.:lib .venv/bin/python -m tests.bench.lists --items 10000 100000 500000

A SASRec of width 64 whose items lie as trained ones do, in groups: a middle a hundred items or so, drawn around fifty
further middles, the items around theirs, and a bias that falls with the rank as the logarithm of popularity does (power
law, exponent 1). It has learnt nothing else. Histories are eight items of one group, so that users ask for regions of
the catalogue and not for all of it. One process of one thread ranks blocks of users as a Spark task does; the two ways
in turn, so that what else the machine does falls on both alike.
"""

import argparse
import statistics
import tempfile
import time

import numpy as np
import pandas as pd
import torch

from recaug.lake.store import Store
from recaug.recommend.deep import load
from recaug.recommend.retrieval import Candidates, EveryItem, Retrieval
from recaug.recommend.scoring import BLOCK
from recaug.training.checkpoint import finish_model
from recaug.training.models.sasrec import SASRec

DIM, LENGTH, GROUP, REGIONS = 64, 50, 100, 50


def made(items: int, folder: str) -> torch.Tensor:
    """Write a model of so many items; give each item's group, (items + 1,)."""
    torch.manual_seed(0)
    arguments = {"n_items": items, "dim": DIM, "blocks": 2, "heads": 2, "dropout": 0.0, "max_length": LENGTH + 1}
    model, groups = SASRec(**arguments), max(items // GROUP, 2)
    group = torch.randint(0, groups, (items + 1,))
    regions = torch.randn(REGIONS, DIM)
    middles = regions[torch.randint(0, REGIONS, (groups,))] + 0.7 * torch.randn(groups, DIM)
    with torch.no_grad():
        model.items.weight[1:] = (0.3 * (middles[group] + 0.7 * torch.randn(items + 1, DIM)))[1:]
        model.item_bias[1:] = -torch.arange(1, items + 1).float().log()
    finish_model(Store(folder), model, {"arguments": arguments})
    return group


def people(group: torch.Tensor, users: int) -> pd.DataFrame:
    """Users who have had eight items of a group."""
    rng = np.random.default_rng(0)
    order = group[1:].argsort().numpy() + 1
    firsts = np.searchsorted(group[1:].sort().values.numpy(), np.arange(int(group.max()) + 1))
    rows = []
    for _ in range(users):
        first = firsts[rng.integers(len(firsts))]
        had = rng.choice(order[first : first + 50], 8, replace=False).astype("<i4")
        rows.append((np.pad(had, (0, LENGTH - 8)).astype("<i4").tobytes(), np.sort(had)))
    return pd.DataFrame(rows, columns=["items", "seen"])


def seconds(retrieval: Retrieval, frame: pd.DataFrame, k: int) -> tuple[float, float]:
    """Wall and processor seconds of a pass over the users, in blocks."""
    wall, processor = time.perf_counter(), time.process_time()
    for start in range(0, len(frame), BLOCK):
        retrieval.best(frame.iloc[start : start + BLOCK], k, True)
    return time.perf_counter() - wall, time.process_time() - processor


def measured(items: int, given: argparse.Namespace) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        group = made(items, folder)
        frame, exact = people(group, given.users), EveryItem(folder)
        load(folder)
        started = time.process_time()
        ann = Candidates.of(folder, 0)
        built = time.process_time() - started
        ways: dict[str, Retrieval] = {"exact": exact, "ann": ann}
        own = {"exact": frame.head(max(BLOCK, min(given.users, given.users * 100_000 // items))), "ann": frame}
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(given.repeats + 1):
            for way, retrieval in ways.items():
                rates[way].append(len(own[way]) / seconds(retrieval, own[way], given.k)[1])
        of_all, of_index = (statistics.median(rates[way][1:]) for way in ways)
        recall = ann.recall(frame.head(given.looked_at), given.k, True)
    ratio = of_index / of_all
    return f"| {items:,} | {of_all:,.0f} | {of_index:,.0f} | {ratio:.1f} | {recall:.4f} | {built:.1f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 500_000])
    parser.add_argument("--users", type=int, default=4096)
    parser.add_argument("--looked-at", type=int, default=1024, help="users by whom the recall is measured")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first one")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| items | exact, users a second | ann | ann / exact | recall@{given.k} | index, seconds |\n|{'---|' * 6}")
    for items in given.items:
        print(measured(items, given), flush=True)


if __name__ == "__main__":
    main()
