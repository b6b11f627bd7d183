"""A Spark task for each call, the only rank in it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from pyspark import TaskContext
from pyspark.sql import SparkSession

from recaug.config import Training
from recaug.training.launchers.outcome import RankFunction, died, outcome, own_jobs, threads, values
from recaug.training.launchers.watch import Watched, watch
from recaug.training.worker import Worker


def run(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Run one call."""
    return run_each(function, [arguments], spark, training, watched)


def run_each(
    function: RankFunction,
    calls: Sequence[Mapping[str, Any]],
    spark: SparkSession,
    training: Training,
    watched: Watched,
) -> list[Any]:
    """Run the calls, as many side by side as there are task slots. Returns what each gave, in order."""
    cores, given = threads(spark), [dict(arguments) for arguments in calls]

    def task(numbers: Iterable[int]) -> list[str]:
        return [_rank(function, given[number], number, cores) for number in numbers]

    with own_jobs(spark) as cancel, watch(watched, training.timeout_seconds, cancel) as hung:
        try:
            outcomes = spark.sparkContext.parallelize(range(len(given)), len(given)).mapPartitions(task).collect()
        except Exception as error:
            raise died(watched.title, training, hung, error) from error
    return values(watched.title, outcomes)


def _rank(function: RankFunction, arguments: Mapping[str, Any], number: int, cores: int) -> str:
    """What each Spark task runs."""
    torch.set_num_threads(cores)
    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context is not None else None
    worker = Worker(local_rank=int(gpu.addresses[0]) if gpu is not None else 0)
    return outcome(function, worker, arguments, number)
