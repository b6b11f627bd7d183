"""The stream: a query whose batches a Worker takes, from a checkpoint that is of one configuration."""

import hashlib
import secrets
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import msgspec
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql.streaming import StreamingQuery
from pyspark.sql.types import StructType

from recaug.config import Config
from recaug.errors import ConfigError, RecaugError
from recaug.lake.claims import overwrites
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.failures import one_line_errors
from recaug.results import encode
from recaug.stream.batch import Batch, Say, Worker
from recaug.stream.sources.base import Arrivals, Place
from recaug.stream.sources.registry import arrivals

MARK = "recaug.json"  # in the checkpoint: what it is of
RECORD = "batches.jsonl"
LOOK = 1  # seconds between two looks whether it is ended
LAST_BATCH = 60.0  # seconds that the last batch may take


class Mark(msgspec.Struct, frozen=True):
    """What a checkpoint is of. work: names the stream in commits; source, lake: hashes of where from and where to."""

    work: str
    source: str
    lake: str


def checkpoint_of(config: Config, artifacts: Store) -> Store:
    """Give the folder of the checkpoint. Raises ConfigError where a Store lacks its file system."""
    return Store(config.stream.checkpoint) if config.stream.checkpoint else artifacts.at("stream")


def marked(context: Context, folder: Store) -> Mark:
    """Give the checkpoint's mark; a new one gets it. Raises ConfigError where it is of another configuration."""
    config = context.config
    source = {"stream": config.stream.source, "events": config.source.events}
    lake = {"path": context.lake.path, "catalog": context.lake.catalog}
    own = Mark(f"stream-{secrets.token_hex(6)}", _hashed(source), _hashed(lake))
    if not folder.exists(MARK):
        folder.write(MARK, msgspec.json.encode(own))
        return own
    there = msgspec.json.decode(folder.read(MARK), type=Mark)
    others = {"source.events or stream.source": there.source != own.source, "lake": there.lake != own.lake}
    if changed := [name for name, is_other in others.items() if is_other]:
        raise ConfigError(
            f"stream.checkpoint: {folder.address()} is of another configuration ({' and '.join(changed)}); give back "
            "what was changed, or set another folder, which begins anew"
        )
    return there


def _hashed(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:16]


def refuse_beside_nights(lake: Lake) -> None:
    """Raise ConfigError where a stream and a night could undo each other's commits."""
    if overwrites(lake):
        raise ConfigError(
            f"lake.path: on {lake.path} a stream and a night can undo each other's commits; set Delta's log store "
            "(spark.delta.logStore.*; docs/operations.md, Two writers), or keep the lake elsewhere"
        )


def run_stream(
    context: Context,
    say: Say,
    once: bool = False,
    done: Callable[[Batch], None] | None = None,
    ended: Event | None = None,
) -> int:
    """Take what arrives until it is ended; `once`: until all that is there is taken. Gives the number of batches.

    done: is called with each batch. ended: when it is set, the batch that runs is the last. Raises a RecaugError, from
    which a restart goes on.
    """
    refuse_beside_nights(context.lake)
    config, folder = context.config, checkpoint_of(context.config, context.artifacts)
    with one_line_errors("stream"):
        source = arrivals(Place(context.spark, config, _columns(context)))
        frame = source.arriving()
        mark = marked(context, folder)
    say(f"stream from {source.said}, checkpoint {folder.address()}")
    worker, failed, batches = Worker(context, source, mark.work, say), list[Exception](), list[int]()

    def take(rows: DataFrame, number: int) -> None:
        try:
            with one_line_errors("stream"):
                batch = worker.run(rows, number)
            batches.append(number)
            folder.append(RECORD, encode(batch))
            if batch.rows:
                say(batch.line)
            if done is not None:
                done(batch)
        except Exception as error:
            failed.append(error)
            raise

    writer = frame.writeStream.foreachBatch(take).option("checkpointLocation", folder.uri("checkpoint"))
    with _ended(source, failed):
        _wait(writer.trigger(**_trigger(config, once)).start(), ended)
    return len(batches)


def _trigger(config: Config, once: bool) -> dict[str, Any]:
    if once:
        return {"availableNow": True}
    return {"processingTime": f"{round(1000 * config.stream.trigger_seconds)} milliseconds"}


def _wait(query: StreamingQuery, ended: Event | None) -> None:
    """Wait for the query's end, or end it: the batch that runs is let be done, for one that is cut off is in vain."""
    try:
        while not query.awaitTermination(LOOK):
            if ended is not None and ended.is_set():
                break
        until = time.monotonic() + LAST_BATCH
        while query.isActive and query.status["isTriggerActive"] and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        query.stop()


class _ended:
    """Raises what a batch raised, or what its source says of the error, in place of Spark's."""

    def __init__(self, source: Arrivals, failed: list[Exception]) -> None:
        self.source, self.failed = source, failed

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End."""
        if isinstance(error, StreamingQueryException):
            if self.failed:
                raise self.failed[-1] from error
            if (said := self.source.failure(error)) is not None:
                raise said from error
            raise RecaugError(f"stream: {str(error).splitlines()[0]}") from error


def _columns(context: Context) -> dict[str, StructType]:
    """The columns that the log had in the last night."""
    nights = context.history("ingest")
    columns = nights[-1].metrics.columns if nights else {}
    return {key: StructType.fromJson(msgspec.json.decode(text)) for key, text in columns.items()}
