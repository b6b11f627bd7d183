"""Train the recommender with and without the candidates, prove or disprove the lift, and let the gate decide."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.sequences import train_events
from recaug.clickstream.terms import item_terms
from recaug.errors import ContractError
from recaug.evaluate.arms import BLENDED, LIFTED, NONE, arms_of, training_rows
from recaug.evaluate.fidelity import collapse
from recaug.evaluate.gate import Interval, Verdict, decide, mean_intervals, relative_lift
from recaug.evaluate.leakage import Check, leak_checks
from recaug.evaluate.metrics import coverage, gini, novelty
from recaug.evaluate.ranking import MEASURES, exposures, user_metrics
from recaug.evaluate.two_sample import told_apart
from recaug.lake import runs
from recaug.night.context import Context, StageResult
from recaug.night.features import content_items, item_features_of
from recaug.recommend.baselines import CoVisitationCounts, Popularity
from recaug.recommend.blend import Blend
from recaug.recommend.content import ContentBased
from recaug.recommend.deep import Trained
from recaug.recommend.scoring import Scorer
from recaug.results import Arm
from recaug.training.inputs import log_popularity, neighbours, popularity_and_head
from recaug.training.models.covisitation import CoVisitation
from recaug.training.recommender import SASRecJob, train_sasrec

SLICES = {"cold": "cold", "warm": "NOT cold"}  # of users
LIST = 10  # items of a list that count as shown, for coverage, Gini and novelty
CONTENT_DECAY = 0.8  # of an event further back, in the baseline that goes by the catalogue


def run(context: Context) -> StageResult:
    """Compare the arms on the validation window, choose one there, and prove it on the test window.

    Raises ContractError, before anything is trained, if a table knows what is held out.
    """
    config, lake = context.config, context.lake
    candidates = lake.read("candidate_events").where(F.col("run_id") == context.run_id)
    recipes = {NONE: Arm(name=NONE)} | {arm.name: arm for arm in arms_of(config.augment)}
    arms = list(recipes)
    rows = {name: candidates.where(F.col("generator").isin(*arm.generators)) for name, arm in recipes.items()}
    slots = {name: arm.slots for name, arm in recipes.items()}
    jobs = recommender_jobs(context, rows, slots, config.evaluate.seeds)
    checks = check_leaks(context)
    trained = train_sasrec(
        jobs, context.spark, config, f"recommender, {len(arms)} arms x {config.evaluate.seeds} seeds"
    )
    folders = {job.name: model.folder for job, model in zip(jobs, trained, strict=True)}

    events, head = popularity_and_head(lake.read("vocabulary"))
    baselines, deep = _baselines(context, events), {name: Trained(folder) for name, folder in folders.items()}
    mixed = _mixed(deep, baselines["covisitation"], config.evaluate.blend)
    scorers = baselines | deep | mixed
    held_out = lake.read("sequences").where(F.col("split").isin("validation", "test"))
    measured = user_metrics(held_out, scorers, events, head, config.prepare.task == "discovery").persist()
    try:
        table = measured.drop("top").orderBy("split", "user_index").toPandas()
        shown_to = {part: exposures(measured.where(of), "test", LIST) for part, of in SLICES.items()}
    finally:
        measured.unpersist()
    shown = pd.concat(shown_to.values()).groupby(["scorer", "item_index"], as_index=False).agg(n=("n", "sum"))
    shown_to["overall"] = shown

    seeds = range(config.evaluate.seeds)
    named = {arm: [f"{arm}-seed{seed}" for seed in seeds] for arm in arms}
    blends = {BLENDED.format(arm): [BLENDED.format(name) for name in named[arm]] for arm in arms} if mixed else {}
    named |= blends | {name: [name] for name in baselines}
    test, validation = table[table["split"] == "test"], table[table["split"] == "validation"]
    summaries = summaries_of(test, named, context)
    for name, models in named.items():
        summaries[name]["catalogue"] = catalogue_of(shown[shown["scorer"].isin(models)], models, events)
    covered = {
        arm: {part: coverage_of(shown_to[part], named[arm], len(events) - 1) for part in ("overall", "cold")}
        for arm in arms
    }
    metric = config.evaluate.gate.metric
    lift = {arm: lifts(test, named[NONE], named[arm], metric, context) for arm in arms[1:]}
    validation_lift = {arm: lifts(validation, named[NONE], named[arm], metric, context) for arm in arms[1:]}
    fidelity = _fidelity(context, candidates, arms[1:])
    chosen, verdict = _decide(context, lift, validation_lift, fidelity)
    users = test[test["scorer"] == "popularity"]
    return StageResult(
        metrics={
            "arms": {arm: summaries[arm] for arm in arms},
            "baselines": {name: summaries[name] for name in (*baselines, *blends)},
            "coverage": covered,
            "exposure": {
                arm: {part: tail_share(of, named[arm], head) for part, of in shown_to.items()} for arm in arms
            },
            "tail_share": float(events[~head].sum() / events.sum()),
            "lift": lift,
            "validation_lift": validation_lift,
            "lifts": {arm: _every_lift(test, named[NONE], named[arm], context) for arm in arms[1:]},
            "blend_lifts": {
                arm: _every_lift(test, blends[BLENDED.format(NONE)], blends[BLENDED.format(arm)], context)
                for arm in (arms[1:] if blends else ())
            },
            "chosen": chosen,
            "fidelity": fidelity,
            "leaks": {check.name: check.leaks for check in checks},
            "models": folders,
            "training_seconds": {model.name: model.seconds for model in trained},
            "users": {
                "overall": len(users),
                "cold": int(users["cold"].sum()),
                "warm": int((~users["cold"].astype(bool)).sum()),
            },
            "seeds": config.evaluate.seeds,
            "task": config.prepare.task,
            "metric": metric,
        },
        decision=verdict.decision,
        reasons=verdict.reasons,
        trained=trained,
    )


def check_leaks(context: Context) -> list[Check]:
    """Make every leak check of the night. Raises ContractError that names what was found."""
    trained, prepared = (runs.find(context.lake, context.date, stage) for stage in ("train", "prepare"))
    models = trained.metrics["models"] if trained is not None else {}
    checks = leak_checks(
        context.lake,
        context.config,
        context.date,
        context.run_id,
        {name: model["folder"] for name, model in models.items()},
        prepared.input_versions.get("events") if prepared is not None else None,
    )
    if found := [f"{check.leaks} rows of {check.name} ({check.example})" for check in checks if check.leaks]:
        raise ContractError(f"a leak of what is held out: {'; '.join(found)}; the night stops before the gate")
    return checks


def recommender_jobs(
    context: Context, candidates: Mapping[str, DataFrame], slots: Mapping[str, int], seeds: int
) -> list[SASRecJob]:
    """Write the training rows of each arm and name the trainings, the seeds of an arm one after the other.

    candidates: of each arm, as candidate_events. slots: continuations of an event that an arm has room for.
    """
    config, lake = context.config, context.lake
    train = lake.read("sequences").where("split = 'train'")
    vocabulary = lake.read("vocabulary")
    popularity = log_popularity(vocabulary)
    real_rows = train.where("length >= 2").count()
    negatives = lake.snapshot_files("negatives", {"event_date": context.date})
    features = item_features_of(context)
    jobs = []
    for arm, of_arm in candidates.items():
        rows = training_rows(train, of_arm, vocabulary, config.prepare.max_length, slots[arm])
        commit = lake.replace(
            rows.withColumn("arm", F.lit(arm)),
            "training_rows",
            {"arm": arm},
            context.run_id,
            files=4 * config.training.workers,
            by=("user_index", "window"),
        )
        files = lake.snapshot_files("training_rows", {"arm": arm})
        jobs += [
            SASRecJob(
                name=f"{arm}-seed{seed}",
                models=context.models,
                files=files,
                content_hash=commit.content_hash,
                real_rows=real_rows,
                seed=config.seed + seed,
                n_items=len(popularity) - 1,
                log_popularity=popularity,
                negatives_files=negatives,
                augmented=arm != NONE,
                item_features=features,
            )
            for seed in range(seeds)
        ]
    return jobs


def real_rows_jobs(context: Context, seeds: int) -> list[SASRecJob]:
    """The recommender on the real rows alone, a job a seed."""
    lake, config = context.lake, context.config
    train = lake.read("sequences").where("split = 'train'")
    popularity = log_popularity(lake.read("vocabulary"))
    job = SASRecJob(
        name="sasrec",
        models=context.models,
        files=lake.snapshot_files("sequences", {"split": "train"}),
        content_hash=str(lake.content_hash("sequences", {"split": "train"})),
        real_rows=train.where("length >= 2").count(),
        seed=config.seed,
        n_items=len(popularity) - 1,
        log_popularity=popularity,
        negatives_files=lake.snapshot_files("negatives", {"event_date": context.date}),
        augmented=False,
        item_features=item_features_of(context),
    )
    return [replace(job, name=f"sasrec-seed{seed}", seed=config.seed + seed) for seed in range(seeds)]


def _baselines(context: Context, events: NDArray[np.float32]) -> dict[str, Scorer]:
    """Popularity and co-visitation counts of the train window and, where there is a catalogue, what is alike in it."""
    counts = context.config.covisitation
    near = neighbours(context.lake.read("covisitation"), len(events) - 1, counts.neighbours)
    table = CoVisitation(
        torch.from_numpy(near.items),
        torch.from_numpy(near.weights),
        window=counts.window,
        backward=counts.backward,
        decay=counts.decay,
    )
    found: dict[str, Scorer] = {"popularity": Popularity(events), "covisitation": CoVisitationCounts(table, events)}
    if context.config.source.items is not None:
        terms = item_terms(content_items(context), context.lake.read("vocabulary"))
        found["content"] = ContentBased(terms, events, CONTENT_DECAY)
    return found


def _mixed(deep: Mapping[str, Scorer], counts: Scorer, share: float) -> dict[str, Scorer]:
    """Each recommender blended with the counts; none where their share is 0."""
    assert isinstance(counts, CoVisitationCounts)
    return {BLENDED.format(name): Blend(one, counts, share) for name, one in deep.items()} if share else {}


def _values(table: pd.DataFrame, models: list[str], measure: str) -> NDArray[np.float64]:
    """One measure as (seeds, users), users in the same order for every model; nan where a user has no value."""
    return np.stack([table.loc[table["scorer"] == model, measure].to_numpy(dtype=np.float64) for model in models])


def _slices(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All users, and the cold and the warm ones; a slice without users is left out."""
    cold = table["cold"].astype(bool)
    found = {"overall": table, "cold": table[cold], "warm": table[~cold]}
    return {name: part for name, part in found.items() if len(part)}


