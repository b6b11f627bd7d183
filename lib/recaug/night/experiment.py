"""The night's recommender as a task: the tables, files and models of the lake that its trials go by."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import POLICY
from recaug.evaluate.arms import NONE, arms_of, controls_of
from recaug.evaluate.leakage import Checked
from recaug.evaluate.tasks.recommend import RecommendInputs, RecommendTask, RowFiles
from recaug.night.context import Context
from recaug.night.counting import counting_of
from recaug.night.features import content_items, item_features_of
from recaug.results import Arm, Train


@dataclass(frozen=True)
class TrainingRows:
    """The table training_rows, a partition an arm."""

    context: Context

    def write(self, arm: str, rows: DataFrame) -> RowFiles:
        """Replace an arm's rows."""
        lake, workers = self.context.lake, self.context.config.training.workers
        commit = lake.replace(
            rows.withColumn("arm", F.lit(arm)),
            "training_rows",
            {"arm": arm},
            self.context.run_id,
            files=4 * workers,
            by=("user_index", "window"),
        )
        return RowFiles(lake.snapshot_files("training_rows", {"arm": arm}), commit.content_hash)

    def read(self) -> DataFrame | None:
        """Every arm's rows; None where none are written."""
        return self.context.lake.read("training_rows") if self.context.lake.exists("training_rows") else None


def recommend_task(context: Context, generators: Train | None = None) -> RecommendTask:
    """The night's recommender, once the night is prepared; it has candidates once augment has run.

    generators: those that wrote them; None: the train stage's.
    """
    lake, config = context.lake, context.config
    if generators is None:
        trained = context.find("train")
        generators = trained.metrics if trained is not None else Train(models=[])
    return RecommendTask(
        config,
        RecommendInputs(
            tables=tables_of(context),
            catalogue=content_items(context) if config.source.items is not None else None,
            train_files=RowFiles(
                lake.snapshot_files("sequences", {"split": "train"}),
                str(lake.content_hash("sequences", {"split": "train"})),
            ),
            negatives_files=lake.snapshot_files("negatives", {"event_date": context.date}),
            item_features=lambda: item_features_of(context),
            models=context.models,
            generators=generators,
            rows=TrainingRows(context),
            user_attributes=lambda: lake.read("user_attributes") if config.evaluate.fairness.user else None,
        ),
    )


def tables_of(context: Context) -> Checked:
    """The night's tables as they are now; of events the version that prepare read."""
    lake, prepared = context.lake, context.find("prepare")
    candidates = lake.read("candidate_events") if lake.exists("candidate_events") else None
    return Checked(
        date=context.date,
        events=lake.read("events", prepared.input_versions.get("events") if prepared is not None else None),
        items=lake.read("items"),
        vocabulary=lake.read("vocabulary"),
        sequences=lake.read("sequences"),
        user_features=lake.read("user_features"),
        item_features=lake.read("item_features"),
        covisitation=lake.read("covisitation"),
        counting=counting_of(context),
        negatives=lake.read("negatives").where(F.col("event_date") == F.lit(context.date)),
        candidates=None if candidates is None else candidates.where(F.col("run_id") == context.run_id),
    )


def arms_to_be(context: Context) -> list[Arm]:
    """The arms that the night is to be evaluated with; the policy's recipe is not known before."""
    if context.config.evaluate.policy is not None:
        return [Arm(name=NONE), *controls_of(context.config.augment), Arm(name=POLICY)]
    return arms_of(context.config.augment)


def recorded_arms(context: Context) -> Sequence[Arm]:
    """The arms that the night was evaluated with or, before that, is to be with."""
    judged = context.find("evaluate")
    return arms_to_be(context) if judged is None else [result.arm for result in judged.metrics.arms.values()]
