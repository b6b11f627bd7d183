"""The users of a night in salted halves, and models that each know one half alone.

The tables of the halves are copies of the night's without ids that leave them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch import Tensor

from recaug.clickstream import covisitation
from recaug.clickstream.sequences import histories
from recaug.clickstream.splits import window_events
from recaug.evaluate.tasks.recommend import RecommendTask, RowFiles
from recaug.generators.base import Contexts
from recaug.generators.inputs import GeneratorInputs
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.counting import counting_of, marked
from recaug.night.experiment import recommend_task
from recaug.night.inputs import NightTables, private_of
from recaug.night.prepare import FILES
from recaug.results import TrainedModel
from recaug.training.checkpoint import load_recommender
from recaug.training.models.scores import Scores

HALVES = ("sequences", "covisitation")  # tables whose folds are the halves of a salt


@dataclass(frozen=True)
class HalfTables:
    """The night's tables with the users in salted halves in place of its folds."""

    night: NightTables
    lake: Lake

    def read(self, name: str) -> DataFrame:
        """Read a table."""
        return self.lake.read(name) if name in HALVES else self.night.read(name)

    def content_hash(self, name: str, partition: Mapping[str, str] | None = None) -> str | None:
        """Hash the rows of a table, or of a partition of it."""
        return (self.lake if name in HALVES else self.night).content_hash(name, partition)

    def snapshot_files(self, name: str, partition: Mapping[str, str]) -> list[str]:
        """Give the addresses of a partition's files."""
        return (self.lake if name in HALVES else self.night).snapshot_files(name, partition)


@dataclass(frozen=True)
class Ranking:
    """A recommender as what says what comes next."""

    module: Any
    after: int = 0

    def scores(self, contexts: Contexts, random: torch.Generator) -> Scores:
        """What may come next of each context, and how likely."""
        return Scores(self.module.next_logits(contexts.items))

    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        """The chance of each item over that of the likeliest one."""
        return scores.relative(generated)


@dataclass(frozen=True)
class Halves:
    """The two halves of a salt. place: where their tables and models lie, until `remove`."""

    context: Context
    salt: int
    place: Store

    @property
    def tables(self) -> HalfTables:
        """The night's, with the halves as folds."""
        return HalfTables(NightTables(self.context), self._lake("lake"))

    def write(self) -> None:
        """Write sequences and covisitation with the half of each user, by a salted hash, as its fold."""
        context = self.context
        config, night, lake = context.config, context.lake, self._lake("lake")
        half = F.pmod(F.xxhash64(F.lit(f"half {self.salt}"), F.col("user_id")), F.lit(2)).cast("int")
        rows = night.read("sequences").withColumn("fold", half)
        lake.replace(rows, "sequences", {}, context.run_id, files=FILES, by=("user_index", "window"))
        people = rows.where("split = 'serve'").select("user_id", "user_index", "fold")
        events = window_events(night.read("events"), context.date, config.prepare)
        codes = covisitation.train_codes(histories(events, night.read("vocabulary"), people))
        way = counting_of(context)
        counts = covisitation.counts(codes, way.window, way.backward)
        lake.replace(marked(counts, way), "covisitation", {}, context.run_id)

    def inputs(self) -> GeneratorInputs:
        """What generators learn from: the model of a half knows the other."""
        config = self.context.config
        return GeneratorInputs(
            models=self.place.at("models"),
            tables=self.tables,
            counts=counting_of(self.context),
            seed=config.seed + self.salt,
            folds=range(2),
            max_length=config.prepare.max_length,
            discovery=config.prepare.task == "discovery",
            workers=config.training.workers,
            min_users=config.privacy.min_users,
            cross_fitted=True,
            private=private_of(self.context),
        )

    def recommenders(self) -> dict[int, Ranking]:
        """Train the recommender without each half, on real rows, and give it by the half that it does not know."""
        tasks = [self._task(half) for half in range(2)]
        jobs = [job for half, task in enumerate(tasks) for job in task.real_jobs(f"without-half{half}", 1)]
        trained: Sequence[TrainedModel] = tasks[0].train(jobs, f"recommender, salt {self.salt}")
        return {half: Ranking(load_recommender(model.folder)) for half, model in enumerate(trained)}

    def remove(self) -> None:
        """Remove tables and models."""
        self.place.remove()

    def _task(self, half: int) -> RecommendTask:
        """The night's recommender where no user of a half is known."""
        lake = self._lake(f"without-{half}")
        known = self.tables.read("sequences").where(F.col("fold") != half)
        lake.replace(known, "sequences", {}, self.context.run_id, files=FILES, by=("user_index", "window"))
        task, train = recommend_task(self.context), {"split": "train"}
        rows = RowFiles(lake.snapshot_files("sequences", train), str(lake.content_hash("sequences", train)))
        tables = replace(task.inputs.tables, sequences=lake.read("sequences"))
        inputs = replace(task.inputs, tables=tables, train_files=rows, models=self.place.at("models"))
        config = msgspec.structs.replace(task.config, seed=task.config.seed + self.salt)
        return replace(task, config=config, inputs=inputs)

    def _lake(self, name: str) -> Lake:
        return Lake(self.context.spark, path=self.place.address(name))
