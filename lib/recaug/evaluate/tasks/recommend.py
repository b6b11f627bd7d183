"""The night's recommender as a task of trials: SASRec on real rows and an arm's candidates, ranked for every user."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.sequences import train_events
from recaug.clickstream.terms import item_terms
from recaug.config import Config
from recaug.errors import ContractError
from recaug.evaluate.arms import BLENDED, NONE, cold_users, rows_of, training_rows
from recaug.evaluate.contest import VALIDATION
from recaug.evaluate.fidelity import collapse, ranking
from recaug.evaluate.groups import Groups, groups_of
from recaug.evaluate.leakage import Checked, leak_checks
from recaug.evaluate.ranking import MEASURES, user_metrics
from recaug.evaluate.task import Check, Items
from recaug.evaluate.two_sample import told_apart
from recaug.lake.store import Store
from recaug.recommend.baselines import CoVisitationCounts, Popularity
from recaug.recommend.blend import Blend
from recaug.recommend.content import ContentBased
from recaug.recommend.deep import Network
from recaug.recommend.scoring import Scorer
from recaug.results import Arm, Fidelity, Train, TrainedModel
from recaug.training.inputs import Validation, log_popularity, neighbours, popularity_and_head, validation_sample
from recaug.training.models.covisitation import CoVisitation
from recaug.training.recommender import SASRecJob, train_sasrec

CONTENT_DECAY = 0.8  # of an event further back, in the baseline that goes by the catalogue
WATCHED_USERS = 8192  # judge an epoch: 2,048 of Beauty kept the fifteenth of one seed by chance, .003 below the others
LIFTED = ("hr@10", "ndcg@10", "recall@20", "recall@20 rare", "ndcg@10 rare")  # beside the gate's metric


class RowFiles(NamedTuple):
    """Written rows: addresses of their files, and the hash of what they hold."""

    files: Sequence[str]
    content_hash: str


class ArmRows(Protocol):
    """Where the training rows of arms lie."""

    def write(self, arm: str, rows: DataFrame) -> RowFiles:
        """Replace an arm's rows."""
        ...

    def read(self) -> DataFrame | None:
        """Every arm's rows with the column arm; None where none are written."""
        ...


@dataclass(frozen=True)
class RecommendInputs:
    """What a night holds for its recommenders.

    catalogue: what the content-based recommender goes by; None without one. train_files: of the real train rows;
    negatives_files: of the night's. item_features: (n_items + 1, f) of the item embedding, asked once it is needed.
    generators: the night's trained ones. rows: of the arms. user_attributes: the table; None where none is asked for.
    """

    tables: Checked
    catalogue: DataFrame | None
    train_files: RowFiles
    negatives_files: Sequence[str]
    item_features: Callable[[], NDArray[np.float32] | None]
    models: Store
    generators: Train
    rows: ArmRows
    user_attributes: Callable[[], DataFrame | None] = lambda: None


