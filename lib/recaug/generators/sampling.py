"""Samples behaviour from a night's generators, bucket by bucket, in pandas UDFs."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.generators.base import Generator, Request
from recaug.generators.histories import gather
from recaug.lake.store import Store
from recaug.session import tasks_of

SAMPLES = (
    "event_id string, user_id string, item_index int, event_second bigint, parent_event_id string, "
    "source_users array<string>, weight double, fidelity double"
)
DAY = 86_400  # seconds


def generate(
    train: DataFrame,
    generator: Generator,
    folders: Mapping[int, str],
    request: Request,
    buckets: int,
    max_users: int | None = None,
) -> DataFrame:
    """Sample continuations and histories of every user from the model that has not seen the user.

    Columns: `train` is sequences' train split. folders: of the generator, by fold. buckets: users are hashed into so
    many. max_users: of the lowest user hash, of whom samples are drawn; None: of all.
    Gives item_index and the columns of candidate_events but item_id, event_type, event_date and run_id. Deterministic:
    the random numbers of a bucket come from (seed, generator, bucket) and the bucket is one unit; ids come from what
    makes a row.
    """
    at = dict(folders)

    def sample(key: tuple[int], rows: pd.DataFrame) -> pd.DataFrame:
        torch.set_num_threads(1)  # one Spark task, one core; also what makes the sums reproducible
        histories = gather(rows)
        random = torch.Generator().manual_seed(_seed(request, key[0]))
        parts: list[pd.DataFrame] = []
        with torch.inference_mode():
            for fold, folder in sorted(at.items()):
                drawn = generator.sampler(folder).draw(histories, fold, request, random)
                parts += [part.assign(fold=fold) for part in drawn]
        columns = [column.split()[0] for column in SAMPLES.split(", ")]
        return to_events(pd.concat(parts), request)[columns] if parts else pd.DataFrame(columns=columns)

    sources = _sources(train, max_users).withColumn("bucket", F.pmod(F.xxhash64("user_id"), F.lit(buckets)))
    tasks = tasks_of(train.sparkSession, buckets)
    samples = sources.repartition(tasks, "bucket").groupBy("bucket").applyInPandas(sample, SAMPLES)
    return _events(samples, request, version_of(at))


def _sources(train: DataFrame, max_users: int | None) -> DataFrame:
    sources = train.select("user_id", "fold", "window", "length", "items", "times", "event_ids")
    if max_users is None:
        return sources
    chosen = sources.select("user_id").distinct().orderBy(F.xxhash64("user_id"), "user_id").limit(max_users)
    return sources.join(F.broadcast(chosen), "user_id", how="left_semi")


def to_events(rows: pd.DataFrame, request: Request) -> pd.DataFrame:
    """Give what samplers drew an event_id each, of what makes the row, and of its time no more than the day (UTC).

    rows: what Sampler.draw gives, and fold. By its second a row would tell whose event it follows. The events of a
    history lie a second apart at the begin of their day, none later than drawn.
    """
    rows = rows.reset_index(drop=True)
    history = rows["parent_event_id"].isna()
    parts = zip(rows["fold"], rows["parent_event_id"].where(~history, rows["user_id"]), rows["serial"], strict=True)
    names = (f"{request.identity}|{fold}|{parent}|{serial}" for fold, parent, serial in parts)
    ids = [hashlib.sha256(name.encode()).hexdigest()[:32] for name in names]
    rows = rows.assign(event_id=np.array(ids, dtype=object))
    place = rows[history].sort_values(["event_second", "event_id"]).groupby("user_id").cumcount()
    day = rows["event_second"] // DAY * DAY
    second = np.minimum(day + place.reindex(rows.index, fill_value=0), rows["event_second"])
    return rows.assign(event_second=second.astype(np.int64))


def _events(samples: DataFrame, request: Request, version: str) -> DataFrame:
    """Give what was drawn the columns of events."""
    return samples.select(
        "event_id",
        "user_id",
        "item_index",
        F.timestamp_seconds("event_second").alias("event_time"),
        F.lit(None).cast("string").alias("session_id"),
        F.lit(None).cast("double").alias("price"),
        F.lit(None).cast("double").alias("quantity"),
        F.lit(None).cast("string").alias("query"),
        F.lit(request.generator).alias("generator"),
        F.lit(version).alias("generator_version"),
        "source_users",
        "parent_event_id",
        "weight",
        "fidelity",
    )


def version_of(folders: Mapping[int, str]) -> str:
    """Hash the names of the models' folders, which are hashes of what made them."""
    names = "|".join(Store(folders[fold]).name for fold in sorted(folders))
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _seed(request: Request, bucket: int) -> int:
    """Spread (seed, generator, bucket) to a seed of 63 bits."""
    spread = hashlib.sha256(f"{request.seed}|{request.generator}|{bucket}".encode()).digest()
    return int.from_bytes(spread[:8], "big") >> 1
