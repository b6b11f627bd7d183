"""Generated pictures: train GAN and VAE on few and on all, draw, and prove on real pictures what they are worth."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.augment.pictures import BLOCK, as_png, decoded, enhance, sampled
from recaug.clickstream.images import SPLITS, grid, images, numbered
from recaug.clickstream.source import png, read_source
from recaug.config import Images
from recaug.errors import ConfigError, ContractError, TrainingError
from recaug.evaluate.gate import Words
from recaug.evaluate.images import (
    features,
    fidelity_and_diversity,
    judged,
    load_classifier,
    nearest_allowed,
    picture_fidelity,
    some,
)
from recaug.evaluate.statistics import OVERALL, values
from recaug.evaluate.trial import TEST, VALIDATION, Contest
from recaug.lake.store import Store
from recaug.night.context import Context, StageResult
from recaug.night.nightly import one_line_errors, run_stage
from recaug.night.stage import Stage
from recaug.report import images as page
from recaug.results import Fidelity, Likeness, Pictures, PictureTrial, Problems, TrainedModel
from recaug.training.images import ImageJob
from recaug.training.jobs import train

IMAGES = Stage(
    "images",
    reads=(),
    writes=("images", "image_rows", "generated_images"),
    sections=("seed", "images", "evaluate.gate", "training"),
)
ACCURACY = "accuracy"  # of a classifier of pictures: what the gate judges them by
WORDS = Words("the accuracy", "pictures", "validation pictures")
KEY = "images.source"
REAL = "real"  # the arm of real pictures alone
ALONE = "-alone"  # after a generator's name: its pictures without the real ones
GRID = 10  # pictures of a class in a grid, and classes at most
Results = dict[str, Any]
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


def run_images(context: Context, say: Callable[[str], None] = print) -> Results:
    """Generate pictures of every class and judge them.

    Writes the tables images, image_rows and generated_images, a row of `runs` (stage `images`), and in
    `<artifacts>/<date>/images/` results.json, results.md, index.html and a grid of each model as PNG.
    Raises ConfigError without the section images, ContractError for a source that lacks what it names.
    """
    if context.config.images is None:
        raise ConfigError("the generation of images needs the section images; conf/images/ shows one")
    done = run_stage(context, IMAGES, _images)
    results = msgspec.to_builtins(done.metrics) | {"cpu_seconds": done.cpu_seconds, "wall_seconds": done.wall_seconds}
    folder = context.folder.at("images")
    with one_line_errors(IMAGES.name):
        grids = {name.removesuffix(".png"): folder.read(name) for name in folder.list("*.png")}
        folder.write("results.json", json.dumps(results, indent=2) + "\n")
        folder.write("results.md", page.markdown(results))
        folder.write("index.html", page.render(results, context.run_id, grids))
    pictures = f"{results['drawn']:,} pictures, {results['published']:,} published"
    say(f"  {IMAGES.name:<10} {done.wall_seconds:6.1f} s  {pictures}")
    return results


def _images(context: Context) -> StageResult:
    lake, config = context.lake, context.config.images
    assert config is not None
    shape = (config.size, config.size, config.channels)
    problems, labels = _read(context, config)
    kept = lake.read("images").where("pixels IS NOT NULL")
    sizes = [_size(kept, per_class, shape) for per_class in config.per_class]
    generators = _generators(context, config, sizes, len(labels))
    drawn: Drawn = {
        (size.key, kind): _draw(context, config, size, kind, generators.get((size.key, kind)))
        for size in sizes
        for kind in config.generators
    }
    for (key, kind), pictures in drawn.items():
        if pictures.isEmpty():
            raise TrainingError(
                f"{kind}-{_named(key)}: each picture that it drew is closer to a real one than these to each other; "
                "give it more real pictures (images.per_class) or fewer epochs"
            )
    judges = _judges(context, config, sizes, drawn, len(labels))
    folders = {f"{key}|{arm}|{seed}": one.folder for (key, arm, seed), one in judges.items()}
    told = judged(kept.where("split <> 'train'"), folders, shape).toPandas()
    largest = max(sizes, key=lambda size: len(size.pixels))
    reference, seed = load_classifier(folders[f"{largest.key}|{REAL}|0"]), context.config.seed
    real = features(some(largest.pixels, seed), reference)
    compared: dict[str, PictureTrial] = {}
    for size in sizes:
        likeness: dict[str, Likeness] = {}
        fidelity: dict[str, Fidelity] = {}
        for kind in config.generators:
            shown = drawn[size.key, kind].orderBy("code", "image_id").toPandas()
            made = decoded(shown["pixels"], shape).numpy()
            _write_grid(context, f"{kind}-{_named(size.key)}", made, shown["code"].to_numpy())
            alike = fidelity_and_diversity(real, features(some(made, seed), reference))
            closest = None if kind == "classic" else float(shown["distance"].min())
            bound = None if kind == "classic" else size.nearest
            likeness[kind] = Likeness(drawn=len(shown), closest=closest, bound=bound, **alike)
            fidelity[kind] = picture_fidelity(size.pixels, size.codes, made, shown["code"].to_numpy(), alike)
        compared[_named(size.key)] = _compare(context, told, size, likeness, fidelity)
    _write_grid(context, REAL, largest.pixels, largest.codes)
    written = _write(context, shape, drawn, generators, compared, labels)
    for rows in drawn.values():
        rows.unpersist()
    published = [trial for trial in compared.values() if trial.decision == "publish" and trial.chosen is not None]
    models = {f"{kind}-{_named(key)}": model for (key, kind), model in generators.items()}
    metrics = Pictures(
        images=kept.count(),
        labels=labels,
        problems=problems,
        sizes=compared,
        drawn=sum(alike.drawn for trial in compared.values() for alike in trial.generators.values()),
        published=sum(trial.generators[str(trial.chosen)].drawn for trial in published),
        training_seconds={name: model.seconds for name, model in models.items()},
        models={name: model.folder for name, model in models.items()},
        curves={name: model.curves for name, model in models.items()},
    )
    reasons = tuple(f"{name} a class: {trial.reason}" for name, trial in compared.items())
    trained = [*generators.values(), *judges.values()]
    return StageResult(metrics, written, "publish" if published else "hold", reasons, trained)


def _read(context: Context, config: Images) -> tuple[Problems, list[str]]:
    """Write the table images. Returns how many could not be read, with one of them, and the labels by code."""
    source = config.source
    rows = images(read_source(context.spark, source, KEY), source, config.size, config.channels).persist()
    context.lake.replace(
        numbered(rows), "images", {}, context.run_id, files=4 * context.config.training.workers, by=("image_id",)
    )
    rows.unpersist()
    written = context.lake.read("images")
    bad = written.where("pixels IS NULL")
    one = bad.orderBy("image_id").first()
    problems = Problems(n=bad.count(), example=None if one is None else f"{one['image_id']}: {one['problem']}")
    coded = written.select("code", "label").distinct().orderBy("code").collect()
    there = {row["split"] for row in written.where("pixels IS NOT NULL").select("split").distinct().collect()}
    if missing := ", ".join(split for split in SPLITS if split not in there):
        raise ContractError(f"{KEY}: no readable picture in the split {missing}; {problems.n} could not be read")
    if len(coded) < 2:
        raise ContractError(f"{KEY}.label: {len(coded)} class; two or more are needed")
    return problems, [row["label"] for row in coded]


def _size(kept: DataFrame, per_class: int | None, shape: tuple[int, int, int]) -> Size:
    """The real pictures of a comparison."""
    real = kept.where(F.col("turn") >= 0)
    real = real.where(F.col("turn") < per_class) if per_class is not None else real
    rows = real.select("image_id", "code", "pixels").orderBy("code", "image_id").toPandas()
    pixels = decoded(rows["pixels"], shape).numpy()
    return Size(per_class or 0, real, pixels, rows["code"].to_numpy(), nearest_allowed(pixels, 0))


def _jobs(context: Context, config: Images, rows: Mapping[Slice, DataFrame], labels: int) -> dict[Slice, ImageJob]:
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
            name=f"{arm}-{_named(key)}",
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


def _generators(
    context: Context, config: Images, sizes: Sequence[Size], labels: int
) -> dict[tuple[int, str], TrainedModel]:
    """Train each generator on each size's pictures, all in one launch: (size, kind) -> model."""
    of_size = _jobs(context, config, {(size.key, REAL): size.real for size in sizes}, labels)
    jobs: dict[tuple[int, str], ImageJob] = {}
    for (key, _), job in of_size.items():
        for kind in config.generators:
            if kind != "classic":
                jobs[key, kind] = replace(job, kind=kind, name=f"{kind}-{_named(key)}")
    return dict(zip(jobs, train(list(jobs.values()), context.spark, context.config.training, "images"), strict=True))


