"""Every recommender on the same splits: validation chooses each one's settings, the test is seen once."""

import datetime as dt
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream import covisitation
from recaug.clickstream.sequences import histories, train_events
from recaug.clickstream.splits import window_events
from recaug.clickstream.terms import item_terms
from recaug.config import Benchmark
from recaug.evaluate.ranking import exposures, user_metrics
from recaug.generators.registry import generators
from recaug.night.context import Context
from recaug.night.cost import Cost
from recaug.night.evaluate import LIST, catalogue_of, check_leaks, real_rows_jobs, summaries_of
from recaug.night.features import content_items
from recaug.night.inputs import generator_inputs
from recaug.night.nightly import one_line_errors, run_night
from recaug.recommend.als import fit_als
from recaug.recommend.baselines import CoVisitationCounts, Popularity
from recaug.recommend.blend import Blend
from recaug.recommend.content import ContentBased
from recaug.recommend.deep import Trained as Network
from recaug.recommend.scoring import Scorer
from recaug.report import benchmark as page
from recaug.results import TrainedModel
from recaug.training.inputs import neighbours, popularity_and_head
from recaug.training.jobs import train
from recaug.training.models.covisitation import CoVisitation
from recaug.training.recommender import train_sasrec

CHOOSES = "ndcg@10"  # on validation
FILE = "results.json"  # under the artifacts
SHORT = ("hr@10", "ndcg@10", "recall@10", "recall@20")

Variants = dict[str, list[Scorer]]  # settings -> the scorer of each seed


class Fitted(NamedTuple):
    """What fitting a model gave.

    trained: the trainings of a deep one, whose seconds are known one by one. parts: the models that it is made of.
    """

    variants: Variants
    trained: Sequence[TrainedModel] = ()
    parts: Sequence[str] = ()


class Tables(NamedTuple):
    """What models are fitted from. events: (n_items + 1,) of the train split; head: (n_items + 1,)."""

    train: DataFrame
    events: NDArray[np.float32]
    head: NDArray[np.bool_]

    @property
    def n_items(self) -> int:
        """Items of the vocabulary."""
        return len(self.events) - 1


class Fold(NamedTuple):
    """What one fold gave. table: of user_metrics on its test split; catalogue, told: model -> what is said of it."""

    table: pd.DataFrame
    catalogue: dict[str, dict[str, float]]
    told: dict[str, dict[str, Any]]


