"""Search as a task of trials: a blend of rankers with an arm's generated queries, over the whole catalogue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from recaug.evaluate.groups import Groups
from recaug.evaluate.ranking import LIST, TAIL
from recaug.evaluate.search_metrics import METRICS, Judged, measured
from recaug.evaluate.task import Check, Items
from recaug.recommend.search.blend import Blend
from recaug.recommend.search.ranker import Blocks, Lists, Ranker, top_of_each
from recaug.results import Arm, Fidelity, Metric, Slice, TrainedModel
from recaug.training.two_tower import TowersJob

PAIRS = "pairs"  # of a part's rows: as pairs that the towers learn from
FIELDS = ("all", "missing")  # as a field of words beside the ranker: all of them, or those that the item's text lacks
SEED = "-seed"  # between an arm's name and its seed in a scorer's


@dataclass(frozen=True, eq=False)
class SearchInputs:
    """What a study holds for its trials of search.

    blend: the ranker without generated rows; towers: the place of the two towers among its parts. judged: by split.
    fields: of generated words, by generator and rows (see FIELDS). jobs: writes an arm's pairs, and gives a training a
    seed; open_towers: of a finished model's folder. train: in one launch. drawn: an arm's generated queries. checks:
    for leaks.
    """

    spark: SparkSession
    blend: Blend
    towers: int
    judged: Mapping[str, Judged]
    fields: Mapping[tuple[str, str], Ranker]
    jobs: Callable[[Arm, int], Sequence[TowersJob]]
    open_towers: Callable[[str], Ranker]
    train: Callable[[Sequence[TowersJob], str], Sequence[TrainedModel]]
    drawn: Callable[[Arm], DataFrame]
    fidelity: Mapping[str, Fidelity]
    checks: Callable[[Sequence[Arm]], list[Check]]
    items: Items
    blocks: Blocks


@dataclass(frozen=True, eq=False)
class SearchTask:
    """See task.Task; its unit is a query, and its arms are ways to use generated ones."""

    inputs: SearchInputs
    arms: Mapping[str, Arm]
    metrics: Sequence[Metric] = field(default=METRICS)
    lifted: Sequence[Metric] = field(default=METRICS)
    name: str = "search"
    unit: str = "query"
    units: str = "queries"

    @property
    def slices(self) -> Sequence[Slice]:
        """Head, torso and tail, where queries have counts."""
        return tuple(next(iter(self.inputs.judged.values())).slices)

    @property
    def items(self) -> Items:
        """What train queries led to."""
        return self.inputs.items

    def rows(self, arm: Arm) -> DataFrame:
        """The arm's generated queries."""
        return self.inputs.drawn(arm)

    def jobs(self, arm: Arm, seeds: int) -> Sequence[TowersJob]:
        """The towers' trainings."""
        return self.inputs.jobs(arm, seeds)

    def train(self, jobs: Sequence[TowersJob], title: str) -> Sequence[TrainedModel]:
        """Train each model once, also where several arms have it."""
        once = {job.folder.root: job for job in jobs}
        trained = dict(zip(once, self.inputs.train(list(once.values()), title), strict=True))
        return [msgspec.structs.replace(trained[job.folder.root], name=str(job.name)) for job in jobs]

    def briefly(self, epochs: int) -> "SearchTask":
        """The same: the towers' few epochs are the least."""
        return self

    def scorers(self, folders: Mapping[str, str]) -> Mapping[str, Ranker]:
        """Each arm's blend with the towers that learnt with it."""
        opened = {folder: self.inputs.open_towers(folder) for folder in sorted(set(folders.values()))}
        return {name: self.ranker(self.arms[name.rsplit(SEED, 1)[0]], opened[at]) for name, at in folders.items()}

    def ranker(self, arm: Arm, towers: Ranker) -> Blend:
        """The blend with an arm's towers and fields."""
        blend, place = self.inputs.blend, self.inputs.towers
        parts = [*blend.parts[:place], towers, *blend.parts[place + 1 :]]
        beside = [
            (self.inputs.fields[generator, part.rows], part.weight)
            for part in arm.parts
            if part.rows in FIELDS
            for generator in part.generators
        ]
        weights = [*blend.weights, *(weight for _, weight in beside)]
        return Blend([*parts, *(own for own, _ in beside)], weights, arm.name)

    def baselines(self) -> Mapping[str, Ranker]:
        """BM25 alone."""
        return {"bm25": self.inputs.blend.parts[0]}

    def blends(self, deep: Mapping[str, Ranker], baselines: Mapping[str, Ranker]) -> Mapping[str, Ranker]:
        """None: every arm is one."""
        return {}

    def measure(self, splits: Sequence[str], scorers: Mapping[str, Ranker]) -> DataFrame:
        """Rank the catalogue for every query of the splits, block by block; parts that rankers share are asked once."""
        tables = []
        for split in splits:
            judged = self.inputs.judged[split]
            lists = top_of_each(scorers, judged.texts, max(LIST, 50), self.inputs.blocks)
            tables += [self._measured(name, own, judged) for name, own in lists.items()]
        return self.inputs.spark.createDataFrame(pd.concat(tables, ignore_index=True))

    def _measured(self, name: str, lists: Lists, judged: Judged) -> pd.DataFrame:
        table = measured(name, lists.items, judged)
        shown = lists.items[table["unit"].to_numpy(), :LIST] + 1  # 0 for no item
        places = shown > 0
        tail = (places & ~self.items.head[shown]).sum(axis=1) / np.maximum(places.sum(axis=1), 1)
        return table.assign(**{TAIL: tail, "top": [row.tolist() for row in shown]})

    def fidelity(self, arms: Sequence[Arm]) -> Mapping[str, Fidelity]:
        """Of the generator whose queries an arm uses."""
        return {arm.name: self.inputs.fidelity[arm.generators[0]] for arm in arms}

    def groups(self) -> Groups:
        """None: queries have no attributes."""
        return Groups()

    def leaks(self, arms: Sequence[Arm]) -> list[Check]:
        """Look for held-out queries among what arms learn from."""
        return self.inputs.checks(arms)
