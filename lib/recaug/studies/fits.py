"""How each model of the benchmark is fitted: the variants of settings that validation chooses from."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from recaug.clickstream import covisitation
from recaug.clickstream.sequences import histories, train_events
from recaug.clickstream.splits import window_events
from recaug.config import Benchmark
from recaug.evaluate.tasks.recommend import RecommendTask
from recaug.generators.registry import generators
from recaug.night.context import Context
from recaug.night.counting import counting_of
from recaug.night.features import content_items, item_features_of
from recaug.night.inputs import generator_inputs
from recaug.recommend.als import fit_als
from recaug.recommend.baselines import CoVisitationCounts, Popularity
from recaug.recommend.blend import Blend
from recaug.recommend.deep import Network
from recaug.recommend.scoring import Scorer
from recaug.results import TrainedModel
from recaug.training.inputs import neighbours
from recaug.training.jobs import train
from recaug.training.models.covisitation import CoVisitation

Variants = dict[str, list[Scorer]]  # settings -> the scorer of each seed


class Fitted(NamedTuple):
    """What fitting a model gave.

    trained: of a deep one the trainings of each settings, whose seconds are known one by one. parts: the models that it
    is made of.
    """

    variants: Variants
    trained: Mapping[str, Sequence[TrainedModel]] = MappingProxyType({})
    parts: Sequence[str] = ()


class FitTables(NamedTuple):
    """What models are fitted from and measured on. events: (n_items + 1,) of the train split."""

    task: RecommendTask
    train: DataFrame
    events: NDArray[np.float32]

    @property
    def n_items(self) -> int:
        """Items of the vocabulary."""
        return len(self.events) - 1


def _popularity(context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    return Fitted({"": [Popularity(tables.events)]})


def _als(context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """One factorisation for each combination of settings."""
    rows = train_events(tables.train).persist()
    grid = settings.als
    try:
        variants: Variants = {
            f"rank {rank}, regularisation {ridge:g}, alpha {alpha:g}": [
                fit_als(
                    rows,
                    tables.n_items,
                    rank=rank,
                    iterations=grid.iterations,
                    regularisation=ridge,
                    alpha=alpha,
                    seed=context.config.seed,
                )
            ]
            for rank, ridge, alpha in itertools.product(grid.rank, grid.regularisation, grid.alpha)
        }
    finally:
        rows.unpersist()
    return Fitted(variants)


def _covisitation(
    context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]
) -> Fitted:
    """Count the train events once for each window and backward weight."""
    lake, config, grid = context.lake, context.config, settings.covisitation
    events = window_events(lake.read("events"), context.date, config.prepare).where("split = 'train'")
    people = lake.read("sequences").where("split = 'serve'").select("user_id", "user_index", "fold")
    ordered = histories(events, lake.read("vocabulary"), people).persist()
    variants: Variants = {}
    try:
        for window, backward in itertools.product(grid.window, grid.backward):
            counts = covisitation.counts(ordered, window, backward)
            near = neighbours(counts, tables.n_items, counting_of(context).neighbours)
            for decay in grid.decay:
                table = CoVisitation(
                    torch.from_numpy(near.items),
                    torch.from_numpy(near.weights),
                    window=window,
                    backward=backward,
                    decay=decay,
                )
                label = f"window {window}, backward {backward:g}, decay {decay:g}"
                variants[label] = [CoVisitationCounts(table, tables.events)]
    finally:
        ordered.unpersist()
    return Fitted(variants)


def _content(context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """The catalogue's terms, with each decay of older events."""
    task, catalogue = tables.task, content_items(context)
    return Fitted({f"decay {decay:g}": [task.by_content(catalogue, decay)] for decay in settings.content})


def _vae(context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """The generator's network as a recommender: from every user's rows, no fold left out."""
    (entry,) = generators([settings.vae] if settings.vae is not None else [])
    inputs = replace(generator_inputs(context), folds=(None,))
    seeded = [replace(inputs, seed=inputs.seed + seed) for seed in range(settings.seeds)]
    jobs = [job for each in seeded for job in entry.jobs(each)]
    trained = train(jobs, context.spark, context.config.training, entry.label)
    return _deep({"": trained})


def _sasrec(context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """One training a settings and seed, on the real rows."""
    trained = {}
    for label, sasrec in (settings.sasrec or {"": context.config.sasrec}).items():
        own = replace(context, config=msgspec.structs.replace(context.config, sasrec=sasrec))
        inputs = replace(tables.task.inputs, item_features=partial(item_features_of, own))
        task = replace(tables.task, config=own.config, inputs=inputs)
        trained[label] = task.train(task.real_jobs("sasrec", settings.seeds), f"SASRec {label}".strip())
    return _deep(trained)


def _deep(trained: Mapping[str, Sequence[TrainedModel]]) -> Fitted:
    """Networks by their settings."""
    return Fitted({label: [Network(model.folder) for model in models] for label, models in trained.items()}, trained)


def _blend(context: Context, settings: Benchmark, tables: FitTables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """Each share of the chosen counts beside each seed of SASRec."""
    (counts,) = chosen["covisitation"]
    assert isinstance(counts, CoVisitationCounts)
    variants: Variants = {}
    for share in settings.blend:
        variants[f"covisitation {share:g}"] = [Blend(deep, counts, share) for deep in chosen["sasrec"]]
    return Fitted(variants, parts=("covisitation", "sasrec"))


Fit = Callable[[Context, Benchmark, FitTables, Mapping[str, list[Scorer]]], Fitted]


FIT: dict[str, Fit] = {
    "popularity": _popularity,
    "als": _als,
    "content": _content,
    "covisitation": _covisitation,
    "vae": _vae,
    "sasrec": _sasrec,
    "blend": _blend,
}
