"""Sample from the trained generators and write what passes the fidelity filter as candidates."""

from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.augment.behaviour import generate
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.night.context import Context, StageResult


def run(context: Context) -> StageResult:
    """Replace the run's partition of candidate_events.

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
        folders = {
            fold: Path(trained.metrics["models"][f"{kind}-fold{fold}"]["folder"])
            for fold in range(config.prepare.folds)
        }
        parts.append(
            generate(
                train,
                folders,
                kind,
                config.augment,
                config.seed,
                context.run_id,
                config.prepare.max_length,
                config.prepare.task == "discovery",
            )
        )
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
                F.count_if(F.col("fidelity") >= config.augment.min_fidelity).alias("candidates"),
            )
            .collect()
        }
        candidates = sampled.where(F.col("fidelity") >= config.augment.min_fidelity).drop("item_index")
        commit = lake.replace(candidates, "candidate_events", {"run_id": context.run_id}, context.run_id)
    finally:
        sampled.unpersist()
    return StageResult(
        metrics={
            "sampled": sum(count["sampled"] for count in counts.values()),
            "candidates": commit.rows,
            "generators": counts,
        },
        content_hash=commit.content_hash,
    )
