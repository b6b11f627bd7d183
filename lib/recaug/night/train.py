"""Stage 3: cross-fitted generators, trained on real rows only, all in one launch."""

import dataclasses
import hashlib
from typing import Any

from pyspark.sql import functions as F

from recaug.errors import ContractError
from recaug.night.context import Context, StageResult
from recaug.training.checkpoint import read_meta
from recaug.training.generators import GeneratorJob, train_generators
from recaug.training.inputs import log_popularity, neighbours, validation_sample


def run(context: Context) -> StageResult:
    """Train augment.generators, one model a user fold that is left out.

    Reads vocabulary, sequences (train; validation for the curves) and covisitation; writes model folders.
    metrics: models -> "vae-fold0" -> folder, seconds, reused, curves (validation ranking and collapse among them).
    Raises ContractError if there is nothing to train on, TrainingError as training.jobs.train does.
    """
    jobs = generator_jobs(context)
    trained = train_generators(jobs, context.spark, context.config, "generators")
    models: dict[str, Any] = {
        model.name: {
            "folder": str(model.folder),
            "seconds": model.seconds,
            "reused": model.reused,
            "curves": model.curves,
        }
        for model in trained
    }
    weights = sorted(f"{model.folder.name} {read_meta(model.folder)['weights']}" for model in trained)
    return StageResult({"models": models}, hashlib.sha256("\n".join(weights).encode()).hexdigest())


def generator_jobs(context: Context) -> list[GeneratorJob]:
    """Describe each generator to train; fold k's model sees no row and no count of a user of fold k."""
    config, lake = context.config, context.lake
    vocabulary, sequences = lake.read("vocabulary"), lake.read("sequences")
    popularity = log_popularity(vocabulary)
    rows = (
        sequences.where((F.col("split") == "train") & (F.col("length") >= 2))
        .groupBy("fold")
        .count()
        .toPandas()
        .set_index("fold")["count"]
    )
    _, files = lake.snapshot_files("sequences", {"split": "train"})
    inputs = [lake.content_hash("sequences", {"split": "train"}), lake.content_hash("covisitation")]
    jobs = []
    for fold in range(config.prepare.folds):
        others = int(rows.drop(fold, errors="ignore").sum())
        if others == 0:
            raise ContractError(
                f"no history of two events or more outside fold {fold}; "
                "widen prepare.train_days or lower prepare.min_item_users"
            )
        near = neighbours(
            lake.read("covisitation").where(F.col("fold") != fold), len(popularity) - 1, config.covisitation.neighbours
        )
        held_out = sequences.where((F.col("split") == "validation") & (F.col("fold") == fold))
        first = GeneratorJob(
            kind="vae",
            fold=fold,
            models=context.models,
            files=files,
            content_hash=" ".join(map(str, inputs)),
            rows=others,
            seed=config.seed,
            n_items=len(popularity) - 1,
            log_popularity=popularity,
            neighbours=near,
            validation=validation_sample(held_out, config.prepare.max_length),
        )
        jobs += [dataclasses.replace(first, kind=kind) for kind in config.augment.generators]
    return jobs