def _draw(context: Context, config: Images, size: Size, kind: str, model: TrainedModel | None) -> DataFrame:
    """So many pictures of each class as there are real ones, times `images.generated`, kept in memory."""
    shape, seed = (config.size, config.size, config.channels), context.config.seed
    if model is None:
        return enhance(size.real, config.classic, shape, config.generated, seed).persist()
    copies = context.spark.range(config.generated).select(F.col("id").alias("copy"))
    order = Window.orderBy("copy", "code", "image_id")
    wanted = size.real.select("code", "image_id").crossJoin(copies)
    blocks = wanted.select(F.floor((F.row_number().over(order) - 1) / BLOCK).cast("int").alias("block"), "code")
    return sampled(blocks, model.folder, f"{kind}-{_named(size.key)}", seed, size.pixels, size.nearest).persist()


def _judges(
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
        for (key, arm), job in _jobs(context, config, rows, labels).items()
        for seed in range(config.seeds)
    }
    trained = train(list(jobs.values()), context.spark, context.config.training, "classifiers")
    return dict(zip(jobs, trained, strict=True))


def arms(config: Images) -> list[str]:
    """Real pictures alone, and of each generator its pictures with them and without."""
    return [REAL, *config.generators, *(f"{kind}{ALONE}" for kind in config.generators if kind != "classic")]


