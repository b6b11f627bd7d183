"""Generated pictures: train GAN and VAE on few and on all, draw, and prove on real pictures what they are worth."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.augment.pictures import as_png, decoded
from recaug.clickstream.images import grid
from recaug.clickstream.layouts import png
from recaug.errors import ConfigError, TrainingError
from recaug.evaluate.contest import TEST, VALIDATION, Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.gate import Words
from recaug.evaluate.images import (
    features,
    fidelity_and_diversity,
    judged,
    load_classifier,
    picture_fidelity,
    some,
)
from recaug.evaluate.sums import OVERALL, Axes, Sums
from recaug.lake.store import Store
from recaug.night.context import Context, StageResult
from recaug.night.failures import one_line_errors
from recaug.night.nightly import held, run_stage
from recaug.night.stage import Stage
from recaug.report import images as page
from recaug.results import Fidelity, Likeness, Pictures, PictureTrial, TrainedModel
from recaug.studies.picture_rows import (
    REAL,
    Drawn,
    Size,
    arms,
    draw_pictures,
    read_pictures,
    size_name,
    size_of,
    train_generators,
    train_judges,
)

IMAGES = Stage(
    "images",
    reads=(),
    writes=("images", "image_rows", "generated_images"),
    sections=("seed", "images", "evaluate.gate", "training"),
)
ACCURACY = "accuracy"  # of a classifier of pictures: what the gate judges them by
WORDS = Words("the accuracy", "pictures", "validation pictures")
GRID = 10  # pictures of a class in a grid, and classes at most
Results = dict[str, Any]


def run_images(context: Context, say: Callable[[str], None] = print) -> Results:
    """Generate pictures of every class and judge them.

    Writes the tables images, image_rows and generated_images, a row of `runs` (stage `images`), and in
    `<artifacts>/<date>/images/` results.json, results.md, index.html and a grid of each model as PNG.
    Raises ConfigError without the section images, ContractError for a source that lacks what it names.
    """
    if context.config.images is None:
        raise ConfigError("the generation of images needs the section images; conf/images/ shows one")
    with held(context, f"the pictures of {context.date}"):
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
    problems, labels = read_pictures(context, config)
    kept = lake.read("images").where("pixels IS NOT NULL")
    sizes = [size_of(kept, per_class, shape) for per_class in config.per_class]
    generators = train_generators(context, config, sizes, len(labels))
    drawn: Drawn = {
        (size.key, kind): draw_pictures(context, config, size, kind, generators.get((size.key, kind)))
        for size in sizes
        for kind in config.generators
    }
    for (key, kind), pictures in drawn.items():
        if pictures.isEmpty():
            raise TrainingError(
                f"{kind}-{size_name(key)}: each picture that it drew is closer to a real one than these to each other; "
                "give it more real pictures (images.per_class) or fewer epochs"
            )
    judges = train_judges(context, config, sizes, drawn, len(labels))
    folders = {f"{key}|{arm}|{seed}": judge.folder for (key, arm, seed), judge in judges.items()}
    answers = judged(kept.where("split <> 'train'"), folders, shape).toPandas()
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
            _write_grid(context, f"{kind}-{size_name(size.key)}", made, shown["code"].to_numpy())
            alike = fidelity_and_diversity(real, features(some(made, seed), reference))
            closest = None if kind == "classic" else float(shown["distance"].min())
            bound = None if kind == "classic" else size.nearest
            likeness[kind] = Likeness(drawn=len(shown), closest=closest, bound=bound, **alike)
            fidelity[kind] = picture_fidelity(size.pixels, size.codes, made, shown["code"].to_numpy(), alike)
        compared[size_name(size.key)] = _compare(context, answers, size, likeness, fidelity)
    _write_grid(context, REAL, largest.pixels, largest.codes)
    written = _write(context, shape, drawn, generators, compared, labels)
    for rows in drawn.values():
        rows.unpersist()
    published = [trial for trial in compared.values() if trial.decision == "publish" and trial.chosen is not None]
    models = {f"{kind}-{size_name(key)}": model for (key, kind), model in generators.items()}
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


def _compare(
    context: Context,
    answers: pd.DataFrame,
    size: Size,
    likeness: dict[str, Likeness],
    fidelity: Mapping[str, Fidelity],
) -> PictureTrial:
    """Accuracy of each arm on the test pictures, the generators' lift over real pictures, and the gate's decision."""
    config, gate, seed = context.config.images, context.config.evaluate.gate, context.config.seed
    assert config is not None
    scorers = {arm: [f"{size.key}|{arm}|{number}" for number in range(config.seeds)] for arm in arms(config)}
    axes = Axes(tuple(name for own in scorers.values() for name in own), (), (ACCURACY,))
    table = answers.rename(columns={"model": "scorer", "right": ACCURACY})
    table = table.assign(unit=pd.factorize(table["image_id"], sort=True)[0])[table["scorer"].isin(axes.scorers)]
    draws = Draws(gate.bootstraps, seed)
    sums = {split: Sums.of(table[table["split"] == split], axes, draws) for split in (VALIDATION, TEST)}
    every = Contest(sums, scorers, gate)
    held = Contest(sums, {arm: scorers[arm] for arm in (REAL, *config.generators)}, gate)
    chosen, verdict = held.verdict(config.generators, ACCURACY, fidelity, WORDS)
    means = every.summaries(TEST, [ACCURACY])
    return PictureTrial(
        real=len(size.pixels),
        accuracy={arm: means[arm][OVERALL][ACCURACY] for arm in scorers},
        validation=every.means(VALIDATION, ACCURACY),
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
        comparison, model = compared[size_name(key)], generators.get((key, kind))
        made_by = {
            "per_class": F.lit(key),
            "generator": F.lit(kind),
            "label": named,
            "decision": F.lit("publish" if comparison.decision == "publish" and comparison.chosen == kind else "hold"),
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
