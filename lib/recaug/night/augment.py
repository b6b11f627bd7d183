"""Stage 4: sample from the generators and write what passes the fidelity filter as candidates, each row once."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.generators.base import Generator, Request
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.registry import generators
from recaug.generators.sampling import generate
from recaug.night.context import Context, StageResult
from recaug.night.inputs import generator_inputs
from recaug.results import Augment, Sampled, TrainedModel


def run(context: Context) -> StageResult:
    """Replace the run's partition of candidate_events by each generator's rows.

    Raises ContractError if the train stage of this night has not run.
    """
    return write_candidates(context, context.recorded("train").metrics.models)


def write_candidates(context: Context, trained: Sequence[TrainedModel]) -> StageResult:
    """Replace the run's partition of candidate_events by what each generator draws. trained: their models."""
    config, lake, inputs = context.config, context.lake, generator_inputs(context)
    parts = [_sample(context, generator, inputs, trained) for generator in generators(config.augment.generators)]
    if not parts:
        return StageResult(Augment(sampled=0, candidates=0, generators={}))
    vocabulary = lake.read("vocabulary").select("item_id", "item_index")
    sampled = (
        reduce(DataFrame.unionByName, parts)
        .join(F.broadcast(vocabulary), "item_index", how="inner")
        .withColumns(
            {
                "event_type": F.lit(config.generated_type),
                "event_date": F.lit(context.date),
                "run_id": F.lit(context.run_id),
            }
        )
        .persist()
    )
    try:
        counts = _counts(sampled)
        candidates = sampled.where("kept").drop("item_index", "kept")
        commit = lake.replace(candidates, "candidate_events", {"run_id": context.run_id}, context.run_id)
    finally:
        sampled.unpersist()
    total = sum(count.sampled for count in counts.values())
    return StageResult(Augment(sampled=total, candidates=commit.rows, generators=counts), commit.content_hash)


def request_of(context: Context, name: str) -> Request:
    """Give what the night asks of the generator of this name."""
    config = context.config
    return Request(
        generator=name,
        seed=config.seed,
        date=context.date,
        max_length=config.prepare.max_length,
        discovery=config.prepare.task == "discovery",
        batch_rows=config.augment.batch_rows,
    )


def _sample(
    context: Context, generator: Generator, inputs: GeneratorInputs, trained: Sequence[TrainedModel]
) -> DataFrame:
    """Draw a generator's rows; `kept` are those that pass its fidelity filter."""
    train, augment = context.lake.read("sequences").where("split = 'train'"), context.config.augment
    folders, request = generator.folders(inputs, trained), request_of(context, generator.name)
    rows = generate(train, generator, folders, request, augment.buckets, augment.max_users)
    return rows.withColumn("kept", F.col("fidelity") >= generator.draw.min_fidelity)


def _counts(sampled: DataFrame) -> dict[str, Sampled]:
    """Count the rows of each generator, and those that are kept."""
    counts = sampled.groupBy("generator").agg(
        F.count("*").alias("sampled"), F.count_if("kept").cast("bigint").alias("candidates")
    )
    return {row["generator"]: Sampled(sampled=row["sampled"], candidates=row["candidates"]) for row in counts.collect()}