@dataclass(frozen=True)
class RecommendTask:
    """See task.Task; its unit is a user, and its arms are parts of the night's candidates."""

    config: Config
    inputs: RecommendInputs

    unit, units = "user", "users"
    slices = ("cold", "warm")
    metrics = MEASURES
    lifted = LIFTED

    @property
    def name(self) -> str:
        """`discovery` or `repeat`."""
        return self.config.prepare.task

    @cached_property
    def items(self) -> Items:
        """Train events and head of the vocabulary."""
        return Items(*popularity_and_head(self.inputs.tables.vocabulary))

    @property
    def train_rows(self) -> DataFrame:
        """Sequences' train split."""
        return self.inputs.tables.sequences.where("split = 'train'")

    @cached_property
    def log_popularity(self) -> NDArray[np.float32]:
        """(n_items + 1,), of the train events."""
        return log_popularity(self.inputs.tables.vocabulary)

    @cached_property
    def validation(self) -> Validation | None:
        """The users on whom a training is watched; None where nobody is held out."""
        rows = self.inputs.tables.sequences.where(F.col("split") == F.lit(VALIDATION))
        sample = validation_sample(rows, self.config.prepare.max_length, WATCHED_USERS)
        return sample if len(sample.histories) else None

    @cached_property
    def real_rows(self) -> int:
        """Train rows with an event to predict."""
        return self.train_rows.where("length >= 2").count()

    def candidates(self, arm: Arm) -> DataFrame:
        """What the arm adds; no row where there are no candidates."""
        tables = self.inputs.tables
        if tables.candidates is None:
            raise ContractError("there are no candidates; run augment before evaluate")
        return rows_of(arm, tables.candidates, cold_users(tables.sequences), tables.vocabulary)

    def rows(self, arm: Arm) -> DataFrame:
        """The recommender's training rows."""
        vocabulary, length = self.inputs.tables.vocabulary, self.config.prepare.max_length
        return training_rows(self.train_rows, self.candidates(arm), vocabulary, length, arm.slots)

    def jobs(self, arm: Arm, seeds: int) -> list[SASRecJob]:
        """Write the arm's rows and name its trainings."""
        return self._jobs(arm.name, self.inputs.rows.write(arm.name, self.rows(arm)), arm.name != NONE, seeds)

    def real_jobs(self, name: str, seeds: int) -> list[SASRecJob]:
        """The recommender on the real rows as they lie, without an arm's."""
        return self._jobs(name, self.inputs.train_files, False, seeds)

    def _jobs(self, name: str, written: RowFiles, augmented: bool, seeds: int) -> list[SASRecJob]:
        job = SASRecJob(
            name=name,
            models=self.inputs.models,
            files=written.files,
            content_hash=written.content_hash,
            real_rows=self.real_rows,
            seed=self.config.seed,
            n_items=len(self.items.events) - 1,
            log_popularity=self.log_popularity,
            negatives_files=self.inputs.negatives_files,
            augmented=augmented,
            item_features=self.inputs.item_features(),
            validation=self.validation,
            mask_seen=self.config.prepare.task == "discovery",
        )
        return [replace(job, name=f"{name}-seed{seed}", seed=job.seed + seed) for seed in range(seeds)]

    def train(self, jobs: Sequence[SASRecJob], title: str) -> list[TrainedModel]:
        """Train in one launch; finished models are found again."""
        return train_sasrec(jobs, self.inputs.tables.sequences.sparkSession, self.config, title)

    def briefly(self, epochs: int) -> "RecommendTask":
        """The same with fewer epochs."""
        optimiser = msgspec.structs.replace(self.config.sasrec.optimiser, epochs=epochs)
        sasrec = msgspec.structs.replace(self.config.sasrec, optimiser=optimiser)
        return replace(self, config=msgspec.structs.replace(self.config, sasrec=sasrec))

    def scorers(self, folders: Mapping[str, str]) -> dict[str, Scorer]:
        """Networks by name."""
        return {name: Network(folder) for name, folder in folders.items()}

    def baselines(self) -> dict[str, Scorer]:
        """Popularity and co-visitation counts of the train split and, where there is a catalogue, what is alike."""
        events, counts = self.items.events, self.inputs.tables.counting
        pairs, least = self.inputs.tables.covisitation, self.config.privacy.min_users
        near = neighbours(pairs, len(events) - 1, counts.neighbours, least)
        table = CoVisitation(
            torch.from_numpy(near.items),
            torch.from_numpy(near.weights),
            window=counts.window,
            backward=counts.backward,
            decay=counts.decay,
        )
        beside: dict[str, Scorer] = {
            "popularity": Popularity(events),
            "covisitation": CoVisitationCounts(table, events),
        }
        catalogue = self.inputs.catalogue
        return beside | ({"content": self.by_content(catalogue)} if catalogue is not None else {})

    def by_content(self, catalogue: DataFrame, decay: float = CONTENT_DECAY) -> ContentBased:
        """Recommend by a catalogue's words and attributes."""
        return ContentBased(item_terms(catalogue, self.inputs.tables.vocabulary), self.items.events, decay)

    def blends(self, deep: Mapping[str, Scorer], baselines: Mapping[str, Scorer]) -> dict[str, Scorer]:
        """Each network mixed with the counts; none where their share is 0."""
        share, counts = self.config.evaluate.blend, baselines["covisitation"]
        assert isinstance(counts, CoVisitationCounts)
        return {BLENDED.format(name): Blend(own, counts, share) for name, own in deep.items()} if share else {}

    def measure(self, splits: Sequence[str], scorers: Mapping[str, Scorer]) -> DataFrame:
        """Rank the catalogue for every user of the splits."""
        held_out = self.inputs.tables.sequences.where(F.col("split").isin(*splits))
        measured = user_metrics(held_out, scorers, *self.items, self.config.prepare.task == "discovery")
        return measured.withColumnRenamed("user_index", "unit").withColumn("warm", ~F.col("cold"))

    def fidelity(self, arms: Sequence[Arm]) -> dict[str, Fidelity]:
        """Collapse and copies of each arm's candidates, whether they are told from real ones, how generators rank."""
        if not arms:
            return {}
        tables, names = self.inputs.tables, [arm.name for arm in arms]
        vocabulary = tables.vocabulary.select("item_id", "item_index", "events")
        real = train_events(self.train_rows).persist()
        users = real.groupBy("user_index").agg(F.collect_list("item_index").alias("items"))
        by_arm = self.by_arm(arms).join(F.broadcast(vocabulary), "item_id", how="inner").persist()
        try:
            collapsed = collapse(by_arm.withColumn("generator", F.col("arm")), names, real, users)
            apart = told_apart(by_arm, self.train_rows, tables.covisitation, vocabulary.toPandas(), self.config.seed)
            drawn = by_arm.select("arm", "generator").distinct().collect()
        finally:
            real.unpersist()
            by_arm.unpersist()
        writers = {name: [row["generator"] for row in drawn if row["arm"] == name] for name in names}
        return {
            name: msgspec.structs.replace(
                measured, told_apart=apart.get(name), ranking=ranking(self.inputs.generators, writers[name])
            )
            for name, measured in collapsed.items()
        }

    def by_arm(self, arms: Sequence[Arm]) -> DataFrame:
        """Every arm's candidates, with the column arm."""
        return reduce(DataFrame.unionByName, (self.candidates(arm).withColumn("arm", F.lit(arm.name)) for arm in arms))

    def groups(self) -> Groups:
        """Users by what the shop says of them, and by the categories of what they had in the test window."""
        given, tables = self.inputs, self.inputs.tables
        items = tables.items.join(tables.vocabulary, "item_id")
        return groups_of(self.config.evaluate.fairness, tables.sequences, given.user_attributes(), items)

    def leaks(self, arms: Sequence[Arm]) -> list[Check]:
        """See leakage.py."""
        tables = replace(self.inputs.tables, training_rows=self.inputs.rows.read())
        return leak_checks(tables, self.config, arms, self.inputs.generators)
