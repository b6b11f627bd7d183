"""Every recommender on the same splits: validation chooses each one's settings, the test is seen once."""

import datetime as dt
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import msgspec
import numpy as np
from pyspark.sql import functions as F

from recaug.config import Benchmark
from recaug.evaluate.contest import TEST, VALIDATION, Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.exposure import catalogue_of
from recaug.evaluate.gate import best
from recaug.evaluate.ranking import LIST
from recaug.evaluate.sums import OVERALL, Axes, Sums, sums_of
from recaug.evaluate.tasks.recommend import RecommendTask
from recaug.evaluate.trial import measuring, refuse_leaks, shown_by
from recaug.night.context import Context
from recaug.night.cost import Cost
from recaug.night.experiment import recommend_task, recorded_arms
from recaug.night.failures import one_line_errors
from recaug.night.nightly import run_night
from recaug.recommend.scoring import Scorer
from recaug.report import benchmark as page
from recaug.results import Catalogue, TrainedModel
from recaug.studies.fits import FIT, FitTables, Fitted, Variants

CHOOSES = "ndcg@10"  # on validation
FILE = "results.json"  # under the artifacts
SHORT = ("hr@10", "ndcg@10", "recall@10", "recall@20")


class Fold(NamedTuple):
    """What one fold gave. sums: of its test's users; catalogue, details: model -> what is said of it."""

    sums: Sums
    catalogue: dict[str, Catalogue]
    details: dict[str, dict[str, Any]]