def run_benchmark(context: Context, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Prepare, fit and choose every model of `benchmark`, then judge the chosen ones on the test split; fold by fold.

    Writes results.json (the contract), results.md and index.html under artifacts, and returns the results: model ->
    hr@10, ndcg@10, recall@10, recall@20 (each mean, low, high, over the users of all folds; of cold users under
    `cold`), catalogue, settings, validation (means over the folds), train_seconds (of one seed, or of all settings
    tried), cpu_seconds (of all folds), seeds, folds, run_id.
    Where results.json holds this very run it is given back: the test is seen once.
    Raises ContractError where a table leaks.
    """
    settings = context.config.benchmark
    assert settings is not None
    before = json.loads(context.artifacts.read(FILE)) if context.artifacts.exists(FILE) else {}
    if before and all(result["run_id"] == context.run_id for result in before.values()):
        say(f"{context.artifacts.address(FILE)} holds this run: the test is seen once")
        return before
    folds = [_fold(of_fold, settings, say) for of_fold in fold_contexts(context, settings)]
    with one_line_errors("benchmark"):
        results = _merged(context, settings, folds)
        _write(context, results)
    return results


def fold_contexts(context: Context, settings: Benchmark) -> list[Context]:
    """Give the night of each fold: earlier ones first where the split is by time, else each with other users."""
    if settings.folds == 1:
        return [context]
    if context.config.prepare.split == "time":
        back = [dt.timedelta(days=settings.step_days * number) for number in reversed(range(settings.folds))]
        return [replace(context, date=context.date - days) for days in back]
    holdout, nights = context.config.prepare.holdout, []
    for fold in range(settings.folds):
        prepare = msgspec.structs.replace(
            context.config.prepare, holdout=msgspec.structs.replace(holdout, fold=fold) if holdout else None
        )
        nights.append(replace(context, config=msgspec.structs.replace(context.config, prepare=prepare)))
    return nights


def _fold(context: Context, settings: Benchmark, say: Callable[[str], None]) -> Fold:
    """Prepare one fold, fit and choose its models on validation, and see its test."""
    run_night(context.config, context.date, context.spark, ["ingest", "prepare"], resume=True, say=say)
    with one_line_errors("benchmark"):
        check_leaks(context)
        tables = _tables(context)
        chosen: dict[str, list[Scorer]] = {}
        told: dict[str, dict[str, Any]] = {}
        for model in settings.models:
            with Cost(context.spark) as cost:
                fitted = FIT[model](context, settings, tables, chosen)
            ranked = _validate(context, tables, fitted.variants)
            best = max(ranked, key=lambda label: ranked[label])
            chosen[model] = fitted.variants[best]
            told[model] = {
                "settings": best,
                "validation": ranked,
                **_cost(context, cost, fitted, told),
                "seeds": len(chosen[model]),
            }
            of = f" ({best})" if best else ""
            say(f"  {model:<13} {cost.wall_seconds:6.1f} s  {CHOOSES} {ranked[best]:.4f} on validation{of}")
        table, catalogue = _judge(context, tables, chosen)
    return Fold(table, catalogue, told)


def _merged(context: Context, settings: Benchmark, folds: Sequence[Fold]) -> dict[str, Any]:
    """One result a model from those of the folds; a user counts once in each fold that tests them."""
    table = pd.concat([fold.table for fold in folds], ignore_index=True)
    named: dict[str, list[str]] = {
        model: _seed_names(model, folds[0].told[model]["seeds"]) for model in settings.models
    }
    summaries = summaries_of(table, named, context)
    results: dict[str, Any] = {}
    for model in settings.models:
        whole, told = summaries[model], [fold.told[model] for fold in folds]
        labels = told[0]["validation"]
        results[model] = {
            **{name: whole["overall"][name] for name in SHORT},
            "cold": {name: whole["cold"][name] for name in SHORT} if "cold" in whole else {},
            "catalogue": _mean([fold.catalogue[model] for fold in folds]),
            "settings": "; ".join(dict.fromkeys(one["settings"] for one in told)),
            "validation": {label: float(np.mean([one["validation"][label] for one in told])) for label in labels},
            "train_seconds": round(float(np.mean([one["train_seconds"] for one in told])), 1),
            "cpu_seconds": round(sum(one["cpu_seconds"] for one in told), 1),
            "seeds": told[0]["seeds"],
            "folds": len(folds),
            "run_id": context.run_id,
        }
    return results


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _seed_names(model: str, seeds: int) -> list[str]:
    return [f"{model}-seed{seed}" for seed in range(seeds)]


def _cost(context: Context, cost: Cost, fitted: Fitted, told: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of one training, and CPU seconds of all; a model found finished costs what its one thread a rank took."""
    seconds = [one.seconds for one in fitted.trained]
    wall, cpu = cost.wall_seconds, cost.cpu_seconds
    if seconds:
        wall = sum(seconds) / len(seconds)
        if any(one.reused for one in fitted.trained):
            cpu = sum(seconds) * context.config.training.workers
    wall += sum(told[part]["train_seconds"] for part in fitted.parts)
    cpu += sum(told[part]["cpu_seconds"] for part in fitted.parts)
    return {"train_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}


def _tables(context: Context) -> Tables:
    events, head = popularity_and_head(context.lake.read("vocabulary"))
    return Tables(context.lake.read("sequences").where("split = 'train'"), events, head)


def _validate(context: Context, tables: Tables, variants: Variants) -> dict[str, float]:
    """Mean of the metric over the users of the validation split, and the seeds, for each settings."""
    named = {f"{label}|{seed}": one for label, seeds in variants.items() for seed, one in enumerate(seeds)}
    rows = context.lake.read("sequences").where("split = 'validation'")
    measured = user_metrics(rows, named, tables.events, tables.head, context.config.prepare.task == "discovery")
    means = measured.groupBy("scorer").agg(F.avg(CHOOSES).alias("mean")).toPandas()
    labels = means["scorer"].str.rsplit("|", n=1).str[0]
    found: dict[str, float] = means.groupby(labels)["mean"].mean().to_dict()
    return found


def _judge(
    context: Context, tables: Tables, chosen: Mapping[str, Sequence[Scorer]]
) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Measure the chosen models on the test split: the users' table, and each model's catalogue metrics."""
    named = {model: _seed_names(model, len(seeds)) for model, seeds in chosen.items()}
    scorers = {name: one for model, names in named.items() for name, one in zip(names, chosen[model], strict=True)}
    rows = context.lake.read("sequences").where("split = 'test'")
    measured = user_metrics(
        rows, scorers, tables.events, tables.head, context.config.prepare.task == "discovery"
    ).persist()
    try:
        table = measured.drop("top").orderBy("user_index").toPandas()
        shown = exposures(measured, "test", LIST)
    finally:
        measured.unpersist()
    return table, {
        model: catalogue_of(shown[shown["scorer"].isin(names)], names, tables.events) for model, names in named.items()
    }


def _popularity(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    return Fitted({"": [Popularity(tables.events)]})


def _als(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """One factorisation for each combination of settings."""
    rows = train_events(tables.train).persist()
    grid = settings.als
    try:
        found: Variants = {
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
    return Fitted(found)


def _covisitation(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """Count the train events once for each window and backward weight."""
    lake, config, grid = context.lake, context.config, settings.covisitation
    events = window_events(lake.read("events"), context.date, config.prepare).where("split = 'train'")
    people = lake.read("sequences").where("split = 'serve'").select("user_id", "user_index", "fold")
    ordered = histories(events, lake.read("vocabulary"), people).persist()
    found: Variants = {}
    try:
        for window, backward in itertools.product(grid.window, grid.backward):
            counts = covisitation.counts(ordered, window, backward)
            near = neighbours(counts, tables.n_items, config.covisitation.neighbours)
            for decay in grid.decay:
                table = CoVisitation(
                    torch.from_numpy(near.items),
                    torch.from_numpy(near.weights),
                    window=window,
                    backward=backward,
                    decay=decay,
                )
                label = f"window {window}, backward {backward:g}, decay {decay:g}"
                found[label] = [CoVisitationCounts(table, tables.events)]
    finally:
        ordered.unpersist()
    return Fitted(found)


def _content(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """The catalogue's terms, with each decay of older events."""
    terms = item_terms(content_items(context), context.lake.read("vocabulary"))
    return Fitted({f"decay {decay:g}": [ContentBased(terms, tables.events, decay)] for decay in settings.content})


def _vae(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """The generator's network as a recommender: from every user's rows, no fold left out."""
    (entry,) = generators([settings.vae] if settings.vae is not None else [])
    inputs = replace(generator_inputs(context), folds=(None,))
    seeded = [replace(inputs, seed=inputs.seed + seed) for seed in range(settings.seeds)]
    jobs = [job for each in seeded for job in entry.jobs(each)]
    trained = train(jobs, context.spark, context.config.training, entry.label)
    return Fitted({"": [Network(one.folder) for one in trained]}, trained)


def _sasrec(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """One training a seed, on the real rows."""
    trained = train_sasrec(real_rows_jobs(context, settings.seeds), context.spark, context.config, "SASRec")
    return Fitted({"": [Network(one.folder) for one in trained]}, trained)


def _blend(context: Context, settings: Benchmark, tables: Tables, chosen: Mapping[str, list[Scorer]]) -> Fitted:
    """Each share of the chosen counts beside each seed of SASRec."""
    (counts,) = chosen["covisitation"]
    assert isinstance(counts, CoVisitationCounts)
    found: Variants = {}
    for share in settings.blend:
        found[f"covisitation {share:g}"] = [Blend(deep, counts, share) for deep in chosen["sasrec"]]
    return Fitted(found, parts=("covisitation", "sasrec"))


Fit = Callable[[Context, Benchmark, Tables, Mapping[str, list[Scorer]]], Fitted]
FIT: dict[str, Fit] = {
    "popularity": _popularity,
    "als": _als,
    "content": _content,
    "covisitation": _covisitation,
    "vae": _vae,
    "sasrec": _sasrec,
    "blend": _blend,
}


def _write(context: Context, results: Mapping[str, Any]) -> None:
    """Write the results in three forms."""
    context.artifacts.write(FILE, json.dumps(results, indent=2) + "\n")
    context.artifacts.write("results.md", page.markdown(results))
    context.artifacts.write("index.html", page.render(results, context.run_id, context.config.prepare.split))
