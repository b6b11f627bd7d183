"""What the study of pictures reads, draws and trains: real pictures by size, generated ones, and classifiers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.augment.pictures import BLOCK, decoded, enhance, sampled
from recaug.clickstream.images import SPLITS, images, numbered
from recaug.clickstream.source import read_source
from recaug.config import Images
from recaug.errors import ContractError
from recaug.evaluate.images import (
    nearest_allowed,
)
from recaug.night.context import Context
from recaug.results import Problems, TrainedModel
from recaug.training.images import ImageJob
from recaug.training.jobs import train

KEY = "images.source"
REAL = "real"  # the arm of real pictures alone
ALONE = "-alone"  # after a generator's name: its pictures without the real ones
Drawn = Mapping[tuple[int, str], DataFrame]  # by size and generator
Slice = tuple[int, str]  # of image_rows: size and arm


class Size(NamedTuple):
    """One comparison. key: real pictures a class, 0 for all.

    pixels, codes: (n, height, width, channels) and (n,) of the real ones. nearest: no generated one may be closer.
    """

    key: int
    real: DataFrame
    pixels: NDArray[np.uint8]
    codes: NDArray[np.int64]
    nearest: float


def read_pictures(context: Context, config: Images) -> tuple[Problems, list[str]]:
    """Write the table images. Returns how many could not be read, with one of them, and the labels by code."""
    source = config.source
    rows = images(read_source(context.spark, source, KEY), source, config.size, config.channels).persist()
    context.lake.replace(
        numbered(rows), "images", {}, context.run_id, files=4 * context.config.training.workers, by=("image_id",)
    )
    rows.unpersist()
    written = context.lake.read("images")
    bad = written.where("pixels IS NULL")
    first = bad.orderBy("image_id").first()
    problems = Problems(n=bad.count(), example=None if first is None else f"{first['image_id']}: {first['problem']}")
    coded = written.select("code", "label").distinct().orderBy("code").collect()
    there = {row["split"] for row in written.where("pixels IS NOT NULL").select("split").distinct().collect()}
    if missing := ", ".join(split for split in SPLITS if split not in there):
        raise ContractError(f"{KEY}: no readable picture in the split {missing}; {problems.n} could not be read")
    if len(coded) < 2:
        raise ContractError(f"{KEY}.label: {len(coded)} class; two or more are needed")
    return problems, [row["label"] for row in coded]


def size_of(kept: DataFrame, per_class: int | None, shape: tuple[int, int, int]) -> Size:
    """The real pictures of a comparison."""
    real = kept.where(F.col("turn") >= 0)
    real = real.where(F.col("turn") < per_class) if per_class is not None else real
    rows = real.select("image_id", "code", "pixels").orderBy("code", "image_id").toPandas()
    pixels = decoded(rows["pixels"], shape).numpy()
    return Size(per_class or 0, real, pixels, rows["code"].to_numpy(), nearest_allowed(pixels, 0))


def jobs_of(context: Context, config: Images, rows: Mapping[Slice, DataFrame], labels: int) -> dict[Slice, ImageJob]:
    """Write what models learn from, in one commit, and describe a training of each slice of it: size and arm."""
    lake, workers = context.lake, context.config.training.workers
    named = [
        of.select("image_id", "code", "pixels").withColumns({"per_class": F.lit(key), "arm": F.lit(arm)})
        for (key, arm), of in rows.items()
    ]
    written = lake.replace(
        reduce(DataFrame.unionByName, named), "image_rows", {}, context.run_id, files=4 * workers, by=("image_id",)
    )
    return {
        (key, arm): ImageJob(
            kind="classifier",
            name=f"{arm}-{size_name(key)}",
            config=config,
            models=context.models,
            files=lake.snapshot_files("image_rows", {"per_class": key, "arm": arm}),
            content_hash=f"{written.content_hash} {key} {arm}",
            seed=context.config.seed,
            classes=labels,
            workers=workers,
        )
        for key, arm in rows
    }


def train_generators(
    context: Context, config: Images, sizes: Sequence[Size], labels: int
) -> dict[tuple[int, str], TrainedModel]:
    """Train each generator on each size's pictures, all in one launch: (size, kind) -> model."""
    of_size = jobs_of(context, config, {(size.key, REAL): size.real for size in sizes}, labels)
    jobs: dict[tuple[int, str], ImageJob] = {}
    for (key, _), job in of_size.items():
        for kind in config.generators:
            if kind != "classic":
                jobs[key, kind] = replace(job, kind=kind, name=f"{kind}-{size_name(key)}")
    return dict(zip(jobs, train(list(jobs.values()), context.spark, context.config.training, "images"), strict=True))


def draw_pictures(context: Context, config: Images, size: Size, kind: str, model: TrainedModel | None) -> DataFrame:
    """So many pictures of each class as there are real ones, times `images.generated`, kept in memory."""
    shape, seed = (config.size, config.size, config.channels), context.config.seed
    if model is None:
        return enhance(size.real, config.classic, shape, config.generated, seed).persist()
    copies = context.spark.range(config.generated).select(F.col("id").alias("copy"))
    order = Window.orderBy("copy", "code", "image_id")
    wanted = size.real.select("code", "image_id").crossJoin(copies)
    blocks = wanted.select(F.floor((F.row_number().over(order) - 1) / BLOCK).cast("int").alias("block"), "code")
    return sampled(blocks, model.folder, f"{kind}-{size_name(size.key)}", seed, size.pixels, size.nearest).persist()


def train_judges(
    context: Context, config: Images, sizes: Sequence[Size], drawn: Drawn, labels: int
) -> dict[tuple[int, str, int], TrainedModel]:
    """Train a classifier on each arm's pictures, several seeds: (size, arm, seed) -> model."""
    rows: dict[Slice, DataFrame] = {}
    for size in sizes:
        for arm in arms(config):
            real = size.real.select("image_id", "code", "pixels")
            made = drawn[size.key, arm.removesuffix(ALONE)].select(*real.columns) if arm != REAL else None
            rows[size.key, arm] = real if made is None else made if arm.endswith(ALONE) else real.unionByName(made)
    jobs = {
        (key, arm, seed): replace(job, name=f"{job.name}-seed{seed}", seed=job.seed + seed)
        for (key, arm), job in jobs_of(context, config, rows, labels).items()
        for seed in range(config.seeds)
    }
    trained = train(list(jobs.values()), context.spark, context.config.training, "classifiers")
    return dict(zip(jobs, trained, strict=True))


def arms(config: Images) -> list[str]:
    """Real pictures alone, and of each generator its pictures with them and without."""
    return [REAL, *config.generators, *(f"{kind}{ALONE}" for kind in config.generators if kind != "classic")]


def size_name(key: int) -> str:
    """How a size is called: the real pictures a class, or all."""
    return str(key) if key else "all"
