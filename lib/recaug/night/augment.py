"""Sample from the trained generators and write what passes the fidelity filter as candidates."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.errors import ContractError
from recaug.generators.sampling import generate
from recaug.lake import runs
from recaug.night.context import Context, StageResult
from recaug.night.features import of_completion
from recaug.recommend.content import alike, item_terms, latent_matrix
from recaug.results import Augment, Sampled
from recaug.training.checkpoint import finish_model, is_finished, model_folder
from recaug.training.inputs import neighbours, popularity_and_head
from recaug.training.models.covisitation import CountsGenerator, CoVisitation, Likeness


def run(context: Context) -> StageResult:
    """Replace the run's partition of candidate_events: what each generator wrote.

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
            folders = {model.fold: Path(model.folder) for model in trained.metrics.of(kind)}
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
        return StageResult(Augment(sampled=0, candidates=0, generators={}))
    sampled = (
        reduce(DataFrame.unionByName, parts)
        .join(F.broadcast(vocabulary), "item_index", how="inner")
        .withColumns({"event_type": F.lit(config.prepare.event_types[0]), "event_date": F.lit(context.date)})
        .persist()
    )
    try:
        counts = {
            row["generator"]: Sampled(sampled=row["sampled"], candidates=row["candidates"])
            for row in sampled.groupBy("generator")
            .agg(
                F.count("*").alias("sampled"),
                F.count_if("kept").alias("candidates"),
            )
            .collect()
        }
        candidates = sampled.where("kept").drop("item_index", "kept")
        commit = lake.replace(candidates, "candidate_events", {"run_id": context.run_id}, context.run_id)
    finally:
        sampled.unpersist()
    return StageResult(
        metrics=Augment(
            sampled=sum(count.sampled for count in counts.values()), candidates=commit.rows, generators=counts
        ),
        content_hash=commit.content_hash,
    )


def counts_generator(context: Context, kind: str) -> Path:
    """Write the generator of the train window's counts as `kind` samples from it, or find it, and give its folder.

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
    if is_finished(folder):
        return folder
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
    return folder