def run_benchmark(context: Context, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Prepare, fit and choose every model of `benchmark`, then judge the chosen ones on the test split; fold by fold.

    Writes results.json (the contract), results.md and index.html under artifacts, and returns the results: model ->
    hr@10, ndcg@10, recall@10, recall@20 (each mean, low, high, over the users of all folds; of cold users under
    `cold`), catalogue, settings, validation (of each settings, means over the folds), train_seconds (of one seed, or
    of all settings tried of what is not deep), seconds_by_settings (of one seed), cpu_seconds (of all folds), seeds,
    by_seed (metric -> the mean of each), folds, run_id.
    Where results.json holds this very run it is given back: the test is seen once.
    Raises ContractError where a table leaks.
    """
    settings = context.config.benchmark
    assert settings is not None
    before = json.loads(context.artifacts.read(FILE)) if context.artifacts.exists(FILE) else {}
    if before and all(result["run_id"] == context.study_id for result in before.values()):
        say(f"{context.artifacts.address(FILE)} holds this run: the test is seen once")
        return before
    folds = [_fold(number, own, settings, say) for number, own in enumerate(fold_contexts(context, settings))]
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


def _fold(number: int, context: Context, settings: Benchmark, say: Callable[[str], None]) -> Fold:
    """Prepare one fold, fit and choose its models on validation, and see its test."""
    run_night(context.config, context.date, context.spark, ["ingest", "prepare"], resume=True, say=say)
    with one_line_errors("benchmark"):
        tables = _tables(context)
        refuse_leaks(tables.task, recorded_arms(context))
        chosen: dict[str, list[Scorer]] = {}
        details: dict[str, dict[str, Any]] = {}
        for model in settings.models:
            with Cost(context.spark) as cost:
                fitted = FIT[model](context, settings, tables, chosen)
            ranked = _validate(tables.task, fitted.variants)
            settled = best(ranked)
            chosen[model] = fitted.variants[settled]
            details[model] = {
                "settings": settled,
                "validation": ranked,
                **_cost(context, cost, fitted, settled, details),
                "seeds": len(chosen[model]),
            }
            by = f" ({settled})" if settled else ""
            say(f"  {model:<13} {cost.wall_seconds:6.1f} s  {CHOOSES} {ranked[settled]:.4f} on validation{by}")
        sums, catalogue = _judge(tables.task, chosen, number)
    return Fold(sums, catalogue, details)


def _merged(context: Context, settings: Benchmark, folds: Sequence[Fold]) -> dict[str, Any]:
    """One result a model from those of the folds; a user counts once in each fold that tests them."""
    named: dict[str, list[str]] = {
        model: _seed_names(model, folds[0].details[model]["seeds"]) for model in settings.models
    }
    sums = reduce(add, [fold.sums for fold in folds])
    contest = Contest({TEST: sums}, named, context.config.evaluate.gate)
    summaries, by_seed = contest.summaries(TEST, SHORT), {metric: contest.by_seed(TEST, metric) for metric in SHORT}
    results: dict[str, Any] = {}
    for model in settings.models:
        whole, details = summaries[model], [fold.details[model] for fold in folds]
        ranked = [entry["validation"] for entry in details]
        results[model] = {
            **msgspec.to_builtins(whole["overall"]),
            "cold": msgspec.to_builtins(whole.get("cold", {})),
            "catalogue": _mean([fold.catalogue[model] for fold in folds]),
            "settings": "; ".join(dict.fromkeys(entry["settings"] for entry in details)),
            "validation": _means(ranked),
            "train_seconds": round(float(np.mean([entry["train_seconds"] for entry in details])), 1),
            "cpu_seconds": round(sum(entry["cpu_seconds"] for entry in details), 1),
            "seconds_by_settings": _means([entry["seconds_by_settings"] for entry in details]),
            "seeds": details[0]["seeds"],
            "by_seed": {metric: by_seed[metric][model] for metric in SHORT},
            "folds": len(folds),
            "run_id": context.study_id,
        }
    return results


def _mean(folds: Sequence[Catalogue]) -> dict[str, float]:
    """Means over the folds, by the names of the contract."""
    names = ("coverage", "gini", "novelty")
    return {f"{name}@{LIST}": float(np.mean([getattr(fold, name) for fold in folds])) for name in names}


def _means(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the folds, by the settings tried."""
    return {label: float(np.mean([fold[label] for fold in folds])) for label in folds[0]}


def _seed_names(model: str, seeds: int) -> list[str]:
    return [f"{model}-seed{seed}" for seed in range(seeds)]


def _cost(
    context: Context, cost: Cost, fitted: Fitted, settled: str, details: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Seconds of one training, and CPU seconds of all; a model found finished costs what its one thread a rank took."""
    seconds = {label: _mean_seconds(trainings) for label, trainings in fitted.trained.items()}
    wall, cpu = seconds.get(settled, cost.wall_seconds), cost.cpu_seconds
    trainings = list(itertools.chain.from_iterable(fitted.trained.values()))
    if any(training.reused for training in trainings):
        cpu = sum(training.seconds for training in trainings) * context.config.training.workers
    wall += sum(details[part]["train_seconds"] for part in fitted.parts)
    cpu += sum(details[part]["cpu_seconds"] for part in fitted.parts)
    return {"train_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1), "seconds_by_settings": seconds}


def _mean_seconds(trainings: Sequence[TrainedModel]) -> float:
    return round(sum(training.seconds for training in trainings) / len(trainings), 1)


def _tables(context: Context) -> FitTables:
    task = recommend_task(context)
    return FitTables(task, task.train_rows, task.items.events)


def _validate(task: RecommendTask, variants: Variants) -> dict[str, float]:
    """Mean of the metric over the users of the validation split, and the seeds, for each settings."""
    named = {label: [f"{label}|{seed}" for seed in range(len(seeds))] for label, seeds in variants.items()}
    scorers = {name: own for label, names in named.items() for name, own in zip(names, variants[label], strict=True)}
    sums = sums_of(task.measure([VALIDATION], scorers), Axes(tuple(scorers), (), (CHOOSES,)))
    return {label: sums.drawn(names, CHOOSES).mean for label, names in named.items()}


def _judge(task: RecommendTask, chosen: Mapping[str, Sequence[Scorer]], fold: int) -> tuple[Sums, dict[str, Catalogue]]:
    """Measure the chosen models on the test split: the users' sums, and what each model's lists make of the items."""
    named = {model: _seed_names(model, len(seeds)) for model, seeds in chosen.items()}
    scorers = {name: own for model, names in named.items() for name, own in zip(names, chosen[model], strict=True)}
    draws = Draws(task.config.evaluate.gate.bootstraps, task.config.seed)
    with measuring(task, [TEST], scorers) as measured:
        numbered = measured.withColumn("unit", F.col("unit") + F.lit(fold << 32))  # others in each fold
        sums = sums_of(numbered, Axes(tuple(scorers), task.slices, SHORT), draws)
        shown = shown_by(measured, ())[OVERALL]
    return sums, {model: catalogue_of(shown, names, task.items.events) for model, names in named.items()}


def _write(context: Context, results: Mapping[str, Any]) -> None:
    """Write the results in three forms."""
    context.artifacts.write(FILE, json.dumps(results, indent=2) + "\n")
    context.artifacts.write("results.md", page.markdown(results))
    context.artifacts.write("index.html", page.render(results, context.study_id, context.config.prepare.split))