def summaries_of(table: pd.DataFrame, named: Mapping[str, list[str]], context: Context) -> dict[str, dict[str, Any]]:
    """Mean and interval of every measure, by arm or baseline and slice of users; nothing where no user has a value."""
    gate = context.config.evaluate.gate
    found: dict[str, dict[str, Any]] = {name: {} for name in named}
    for name, part in _slices(table).items():
        values = {
            (arm, measure): _values(part, models, measure) for arm, models in named.items() for measure in MEASURES
        }
        values = {key: table for key, table in values.items() if not np.isnan(table).all()}
        intervals = mean_intervals(list(values.values()), gate.bootstraps, gate.confidence, context.config.seed)
        for (arm, measure), interval in zip(values, intervals, strict=True):
            found[arm].setdefault(name, {})[measure] = interval._asdict()
    return found


def catalogue_of(shown: pd.DataFrame, models: list[str], events: NDArray[np.float32]) -> dict[str, float]:
    """Coverage, Gini and novelty of the lists on the test window, mean over the seeds."""
    share = (events / events.sum()).astype(np.float64)[1:]
    found = []
    for model in models:
        rows = shown[shown["scorer"] == model]
        counts = np.bincount(rows["item_index"], weights=rows["n"], minlength=len(events))[1:].astype(np.int64)
        found.append((coverage(counts), gini(counts), novelty(counts, share)))
    return dict(zip(("coverage@10", "gini@10", "novelty@10"), np.mean(found, axis=0).tolist(), strict=True))


