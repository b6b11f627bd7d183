"""Sample from the trained generators and write what passes the fidelity filter as candidates."""

from functools import reduce
from typing import Any

import numpy as np
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.terms import alike, item_terms, latent_matrix
from recaug.config import TOGETHER
from recaug.errors import ContractError
from recaug.evaluate.policy import as_arm
from recaug.generators.sampling import generate
from recaug.lake import runs
from recaug.night.context import Context, StageResult
from recaug.night.features import of_completion
from recaug.night.policy import choose
from recaug.training.checkpoint import finish_model, model_folder
from recaug.training.inputs import neighbours, popularity_and_head
from recaug.training.models.covisitation import CountsGenerator, CoVisitation, Likeness


def run(context: Context) -> StageResult:
    """Replace the run's partition of candidate_events: each generator's rows, and those of what is made of them.

    That is what a policy chose or, without one, each of augment.together.

    Raises ContractError if the train stage of this night has not run.
    """
    config, lake = context.config, context.lake
    trained = runs.find(lake, context.date, "train")
    if trained is None:
        raise ContractError(f"the train stage of {context.date} has not run; run it before augment")
    train = lake.read("sequences").where("split = 'train'")
    vocabulary = lake.read("vocabulary").select("item_id", "item_index")
    parts: list[DataFrame] = []
    for kind in config.augment.generators:
        own, folds = config.augment.of(kind), range(config.prepare.folds)
        if kind not in ("vae", "gan"):
            folders = dict.fromkeys(folds, counts_generator(context, kind))
        else:
            models = trained.metrics["models"]
            folders = {fold: models[f"{kind}-fold{fold}"]["folder"] for fold in folds}
        sampled_of = generate(
            train,
            folders,
            kind,
            own,
            config.seed,
            context.run_id,
            config.prepare.max_length,
            config.prepare.task == "discovery",
        )
        parts.append(sampled_of.withColumn("kept", F.col("fidelity") >= own.min_fidelity))
    if not parts:
        return StageResult(metrics={"sampled": 0, "candidates": 0, "generators": {}})
    sampled = (
        reduce(DataFrame.unionByName, parts)
        .join(F.broadcast(vocabulary), "item_index", how="inner")
        .withColumns({"event_type": F.lit(config.prepare.event_types[0]), "event_date": F.lit(context.date)})
        .persist()
    )
    try:
        counts = {
            row["generator"]: {"sampled": row["sampled"], "candidates": row["candidates"]}
            for row in sampled.groupBy("generator")
            .agg(
                F.count("*").alias("sampled"),
                F.count_if("kept").alias("candidates"),
            )
            .collect()
        }
        candidates = sampled.where("kept").drop("item_index", "kept").withColumn("arm", F.col("generator"))
        policy: dict[str, Any] = {}
        if config.augment.policy is not None:
            chosen, policy = choose(context, candidates)
            candidates = candidates.unionByName(chosen)
        else:
            joined = [
                as_arm(candidates.where(F.col("generator").isin(of_arm)), TOGETHER.join(of_arm))
                for of_arm in config.augment.together
            ]
            candidates = reduce(DataFrame.unionByName, joined, candidates)
        commit = lake.replace(candidates, "candidate_events", {"run_id": context.run_id}, context.run_id)
    finally:
        sampled.unpersist()
    return StageResult(
        metrics={
            "sampled": sum(count["sampled"] for count in counts.values()),
            "candidates": commit.rows,
            "generators": counts,
            **policy,
        },
        content_hash=commit.content_hash,
    )


def counts_generator(context: Context, kind: str) -> str:
    """Write the generator of the train window's counts as `kind` samples from it, or find it, and give its address.

    `counts` and `classic` go by what came after, and by what is alike in the catalogue; `pseudo_prior` by what came
    before; `rare_items` by what is alike and rare alone. Raises ContractError where the completion whose latents say
    what is alike has not run, or is of a later day.
    """
    config, lake = context.config, context.lake
    counts, rare = config.covisitation, config.augment.rare_items
    share = {"rare_items": 1.0, "pseudo_prior": 0.0}.get(kind, config.augment.attributes)
    source = "item_latents" if kind == "rare_items" and rare.by == "latents" else "items"
    if source == "item_latents":
        of_completion(context, source)
    tables = ["vocabulary", "covisitation", *([source] if share else [])]
    arguments = {"share": share}
    settings: dict[str, Any] = {"window": counts.window, "backward": counts.backward, "decay": counts.decay}
    made_of = {
        "arguments": arguments,
        "covisitation": settings,
        "neighbours": counts.neighbours,
        "reversed": kind == "pseudo_prior",
        "rare": rare if kind == "rare_items" else None,
        "rows": [lake.content_hash(table) for table in tables],
    }
    folder = model_folder(context.models, "counts", made_of)
    if folder.finished():
        return folder.root
    vocabulary, pairs = lake.read("vocabulary"), lake.read("covisitation")
    events, _ = popularity_and_head(vocabulary)
    if kind == "pseudo_prior":
        pairs = pairs.selectExpr("fold", "other_index AS item_index", "item_index AS other_index", "weight")
    near = neighbours(pairs, len(events) - 1, counts.neighbours)
    likeness = None
    if share:
        describe = latent_matrix if source == "item_latents" else item_terms
        terms = describe(lake.read(source), vocabulary)
        among = (events <= rare.events) & (np.arange(len(events)) > 0) if kind == "rare_items" else None
        like = alike(terms, counts.neighbours, among)
        likeness = Likeness(torch.from_numpy(like.items), torch.from_numpy(like.weights))
    table = CoVisitation(torch.from_numpy(near.items), torch.from_numpy(near.weights), **settings)
    model = CountsGenerator(table, likeness, **arguments)
    finish_model(folder, model, {"architecture": "counts", "arguments": arguments, "covisitation": settings})
    return folder.root
