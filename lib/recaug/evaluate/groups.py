"""Groups that the shop names: whom the generated rows help, beside all others, and whose items the lists show."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import Fairness
from recaug.evaluate.contest import TEST, Contest
from recaug.evaluate.ranking import TAIL
from recaug.evaluate.statistics import OVERALL, lift_gap, lifts, values
from recaug.results import Group, Interval, Metric

MOST = 12  # values of an attribute that are told apart: those of most units
NAME = 60  # characters of a value that are told
MEMBERS = ("kind", "attribute", "value", "unit")


class Groups(NamedTuple):
    """Who belongs to which.

    members: MEMBERS; kind: `user` where the value is the unit's own, `item` where the unit has a held-out item of it.
    items: attribute -> value of each item by its index, None where nothing is said.
    """

    members: pd.DataFrame
    items: Mapping[str, NDArray[np.object_]] = {}


def groups_of(asked: Fairness, sequences: DataFrame, said: DataFrame | None, items: DataFrame) -> Groups:
    """Find who of the test's users belongs to the groups that are asked for.

    said: the table user_attributes, None where there is none; items: item_index and categorical of those that lists may
    show.
    """
    tested = sequences.where(F.col("split") == F.lit(TEST)).withColumnRenamed("user_index", "unit")
    people = [_of_users(tested, said, asked.user)] if asked.user and said is not None else []
    had, values = _of_items(tested, items, asked.item) if asked.item else ([], {})
    members = [*people, *had]
    none = pd.DataFrame(columns=list(MEMBERS))
    return Groups(pd.concat(members, ignore_index=True)[list(MEMBERS)] if members else none, values)


def _of_users(tested: DataFrame, said: DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    values = said.select("user_id", F.explode("attributes").alias("attribute", "value"))
    own = values.where(F.col("attribute").isin(*attributes)).join(tested, "user_id")
    return own.select("unit", "attribute", "value").toPandas().assign(kind="user")


def _of_items(
    tested: DataFrame, items: DataFrame, attributes: Sequence[str]
) -> tuple[list[pd.DataFrame], dict[str, NDArray[np.object_]]]:
    """Give the units with a held-out item of each value of some attributes, and each item's value."""
    said = items.select("item_index", F.explode_outer("categorical").alias("attribute", "value")).persist()
    try:
        values = said.where(F.col("attribute").isin(*attributes))
        had = tested.select("unit", F.explode("targets").alias("item_index")).join(values, "item_index")
        members = had.select("unit", "attribute", "value").distinct().toPandas().assign(kind="item")
        of_items, last = values.toPandas(), said.agg(F.max("item_index")).first()
    finally:
        said.unpersist()
    assert last is not None
    found = {name: np.full(last[0] + 1, None, dtype=object) for name in attributes}
    for name, own in of_items.groupby("attribute"):
        found[str(name)][own["item_index"]] = own["value"]
    return [members], found


class Shown(NamedTuple):
    """What lists show, see ranking.exposures, and the train events of each item, (n_items + 1,)."""

    lists: pd.DataFrame
    events: NDArray[np.float32]


def compare(contest: Contest, arm: str, metric: Metric, groups: Groups, shown: Shown) -> list[Group]:
    """Hold an arm's lift over the first of the contest in each group of the test's units against that of all others.

    Others: units of whom the attribute says something else; fewer than the gate's min_units give no bounds. A group of
    fewer is not told at all: what few have is what one of them has.
    """
    table = contest.split(TEST)
    members = groups.members[groups.members["unit"].isin(table["unit"])]
    found = []
    for (kind, attribute), known in members.groupby(["kind", "attribute"], sort=False):
        counts = known["value"].value_counts().head(MOST)
        for value, units in counts[counts >= contest.gate.min_units].items():
            inside = table["unit"].isin(known.loc[known["value"] == value, "unit"])
            part = table.assign(inside=inside, others=~inside & table["unit"].isin(known["unit"]))
            exposure = (
                _shown_of(contest, arm, groups.items[str(attribute)] == value, shown)
                if kind == "item"
                else _shown_to(contest, arm, part[part["inside"]])
            )
            found.append(
                Group(
                    kind=str(kind),
                    attribute=str(attribute),
                    value=" ".join(str(value).split())[:NAME],
                    units=int(units),
                    lift=_lift(contest, part[part["inside"]], arm, metric),
                    gap=_gap(contest, part, arm, metric),
                    exposure=exposure,
                )
            )
    return found


def _scorers(contest: Contest, arm: str) -> tuple[Sequence[str], Sequence[str]]:
    """Of the first and of the arm."""
    return contest.scorers[next(iter(contest.scorers))], contest.scorers[arm]


def _lift(contest: Contest, part: pd.DataFrame, arm: str, metric: Metric) -> Interval | None:
    base, own = _scorers(contest, arm)
    if not np.nanmean(values(part, base, metric)):
        return None
    return lifts(part, base, own, metric, (), contest.bootstrap)[OVERALL]


def _gap(contest: Contest, part: pd.DataFrame, arm: str, metric: Metric) -> Interval | None:
    return lift_gap(part, *_scorers(contest, arm), metric, ("inside", "others"), contest.bootstrap)


def _shown_of(contest: Contest, arm: str, chosen: NDArray[np.bool_], shown: Shown) -> dict[str, float]:
    """Share of some items: `real` of the train events, `base` and `arm` of the places in these lists."""
    own = np.zeros(len(shown.events), dtype=bool)
    own[: len(chosen)] = chosen

    def share(scorers: Sequence[str]) -> float:
        lists = shown.lists[shown.lists["scorer"].isin(scorers)]
        places = lists["n"].to_numpy(dtype=np.float64)
        return float(places[own[lists["item_index"].to_numpy(dtype=np.int64)]].sum() / max(places.sum(), 1))

    base, of_arm = map(share, _scorers(contest, arm))
    return {"real": float(shown.events[own].sum() / shown.events.sum()), "base": base, "arm": of_arm}


def _shown_to(contest: Contest, arm: str, part: pd.DataFrame) -> dict[str, float]:
    """Share of the places that items outside the head hold in these units' lists, of the base and of the arm."""
    base, of_arm = (float(values(part, scorers, TAIL).mean()) for scorers in _scorers(contest, arm))
    return {"base": base, "arm": of_arm}
