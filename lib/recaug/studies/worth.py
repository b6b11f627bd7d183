"""Whether what a completion wrote makes the recommenders better, which the gate decides on the validation users."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recaug.clickstream.terms import item_terms, with_completed
from recaug.evaluate.arms import NONE
from recaug.evaluate.gate import Interval, decide
from recaug.evaluate.ranking import user_metrics
from recaug.night.context import Context
from recaug.night.evaluate import CONTENT_DECAY, lifts, real_rows_jobs
from recaug.night.features import WITH, item_embedding_features
from recaug.recommend.content import ContentBased
from recaug.recommend.deep import Trained
from recaug.recommend.scoring import Scorer
from recaug.training.inputs import popularity_and_head
from recaug.training.recommender import train_sasrec


def worth(context: Context) -> dict[str, dict[str, Any]]:
    """Compare each recommender that can read what the completion wrote with itself without it.

    The content-based one with completed attributes and without; SASRec, where sasrec.item_features_from is `completed`,
    with them or with the catalogue as it is in its item embedding, where it is `latents`, with these or with nothing,
    and as many seeds as the night's arms. The test window is not read. Returns recommender -> arm, decision, reasons,
    lift (slice -> mean, low, high of the gate's metric); a night then uses them where the decision is `publish`.
    """
    config, lake = context.config, context.lake
    vocabulary = lake.read("vocabulary")
    events, head = popularity_and_head(vocabulary)
    scorers: dict[str, Scorer] = {}
    compared: dict[str, dict[str, list[str]]] = {"content": {}}
    full = with_completed(lake.read("items"), lake.read("completed_attributes"))
    for arm, items in ((NONE, lake.read("items")), (WITH["completed"], full)):
        compared["content"][arm] = [f"content, {arm}"]
        scorers[f"content, {arm}"] = ContentBased(item_terms(items, vocabulary), events, CONTENT_DECAY)
    source = config.sasrec.item_features_from
    if config.sasrec.item_features and source != "catalogue":
        seeds = range(config.evaluate.seeds)
        compared["sasrec"] = {arm: [f"sasrec, {arm}, {seed}" for seed in seeds] for arm in (NONE, WITH[source])}
        without = item_embedding_features(context, "catalogue") if source == "completed" else None
        features = {NONE: without, WITH[source]: item_embedding_features(context, source)}
        jobs = [
            replace(job, name=name, item_features=features[arm])
            for arm, names in compared["sasrec"].items()
            for name, job in zip(names, real_rows_jobs(context, len(seeds)), strict=True)
        ]
        trained = train_sasrec(jobs, context.spark, config, f"recommender {WITH[source]} and without")
        scorers |= {job.name: Trained(model.folder) for job, model in zip(jobs, trained, strict=True)}
    validation = lake.read("sequences").where("split = 'validation'")
    measured = user_metrics(validation, scorers, events, head, config.prepare.task == "discovery")
    table = measured.drop("top").orderBy("user_index").toPandas()
    metric = config.evaluate.gate.metric
    found = {}
    for name, arms in compared.items():
        (arm,) = set(arms) - {NONE}
        lift = lifts(table, arms[NONE], arms[arm], metric, context)
        verdict = decide(arm, _intervals(lift), {}, config.evaluate.gate)
        found[name] = {"arm": arm, "decision": verdict.decision, "reasons": list(verdict.reasons), "lift": lift}
    return found


def _intervals(lift: Mapping[str, Mapping[str, float]]) -> dict[str, Interval]:
    return {part: Interval(**one) for part, one in lift.items()}