def coverage_of(shown: pd.DataFrame, models: list[str], n_items: int) -> dict[str, float]:
    """Share of the catalogue in some lists: mean, lowest and highest of the seeds."""
    found = [int((shown["scorer"] == model).sum()) / n_items for model in models]
    return {"mean": float(np.mean(found)), "low": min(found), "high": max(found)}


def tail_share(shown: pd.DataFrame, models: list[str], head: NDArray[np.bool_]) -> float:
    """Share of the places in some lists that items outside the head hold, of all models together; 0 without a list."""
    of_models = shown[shown["scorer"].isin(models)]
    tail = ~head[of_models["item_index"].to_numpy(dtype=np.int64)]
    return float(of_models["n"][tail].sum() / max(of_models["n"].sum(), 1))


def lifts(
    table: pd.DataFrame, base: list[str], models: list[str], measure: str, context: Context
) -> dict[str, dict[str, float]]:
    """Relative lift of `models` over `base`, seed by seed, by slice of users."""
    gate, found = context.config.evaluate.gate, {}
    for name, part in _slices(table).items():
        below, above = _values(part, base, measure), _values(part, models, measure)
        measured = ~np.isnan(below[0])  # users without a target of the measure's kind have no value
        lift = relative_lift(
            below[:, measured], above[:, measured], gate.bootstraps, gate.confidence, context.config.seed
        )
        found[name] = lift._asdict()
    return found


