"""Run a function on ranks: Horovod on Spark, pyspark's TorchDistributor, a Spark task each, or here."""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from pyspark.sql import SparkSession

from recaug.config import Training
from recaug.errors import ConfigError, TrainingError
from recaug.training.launchers.horovod import run as run_on_horovod
from recaug.training.launchers.local import run as run_here
from recaug.training.launchers.outcome import RankFunction
from recaug.training.launchers.tasks import run as run_in_a_task
from recaug.training.launchers.torch_distributor import run as run_on_torch_distributor
from recaug.training.launchers.watch import Watched
from recaug.training.readers import reader_name

SLOT_SECONDS = 30  # for executors to register
ALONE = {"local": run_here, "tasks": run_in_a_task}  # launchers of one worker a model
RANKS = {"horovod": run_on_horovod, "torch_distributor": run_on_torch_distributor}


def launcher_name(training: Training) -> str:
    """Give the launcher's name; null: horovod where it is installed, else torch_distributor.

    Raises ConfigError for horovod where there is none.
    """
    chosen = training.launcher or ("horovod" if find_spec("horovod") else "torch_distributor")
    if chosen == "horovod" and not find_spec("horovod"):
        raise ConfigError("training.launcher is horovod, which is not installed here; leave it out, or install it")
    return chosen


def stand_ins(training: Training) -> list[str]:
    """Say in a line each what trains and reads in place of what is not installed; nothing where the YAML names it."""
    launcher, reader = launcher_name(training), reader_name(training.reader)
    said = {
        f"no Horovod here: {launcher} trains": training.launcher is None and launcher != "horovod",
        f"no Petastorm here: {reader} reads what trains": training.reader is None and reader != "petastorm",
    }
    return [line for line, is_so in said.items() if is_so]


def launch(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Run `function(worker, **arguments)` on every rank and return what each gave, in rank order.

    function: gives what JSON holds. Each rank is one Spark task and has as many threads as the task has cores. A
    progress bar follows the watched trainings on stderr; without a new line for training.timeout_seconds, the ranks
    are ended.
    Raises TrainingError in one line (its notes hold the rank's stack trace) if a rank raises, dies or hangs or if
    there are fewer task slots than ranks; ConfigError for the launchers local and tasks with several workers.
    """
    name = launcher_name(training)
    if name in RANKS:
        check_slots(spark, training.workers)
        return RANKS[name](function, arguments, spark, training, watched)
    if training.workers != 1:
        raise ConfigError(f"training.launcher {name} runs one worker a model, training.workers is {training.workers}")
    return ALONE[name](function, arguments, spark, training, watched)


def check_slots(spark: SparkSession, workers: int) -> None:
    """Raise TrainingError if Spark cannot run so many tasks at once; waits a little for executors to register."""
    jvm_context = spark.sparkContext._jsc.sc()
    profile = jvm_context.resourceProfileManager().defaultResourceProfile()
    deadline = time.monotonic() + (0 if str(spark.sparkContext.master).startswith("local") else SLOT_SECONDS)
    while (slots := jvm_context.maxNumConcurrentTasks(profile)) < workers:
        if time.monotonic() > deadline:
            raise TrainingError(
                f"training.workers is {workers}, but {spark.sparkContext.master} has {slots} task slots; "
                "set it lower or give Spark more cores"
            )
        time.sleep(0.5)
