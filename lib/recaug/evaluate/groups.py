"""Groups that the shop names: whom the generated rows help, beside all others, and whose items the lists show."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from recaug.config import Fairness
from recaug.evaluate.contest import TEST, Contest
from recaug.evaluate.ranking import TAIL
from recaug.evaluate.statistics import lift_gap, relative_lift
from recaug.evaluate.sums import Axes, Sums, sums_of
from recaug.results import Group, Interval, Metric, Slice

MOST = 12  # values of an attribute that are told apart: those of most units
NAME = 60  # characters of a value that are told
MEMBERS = ("kind", "attribute", "value", "unit")


class Groups(NamedTuple):
    """Who belongs to which.

    members: MEMBERS, None where there are no groups; kind: `user` where the value is the unit's own, `item` where the
    unit has a held-out item of it. items: attribute -> value of each item by its index, None where nothing is said.
    """

    members: DataFrame | None = None
    items: Mapping[str, NDArray[np.object_]] = {}


def groups_of(asked: Fairness, sequences: DataFrame, said: DataFrame | None, items: DataFrame) -> Groups:
    """Find who of the test's users belongs to the groups that are asked for.

    said: the table user_attributes, None where there is none; items: item_index and categorical of those that lists may
    show.
    """
    tested = sequences.where(F.col("split") == F.lit(TEST)).withColumnRenamed("user_index", "unit")
    members, values = [], {}
    if asked.user and said is not None:
        told = said.select("user_id", F.explode("attributes").alias("attribute", "value"))
        members.append(_members("user", tested.join(told.where(F.col("attribute").isin(*asked.user)), "user_id")))
    if asked.item:
        told = items.select("item_index", F.explode_outer("categorical").alias("attribute", "value"))
        had = tested.select("unit", F.explode("targets").alias("item_index"))
        members.append(_members("item", had.join(told.where(F.col("attribute").isin(*asked.item)), "item_index")))
        values = _values(told, asked.item)
    return Groups(reduce(DataFrame.unionByName, members) if members else None, values)


def _members(kind: str, rows: DataFrame) -> DataFrame:
    own = rows.where("value IS NOT NULL").select(F.lit(kind).alias("kind"), "attribute", "value", "unit")
    return own.distinct()


def _values(said: DataFrame, attributes: Sequence[str]) -> dict[str, NDArray[np.object_]]:
    """Each item's value of some attributes, by its index."""
    last = said.agg(F.max("item_index")).first()
    assert last is not None
    found = {name: np.full(last[0] + 1, None, dtype=object) for name in attributes}
    for name, own in said.where(F.col("attribute").isin(*attributes)).toPandas().groupby("attribute"):
        found[str(name)][own["item_index"]] = own["value"]
    return found


class Shown(NamedTuple):
    """What lists show, see ranking.exposures, and the train events of each item, (n_items + 1,)."""

    lists: pd.DataFrame
    events: NDArray[np.float32]


def compare(
    contest: Contest, measured: DataFrame, arm: str, metric: Metric, groups: Groups, shown: Shown
) -> list[Group]:
    """Hold an arm's lift over the first of the contest in each group of the test's units against that of all others.

    measured: units of the test, see sums.py, with TAIL. Others: units of whom the attribute says something else; fewer
    than the gate's min_units give no bounds. A group of fewer is not told at all: what few have is what one of them
    has.
    """
    if groups.members is None:
        return []
    scorers = tuple(dict.fromkeys([*contest.base, *contest.scorers[arm]]))
    own = measured.where(F.col("scorer").isin(*scorers))
    members = groups.members.join(own.select("unit"), "unit", "left_semi").persist()
    try:
        told = _told(members, contest.gate.min_units)
        if not told:
            return []
        slices = tuple(name for place in range(len(told)) for name in _slices(place))
        axes = Axes(scorers, slices, (metric, TAIL))
        sums = sums_of(own.join(_marked(members, told), "unit"), axes, contest.sums[TEST].draws)
    finally:
        members.unpersist()
    return [
        Group(
            kind=group["kind"],
            attribute=group["attribute"],
            value=" ".join(group["value"].split())[:NAME],
            units=group["n"],
            lift=_lift(contest, sums, arm, metric, _slices(place)[0]),
            gap=lift_gap(sums, contest.base, contest.scorers[arm], metric, _slices(place), contest.bounds),
            exposure=(
                _shown_of(contest, arm, groups.items[group["attribute"]] == group["value"], shown)
                if group["kind"] == "item"
                else _shown_to(contest, sums, arm, _slices(place)[0])
            ),
        )
        for place, group in enumerate(told)
    ]


def _told(members: DataFrame, least: int) -> list[Row]:
    """Groups that are told: kind, attribute, value and n, their units; users' first, of an attribute the largest."""
    counted = members.groupBy("kind", "attribute", "value").agg(F.count("*").alias("n")).where(F.col("n") >= least)
    largest = Window.partitionBy("kind", "attribute").orderBy(F.desc("n"), "value")
    most = counted.withColumn("place", F.row_number().over(largest)).where(F.col("place") <= MOST)
    return most.orderBy(F.desc("kind"), "attribute", "place").collect()


def _slices(place: int) -> tuple[Slice, Slice]:
    """Of the units of a group and of all others, by the group's place."""
    return f"group {place}", f"others {place}"


def _marked(members: DataFrame, told: Sequence[Row]) -> DataFrame:
    """Say of each unit whether it is of a group, and of its others."""
    columns = {}
    for place, group in enumerate(told):
        known = (F.col("kind") == group["kind"]) & (F.col("attribute") == group["attribute"])
        inside, others = _slices(place)
        columns[inside] = F.max(known & (F.col("value") == group["value"]))
        columns[others] = F.max(known) & ~columns[inside]
    return members.groupBy("unit").agg(*(column.alias(name) for name, column in columns.items()))


def _lift(contest: Contest, sums: Sums, arm: str, metric: Metric, group: Slice) -> Interval | None:
    base = sums.drawn(contest.base, metric, group)
    return relative_lift(base, sums.drawn(contest.scorers[arm], metric, group), contest.bounds) if base.mean else None


def _shown_of(contest: Contest, arm: str, chosen: NDArray[np.bool_], shown: Shown) -> dict[str, float]:
    """Share of some items: `real` of the train events, `base` and `arm` of the places in these lists."""
    own = np.zeros(len(shown.events), dtype=bool)
    own[: len(chosen)] = chosen

    def share(scorers: Sequence[str]) -> float:
        lists = shown.lists[shown.lists["scorer"].isin(scorers)]
        places = lists["n"].to_numpy(dtype=np.float64)
        return float(places[own[lists["item_index"].to_numpy(dtype=np.int64)]].sum() / max(places.sum(), 1))

    base, of_arm = share(contest.base), share(contest.scorers[arm])
    return {"real": float(shown.events[own].sum() / shown.events.sum()), "base": base, "arm": of_arm}


def _shown_to(contest: Contest, sums: Sums, arm: str, group: Slice) -> dict[str, float]:
    """Share of the places that items outside the head hold in these units' lists, of the base and of the arm."""
    base, of_arm = (sums.drawn(scorers, TAIL, group).mean for scorers in (contest.base, contest.scorers[arm]))
    return {"base": base, "arm": of_arm}
