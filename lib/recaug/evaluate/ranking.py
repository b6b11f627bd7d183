"""Ranks the catalogue for every user of a window by several recommenders, and measures each user's list."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.evaluate.metrics import USER_METRICS
from recaug.recommend.scoring import Scorer, best_items

K = 20  # the longest list that a metric looks at
LIST = 10  # items of a list that count as shown, for coverage, Gini, novelty and exposure
RARE = 5  # train events of an item that so many or fewer make rare
NEW = "new"  # of items: without a train event
OF_TARGETS = {  # measure of all targets -> kinds of targets of which it is told as well
    "hr@10": ("rare", NEW),
    "recall@20": ("head", "tail", "rare"),
    "ndcg@10": ("rare", NEW),
}
SLICED = tuple(f"{measure} {kind}" for measure, kinds in OF_TARGETS.items() for kind in kinds)
MEASURES = (*USER_METRICS, *SLICED)
TAIL = "tail_share"  # share of a list's places that items outside the head hold


def user_metrics(
    rows: DataFrame,
    scorers: Mapping[str, Scorer],
    events: NDArray[np.float32],
    head: NDArray[np.bool_],
    mask_seen: bool,
) -> DataFrame:
    """Measure every user of `rows` under every scorer, full ranking.

    Columns: `rows` as sequences' validation and test splits. events, head: (n_items + 1,) train events of an item,
    and whether it is of the head. Gives split, user_index, cold, scorer, one column a measure (such as `recall@20 rare`
    over the targets of that kind, null for users without any), tail_share (of the first LIST places, what items outside
    the head hold), top (array<int>, best first).
    """
    kinds = {"head": head, "tail": ~head, "rare": events <= RARE, NEW: events == 0}
    names = ", ".join(f"`{measure}` double" for measure in (*MEASURES, TAIL))
    schema = f"split string, user_index int, cold boolean, scorer string, {names}, top array<int>"

    def measure(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        for frame in frames:
            for name, scorer in scorers.items():
                top, _ = best_items(frame, scorer, K, mask_seen)
                yield _measured(frame, top, kinds).assign(scorer=name)[
                    ["split", "user_index", "cold", "scorer", *MEASURES, TAIL, "top"]
                ]

    needed = rows.select("split", "user_index", "cold", "items", "seen", "targets")
    return needed.mapInPandas(measure, schema)


def _measured(frame: pd.DataFrame, top: NDArray[np.int64], kinds: Mapping[str, NDArray[np.bool_]]) -> pd.DataFrame:
    """Every measure of each row's list. top: (rows, K), 0 for no item."""
    n = len(kinds["head"])
    lengths = frame["targets"].map(len).to_numpy(dtype=np.int64)
    row = np.repeat(np.arange(len(frame)), lengths)
    target = np.concatenate(frame["targets"].to_list()).astype(np.int64)
    wanted = row[target > 0] * n + target[target > 0]
    hits = np.isin(np.arange(len(frame))[:, None] * n + top, wanted) & (top > 0)
    measures = {name: metric(hits, lengths, k) for name, (metric, k) in USER_METRICS.items()}
    of_kind = {
        name: np.bincount(row[(target > 0) & kind[target]], minlength=len(frame)) for name, kind in kinds.items()
    }
    for name, (metric, k) in USER_METRICS.items():
        for kind in OF_TARGETS.get(name, ()):
            with np.errstate(divide="ignore", invalid="ignore"):
                own = metric(hits & kinds[kind][top], of_kind[kind], k)
            measures[f"{name} {kind}"] = np.where(of_kind[kind] > 0, own, np.nan)
    places = (shown := top[:, :LIST]) > 0
    measures[TAIL] = (places & ~kinds["head"][shown]).sum(axis=1) / np.maximum(places.sum(axis=1), 1)
    lists = pd.Series([*top.astype(np.int32)], index=frame.index)
    return frame[["split", "user_index", "cold"]].assign(**measures, top=lists)


def exposures(measured: DataFrame, split: str, k: int) -> pd.DataFrame:
    """Count how often each scorer lists each item among the first k: scorer, item_index, n."""
    shown = measured.where(F.col("split") == split).select(
        "scorer", F.explode(F.slice("top", 1, k)).alias("item_index")
    )
    return shown.where("item_index > 0").groupBy("scorer", "item_index").agg(F.count("*").alias("n")).toPandas()