def _every_lift(
    table: pd.DataFrame, base: list[str], models: list[str], context: Context
) -> dict[str, dict[str, dict[str, float]]]:
    """The same of several measures: measure -> slice."""
    return {measure: lifts(table, base, models, measure, context) for measure in LIFTED}


def _fidelity(context: Context, candidates: DataFrame, arms: list[str]) -> dict[str, Any]:
    """Collapse and copies of each arm's candidates, whether they are told from real ones, and how generators rank."""
    vocabulary = context.lake.read("vocabulary").select("item_id", "item_index", "events")
    train = context.lake.read("sequences").where("split = 'train'")
    real = train_events(train).persist()
    users = real.groupBy("user_index").agg(F.collect_list("item_index").alias("items"))
    of_arms = candidates.withColumn("generator", F.col("arm"))
    indexed = of_arms.join(F.broadcast(vocabulary), "item_id", how="inner").persist()
    try:
        found = collapse(indexed, arms, real, users)
        popularity = vocabulary.toPandas()
        apart = told_apart(indexed, train, context.lake.read("covisitation"), popularity, context.config.seed)
    finally:
        real.unpersist()
        indexed.unpersist()
    trained = runs.find(context.lake, context.date, "train")
    models = trained.metrics["models"] if trained is not None else {}
    drawn: dict[str, list[str]] = {arm: [] for arm in arms}
    for row in candidates.select("arm", "generator").distinct().collect():
        drawn.get(row["arm"], []).append(row["generator"])
    told = {arm: {"told_apart": area} for arm, area in apart.items()}
    return {arm: values | told.get(arm, {}) | _ranking(models, drawn[arm]) for arm, values in found.items()}


def _ranking(models: Mapping[str, Any], generators: list[str]) -> dict[str, float]:
    """Ranking of held-out validation users by the worst of an arm's generators, over that of the counts.

    Empty where none of them was trained.
    """
    found = []
    for generator in generators:
        folds = [model for name, model in models.items() if name.startswith(f"{generator}-fold")]
        own = sum(model["curves"][-1]["validation_ndcg@10"] for model in folds)
        found += [own / max(sum(model["counts_ndcg@10"] for model in folds), 1e-9)] if folds else []
    return {"ranking": min(found)} if found else {}


def _decide(
    context: Context, lift: Mapping[str, Any], validation: Mapping[str, Any], fidelity: Mapping[str, Any]
) -> tuple[str | None, Verdict]:
    """Choose the arm on the validation window; only that one meets the gate on the test window."""
    gate = context.config.evaluate.gate
    usable = {arm: validation[arm]["overall"]["mean"] for arm in validation if fidelity[arm]["rows"]}
    if not usable:
        why = "no candidate passed the fidelity filter"
        if context.config.evaluate.policy is not None:
            why = "the policy adds nothing: no option helps on the validation window"
        return None, Verdict("hold", (why,))
    chosen = max(usable, key=lambda arm: usable[arm])
    if usable[chosen] <= 0:
        why = f"no generator helps on the validation window; the best, {chosen}, changes {gate.metric} by"
        return chosen, Verdict("hold", (f"{why} {usable[chosen]:+.1%}",))
    intervals = {name: Interval(**interval) for name, interval in lift[chosen].items()}
    return chosen, decide(chosen, intervals, fidelity[chosen], gate)
