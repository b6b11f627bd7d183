"""What a night gives its generators; they know neither the lake nor the night."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.noisy_counts import one_row_a_user
from recaug.errors import ConfigError
from recaug.generators.accounting import plan
from recaug.generators.inputs import Before, GeneratorInputs
from recaug.generators.private import Private
from recaug.generators.registry import generators
from recaug.lake.store import Store
from recaug.lake.tombstones import last_erasure
from recaug.night.context import Context
from recaug.night.counting import counting_of
from recaug.night.features import of_completion
from recaug.results import TrainedModel
from recaug.training.checkpoint import code_version, read_meta


@dataclass(frozen=True)
class NightTables:
    """The night's tables; what a completion wrote only where the night may know it."""

    context: Context

    def read(self, name: str) -> DataFrame:
        """Read a table. Raises ContractError where there is none, or it is of a later day's completion."""
        return of_completion(self.context, name) if name == "item_latents" else self.context.lake.read(name)

    def content_hash(self, name: str, partition: Mapping[str, str] | None = None) -> str | None:
        """Hash the rows of a table, or of a partition of it."""
        return self.context.lake.content_hash(name, partition)

    def snapshot_files(self, name: str, partition: Mapping[str, str]) -> list[str]:
        """Give the addresses of a partition's files."""
        return self.context.lake.snapshot_files(name, partition)


def generator_inputs(context: Context, before: Before | None = None) -> GeneratorInputs:
    """Give what the night's generators learn and sample from; before: models that they go on from."""
    config = context.config
    return GeneratorInputs(
        models=context.models,
        tables=NightTables(context),
        counts=counting_of(context),
        seed=config.seed,
        folds=range(config.prepare.folds),
        max_length=config.prepare.max_length,
        discovery=config.prepare.task == "discovery",
        workers=config.training.workers,
        before=before,
        min_users=config.privacy.min_users,
        private=private_of(context),
    )


def private_of(context: Context) -> Private | None:
    """Give how the night keeps differential privacy, of which all its generators together spend privacy.epsilon.

    Raises ConfigError where privacy.delta is too much for so few users, or Opacus is not there.
    """
    config, settings = context.config, context.config.privacy
    if settings.epsilon is None or settings.secret is None:
        return None
    users = one_row_a_user(context.lake.read("sequences")).where("length >= 2").count()
    if settings.delta * users >= 1:
        raise ConfigError(f"privacy.delta {settings.delta:g} is 1 in {users} users or more; set it to a tenth of that")
    samplings = {entry.name: entry.sampling(max(users, 1)) for entry in generators(config.augment.generators)}
    planned = plan(settings, {name: sampling for name, sampling in samplings.items() if sampling is not None})
    return Private(
        secret=settings.secret.encode(),
        counts=planned.counts,
        training=planned.training,
        delta=settings.delta / 2,
        contributions=settings.contributions,
        users=users,
        spent=planned.spent,
    )


def last_night(context: Context) -> Before | None:
    """Give the last night's models of the same seed and code, where the lake still has that night's vocabulary.

    None where training.warm_epochs is null, there is no such night, or users have been erased since its training.
    """
    epochs = context.config.training.warm_epochs
    if epochs is None:
        return None
    nights = [record for record in context.history("train") if record.event_date < context.date]
    erased = last_erasure(context.lake)
    if not nights or (erased is not None and nights[-1].finished <= erased):
        return None
    folders = {
        (model.generator, model.fold): model.folder
        for model in nights[-1].metrics.models
        if model.generator is not None and model.seed == context.config.seed and _usable(model)
    }
    version = nights[-1].input_versions.get("vocabulary")
    if not folders or version is None:
        return None
    places = places_in(context.lake.read("vocabulary"), partial(context.lake.read, "vocabulary", version))
    return None if places is None else Before(folders, dict.fromkeys(folders, epochs), places)


def _usable(model: TrainedModel) -> bool:
    """Say whether its folder is still there and of the same code."""
    return Store(model.folder).finished() and read_meta(model.folder)["code"] == code_version()


def places_in(vocabulary: DataFrame, read: Callable[[], DataFrame]) -> np.ndarray | None:
    """Index of each item in the vocabulary that is read, (n_items + 1,), 0 for none; None where that is gone."""
    try:
        before = read().select("item_id", F.col("item_index").alias("before"))
        indices = vocabulary.join(before, "item_id", how="left").select("item_index", "before").fillna(0).toPandas()
    except (Py4JJavaError, PySparkException):  # vacuumed since
        return None
    places = np.zeros(int(indices["item_index"].max()) + 1, dtype=np.int64)
    places[indices["item_index"]] = indices["before"]
    return places