def _compare(
    context: Context,
    told: pd.DataFrame,
    size: Size,
    likeness: dict[str, Likeness],
    fidelity: Mapping[str, Fidelity],
) -> PictureTrial:
    """Accuracy of each arm on the test pictures, the generators' lift over real pictures, and the gate's decision."""
    config, gate, seed = context.config.images, context.config.evaluate.gate, context.config.seed
    assert config is not None
    scorers = {arm: [f"{size.key}|{arm}|{number}" for number in range(config.seeds)] for arm in arms(config)}
    table = told.rename(columns={"image_id": "unit", "model": "scorer", "right": ACCURACY})
    table = table[table["scorer"].isin([name for own in scorers.values() for name in own])]
    every = Contest(table, scorers, (), gate, seed)
    held = Contest(table, {arm: scorers[arm] for arm in (REAL, *config.generators)}, (), gate, seed)
    chosen, verdict = held.verdict(ACCURACY, fidelity, WORDS)
    means = every.summaries(TEST, [ACCURACY])
    validation = every.split(VALIDATION)
    return PictureTrial(
        real=len(size.pixels),
        accuracy={arm: means[arm][OVERALL][ACCURACY] for arm in scorers},
        validation={arm: float(values(validation, own, ACCURACY).mean()) for arm, own in scorers.items()},
        lift={kind: lift[OVERALL] for kind, lift in held.lifts(TEST, ACCURACY).items()},
        chosen=chosen,
        decision=verdict.decision,
        reason="; ".join(verdict.reasons),
        generators=likeness,
    )


def _write(
    context: Context,
    shape: tuple[int, int, int],
    drawn: Drawn,
    generators: Mapping[tuple[int, str], TrainedModel],
    compared: Mapping[str, PictureTrial],
    labels: Sequence[str],
) -> str:
    """Write generated_images in one commit. Returns the hash of its rows."""
    named = F.element_at(F.array(*(F.lit(label) for label in labels)), F.col("code") + 1)
    parts = []
    for (key, kind), rows in drawn.items():
        told, model = compared[_named(key)], generators.get((key, kind))
        made_by = {
            "per_class": F.lit(key),
            "generator": F.lit(kind),
            "label": named,
            "decision": F.lit("publish" if told.decision == "publish" and told.chosen == kind else "hold"),
            "generator_version": F.lit(kind if model is None else Store(model.folder).name),
            "run_id": F.lit(context.run_id),
        }
        parts.append(rows.withColumns(made_by).drop("code"))
    pictures = as_png(reduce(DataFrame.unionByName, parts), shape)
    return context.lake.replace(pictures, "generated_images", {}, context.run_id).content_hash


def _write_grid(context: Context, name: str, pictures: NDArray[np.uint8], codes: NDArray[np.int64]) -> None:
    """Write ten pictures of each of the first ten classes as one PNG, a class a row."""
    rows = [pictures[codes == code][:GRID] for code in np.unique(codes)[:GRID]]
    blank = np.full((GRID, *pictures.shape[1:]), 255, np.uint8)
    laid = grid(np.concatenate([np.concatenate([row, blank])[:GRID] for row in rows]), GRID)
    context.folder.write(f"images/{name}.png", png(laid))


def _named(key: int) -> str:
    """How a size is called: the real pictures a class, or all."""
    return str(key) if key else "all"
