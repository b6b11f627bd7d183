"""What a rank gives back: its value or its failure, as JSON, for a launcher would lose the message of an error."""

import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from pyspark.sql import SparkSession

from recaug.config import Training
from recaug.errors import RecaugError, TrainingError
from recaug.training.worker import Worker

RankFunction = Callable[..., Any]  # of a Worker and arguments; gives what JSON holds
Echo = Callable[[Exception], bool]  # whether an error came of another rank's


class Failure(msgspec.Struct, frozen=True):
    """A rank that raised. details: its stack trace. is_echo: the launcher's own error, for another rank went away."""

    rank: int
    message: str
    details: str
    is_echo: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What a rank's function gave, or why it gave nothing."""

    value: Any = None
    failure: Failure | None = None


def outcome(
    function: RankFunction,
    worker: Worker,
    arguments: Mapping[str, Any],
    number: int,
    is_echo: Echo = lambda error: False,
) -> str:
    """Run `function(worker, **arguments)` and give its Outcome as JSON. number: what a failure calls the rank."""
    try:
        return _json(Outcome(function(worker, **arguments)))
    except Exception as error:
        return _json(Outcome(failure=failure(number, error, is_echo(error))))


def failure(rank: int, error: Exception, is_echo: bool = False) -> Failure:
    """Say in one line what a rank raised; errors of ours need no class before their message."""
    text = " ".join(str(error).split())
    message = text if isinstance(error, RecaugError) else f"{type(error).__name__}: {text}"
    return Failure(rank, message, traceback.format_exc(), is_echo)


def values(title: str, outcomes: Sequence[str | bytes]) -> list[Any]:
    """Pass values on; raise a TrainingError for the rank that failed first of itself, not for those that lost it."""
    decoded = [msgspec.json.decode(text, type=Outcome) for text in outcomes]
    failures = [given.failure for given in decoded if given.failure is not None]
    if failures:
        raise training_error(title, min(failures, key=lambda failed: failed.is_echo))
    return [given.value for given in decoded]


def training_error(title: str, failed: Failure) -> TrainingError:
    """One line; the notes hold the stack trace."""
    error = TrainingError(f"{title}: rank {failed.rank} failed: {failed.message}")
    error.add_note(failed.details)
    return error


def died(title: str, training: Training, hung: threading.Event, error: Exception, spoken: str = "") -> TrainingError:
    """A rank ended without an outcome. spoken: what the ranks printed."""
    if hung.is_set():
        return TrainingError(f"{title}: no progress for {training.timeout_seconds} s, ended the ranks")
    ended = TrainingError(
        f"{title}: a rank died ({' '.join(str(error).split())[:200]}); killed, or out of memory? "
        "What was finished stays; run again to go on from the last checkpoint"
    )
    ended.add_note(spoken[-4000:])
    return ended


def threads(spark: SparkSession) -> int:
    """Threads of a rank: the cores of its task."""
    return int(spark.conf.get("spark.task.cpus", "1") or 1)


@contextmanager
def own_jobs(spark: SparkSession) -> Iterator[Callable[[], None]]:
    """Mark the Spark jobs that this thread starts within; what is given cancels these and leaves those of others."""
    tag = f"recaug-{uuid.uuid4().hex}"
    spark.sparkContext.addJobTag(tag)
    try:
        yield lambda: spark.sparkContext.cancelJobsWithTag(tag)
    finally:
        spark.sparkContext.removeJobTag(tag)


def _json(given: Outcome) -> str:
    return msgspec.json.encode(given).decode()
