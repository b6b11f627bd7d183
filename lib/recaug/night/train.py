"""Stage 3: cross-fitted generators, trained on real rows only, all in one launch."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import torch
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.sequences import train_events
from recaug.errors import ContractError
from recaug.generators.training import GeneratorJob, train_generators
from recaug.lake import runs
from recaug.night.context import Context, StageResult
from recaug.recommend.content import alike, item_terms
from recaug.results import Train, TrainedModel
from recaug.training.checkpoint import code_version, is_finished, read_meta
from recaug.training.inputs import log_popularity, neighbours, validation_sample
from recaug.training.models.covisitation import CoVisitation, Informed
from recaug.training.validation import validation_ndcg


def run(context: Context) -> StageResult:
    """Train those of augment.generators that learn, one model a user fold that is left out.

    Reads vocabulary, sequences (train; validation for the curves) and covisitation; writes model folders.
    With training.warm_epochs each goes on from the same fold's model of the last night before with the same
    configuration, where the lake still has that night's vocabulary.
    metrics: models -> "vae-fold0" -> folder, started_from, seconds, reused, curves (validation ranking and collapse
    among them), counts_ndcg@10 (of the other folds' counts on the same validation users).
    Raises ContractError if there is nothing to train on, TrainingError as training.jobs.train does.
    """
    jobs = generator_jobs(context)
    trained = train_generators(jobs, context.spark, context.config, "generators")
    of_counts = {fold: _counts_ndcg(job, context) for fold, job in {job.fold: job for job in jobs}.items()}
    models = [
        TrainedModel(
            name=model.name,
            folder=str(model.folder),
            seed=job.seed,
            seconds=model.seconds,
            reused=model.reused,
            generator=job.kind,
            fold=job.fold,
            started_from=str(job.start[0]) if job.start is not None else None,
            counts_ndcg=of_counts[job.fold],
            curves=model.curves,
        )
        for job, model in zip(jobs, trained, strict=True)
    ]
    weights = sorted(f"{model.folder.name} {read_meta(model.folder)['weights']}" for model in trained)
    written = hashlib.sha256("\n".join(weights).encode()).hexdigest()
    return StageResult(Train(models=models), written, trained=trained)


def _counts_ndcg(job: GeneratorJob, context: Context) -> float:
    """NDCG@10 of the counts that a generator may be informed by, popularity where they say nothing."""
    counts = context.config.covisitation
    assert job.neighbours is not None
    items, weights = (torch.from_numpy(table) for table in job.neighbours)
    table = CoVisitation(items, weights, window=counts.window, backward=counts.backward, decay=counts.decay)
    informed = Informed(table, torch.from_numpy(job.log_popularity))
    with torch.inference_mode():
        discovery = context.config.prepare.task == "discovery"
        return validation_ndcg(informed, job.validation, discovery, torch.device("cpu"))


def generator_jobs(context: Context) -> list[GeneratorJob]:
    """Describe each generator to train; fold k's model sees no row and no count of a user of fold k."""
    config, lake = context.config, context.lake
    vocabulary, sequences = lake.read("vocabulary"), lake.read("sequences")
    train = sequences.where("split = 'train'")
    rows = train.where("length >= 2").groupBy("fold").count().toPandas().set_index("fold")["count"]
    files = lake.snapshot_files("sequences", {"split": "train"})
    before = _last_night(context, vocabulary)
    inputs = [lake.content_hash("sequences", {"split": "train"}), lake.content_hash("covisitation")]
    like = None
    if config.vae.attributes or config.gan.attributes:
        like = alike(item_terms(lake.read("items"), vocabulary), config.covisitation.neighbours)
        inputs += [lake.content_hash("items"), lake.content_hash("vocabulary")]
    jobs = []
    for fold in range(config.prepare.folds):
        others = int(rows.drop(fold, errors="ignore").sum())
        if others == 0:
            raise ContractError(
                f"no history of two events or more outside fold {fold}; "
                "widen prepare.train_days or lower prepare.min_item_users"
            )
        popularity = log_popularity(vocabulary, without=train_events(train.where(F.col("fold") == fold)))
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
            alike=like,
        )
        jobs += [
            dataclasses.replace(first, kind=kind, start=_start(before, f"{kind}-fold{fold}"))
            for kind in config.augment.generators
            if kind in ("vae", "gan")
        ]
    return jobs


def _last_night(context: Context, vocabulary: DataFrame) -> tuple[Train, np.ndarray] | None:
    """The last night's models, and the index in its vocabulary of each item of ours; None where there is none."""
    if context.config.training.warm_epochs is None:
        return None
    nights = [
        run
        for run in runs.history(context.lake, "train")
        if run.event_date < context.date and run.config_hash == context.config.hash
    ]
    if not nights:
        return None
    try:
        before = context.lake.read("vocabulary", nights[-1].input_versions["vocabulary"])
        indices = vocabulary.join(
            before.select("item_id", F.col("item_index").alias("before")), "item_id", how="left"
        ).select("item_index", F.coalesce("before", F.lit(0)).alias("before"))
        found = indices.toPandas()
    except (Py4JJavaError, PySparkException):  # vacuumed since
        return None
    places = np.zeros(int(found["item_index"].max()) + 1, dtype=np.int64)
    places[found["item_index"]] = found["before"]
    return nights[-1].metrics, places


def _start(before: tuple[Train, np.ndarray] | None, name: str) -> tuple[Path, np.ndarray] | None:
    """What a generator goes on from, if its folder is still there and of the same code."""
    address = next((model.folder for model in before[0].models if model.name == name), None) if before else None
    if before is None or address is None:
        return None
    folder = Path(address)
    usable = is_finished(folder) and read_meta(folder)["code"] == code_version()
    return (folder, before[1]) if usable else None
