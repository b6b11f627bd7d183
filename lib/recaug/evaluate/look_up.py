"""How good a look-up of similar items is: whether it lists what users had next to the item in held-out events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.splits import BY_TIME
from recaug.evaluate.draws import Draws
from recaug.evaluate.statistics import Bounds, mean_interval, relative_lift
from recaug.evaluate.sums import Axes, Sums
from recaug.results import Interval, LookUpWay

BEFORE = 10  # events before a held-out one whose items it was had with
PAIRS = "unit long, item_id string, later_id string"
WAY = "latents"  # that the others are held against
BOUNDS, DRAWS = Bounds(0.95), 1000

Way = Callable[[NDArray[np.int64], int], NDArray[np.int64]]  # items' places, k -> (items, k) places, -1 for none


def later_pairs(events: DataFrame, users: int) -> DataFrame:
    """Pair each held-out event's item with those of the user's BEFORE events before it.

    events: of window_events. users: those of the lowest hashes, of the ones with a held-out event.
    Gives PAIRS, unit: the user's hash. An item with itself is no pair; a pair counts once for each held-out event.
    """
    held_out = F.col("split").isin("validation", "test")
    event = F.struct(*BY_TIME, "item_id", held_out.alias("held_out"))
    own = events.groupBy("user_id").agg(F.sort_array(F.collect_list(event)).alias("events"))
    some = (
        own.where("exists(events, event -> event.held_out)")
        .withColumn("unit", F.xxhash64(F.lit("look-up"), "user_id"))
        .orderBy("unit", "user_id")
        .limit(users)
    )
    return some.select("unit", "events.item_id", "events.held_out").mapInPandas(_pairs, PAIRS)


def _pairs(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for frame in frames:
        rows = [
            (unit, before, items[place])
            for unit, items, held_out in zip(frame["unit"], frame["item_id"], frame["held_out"], strict=True)
            for place in np.flatnonzero(held_out)
            for before in dict.fromkeys(items[max(place - BEFORE, 0) : place])
            if before != items[place]
        ]
        yield pd.DataFrame(rows, columns=["unit", "item_id", "later_id"])


class Pairs(NamedTuple):
    """Held-out pairs by the items' places. unit, item, later: (pairs,) int64."""

    unit: NDArray[np.int64]
    item: NDArray[np.int64]
    later: NDArray[np.int64]


class Order(NamedTuple):
    """The items' places, most popular first: of the head, then of the rest of the train events, then without any.

    head, warm: places below them are of the head, and have train events.
    """

    head: int
    warm: int


def measure(pairs: Pairs, ways: Mapping[str, Way], k: int, order: Order, seed: int) -> dict[str, LookUpWay]:
    """How often each way lists the later item, a mean over each user's pairs and then over users.

    ways: WAY among them. Gives by way the hit rate at k over all pairs; over those of warm and of cold items; and over
    those whose later item is not of the head, of which popularity knows nothing. Each with its interval over users, and
    by how much WAY lies above it, paired.
    """
    asked, row = np.unique(pairs.item, return_inverse=True)
    everything = np.ones(len(row), np.bool_)
    slices = {"overall": everything, "warm": pairs.item < order.warm, "cold": pairs.item >= order.warm}
    slices = {name: mask for name, mask in (slices | {"tail": pairs.later >= order.head}).items() if mask.any()}
    tables = []
    for name, way in ways.items():
        hits = (way(asked, k)[row] == pairs.later[:, None]).any(axis=1)
        of_users = {slice_: pd.Series(hits[mask]).groupby(pairs.unit[mask]).mean() for slice_, mask in slices.items()}
        tables.append(pd.DataFrame(of_users).rename_axis("unit").reset_index().assign(scorer=name))
    axes = Axes(tuple(ways), (), tuple(slices))
    sums = Sums.of(pd.concat(tables, ignore_index=True), axes, Draws(DRAWS, seed))
    return {name: _told(sums, name) for name in ways}


def _told(sums: Sums, name: str) -> LookUpWay:
    hits, above = dict[str, Interval](), dict[str, Interval]()
    for slice_ in sums.axes.metrics:
        own, latents = sums.drawn([name], slice_), sums.drawn([WAY], slice_)
        hits[slice_] = mean_interval(own, BOUNDS)
        above[slice_] = relative_lift(own, latents, BOUNDS)
    return LookUpWay(hits=hits, latents_above=above)
