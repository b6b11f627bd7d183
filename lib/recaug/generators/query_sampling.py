"""Draws queries for the catalogue in pandas UDFs, bucket by bucket, each with an id of what made it."""

import hashlib

import numpy as np
import pandas as pd
import torch
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.clickstream.search_terms import normalised
from recaug.generators.query_samplers import QuerySampler
from recaug.session import tasks_of

BUCKETS = 32  # that items are hashed into: one bucket is drawn for at once
DRAWN = "item_index int, text string, bucket int, number int, source_indexes array<int>, source_queries array<string>"


def draw_queries(items: DataFrame, sampler: QuerySampler, identity: str, seed: int) -> DataFrame:
    """Draw queries for every item.

    Columns: `items` item_id and item_index. identity: of the run, such as its date and seed. Gives row_id, text
    (normalised), item_id, generator, generator_version, serial, source_items, source_queries, weight: the share of what
    was drawn for the item that is this very text. Deterministic: the random numbers of a bucket come from (seed,
    generator, bucket), and its items are drawn for in their order.
    """
    sent = items.sparkSession.sparkContext.broadcast(sampler)
    name = sampler.name

    def sample(key: tuple[int], rows: pd.DataFrame) -> pd.DataFrame:
        torch.set_num_threads(1)  # one Spark task, one core
        spread = hashlib.sha256(f"{seed}|{name}|{key[0]}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(spread[:8], "big"))
        drawn = sent.value.draw(np.sort(rows["item_index"].to_numpy(np.int64)), random)
        return pd.DataFrame(
            [(own.item, own.text, key[0], number, own.items, own.queries) for number, own in enumerate(drawn)],
            columns=["item_index", "text", "bucket", "number", "source_indexes", "source_queries"],
        )

    bucketed = items.select("item_index", F.pmod(F.xxhash64("item_id"), F.lit(BUCKETS)).cast("int").alias("bucket"))
    tasks = tasks_of(items.sparkSession, BUCKETS)
    drawn = bucketed.repartition(tasks, "bucket").groupBy("bucket").applyInPandas(sample, DRAWN)
    return _rows(drawn, items, sampler, f"{identity}|{name}")


def _rows(drawn: DataFrame, items: DataFrame, sampler: QuerySampler, identity: str) -> DataFrame:
    """Count what is drawn of an item more than once, and name each row by what made it."""
    names = F.broadcast(items.select("item_id", "item_index"))
    sources = F.broadcast(items.select(F.col("item_id").alias("source_id"), F.col("item_index").alias("source_index")))
    texts = drawn.withColumn("text", normalised("text")).where("text != ''")
    of_item = Window.partitionBy("item_index")
    rows = (
        texts.withColumn("serial", F.row_number().over(of_item.orderBy("number")) - 1)
        .withColumn("drawn", F.count("*").over(of_item))
        .groupBy("item_index", "text", "drawn")
        .agg(
            F.min("serial").alias("serial"),
            F.count("*").alias("n"),
            F.array_sort(F.array_distinct(F.flatten(F.collect_list("source_indexes")))).alias("source_indexes"),
            F.array_sort(F.array_distinct(F.flatten(F.collect_list("source_queries")))).alias("source_queries"),
        )
    )
    made_of = (
        rows.select("item_index", "serial", F.explode("source_indexes").alias("source_index"))
        .join(sources, "source_index", how="inner")
        .groupBy("item_index", "serial")
        .agg(F.array_sort(F.collect_list("source_id")).alias("source_items"))
    )
    identified = F.concat_ws("|", F.lit(identity), "item_id", F.col("serial").cast("string"))
    return (
        rows.join(names, "item_index", how="inner")
        .join(made_of, ["item_index", "serial"], how="left")
        .select(
            F.substring(F.sha2(identified, 256), 1, 32).alias("row_id"),
            "text",
            "item_id",
            F.lit(sampler.name).alias("generator"),
            F.lit(sampler.version).alias("generator_version"),
            "serial",
            F.coalesce("source_items", F.array().cast("array<string>")).alias("source_items"),
            "source_queries",
            (F.col("n") / F.col("drawn")).alias("weight"),
        )
    )
