"""What the completion learns from: coded values, training job, counts and samples of the rows."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.augment.items import enhanced
from recaug.clickstream.attributes import TEST, VALIDATION, Field, encoded, fields, values
from recaug.config import Attributes
from recaug.night.context import Context
from recaug.night.prepare import FILES
from recaug.training.attributes import AttributeJob, Known, known
from recaug.training.inputs import VALIDATION_USERS, near
from recaug.training.models.item_fields import Seen, given, split, told_by_neighbours


def encode_items(context: Context, config: Attributes) -> tuple[list[Field], str]:
    """Write attribute_values, item_attributes and the enhanced copies.

    Returns the modalities and a hash of all that training reads.
    """
    lake, source, seed = context.lake, context.config.source.items, context.config.seed
    assert source is not None
    items, vocabulary = lake.read("items"), lake.read("vocabulary")
    lake.replace(values(items, config.min_items).coalesce(1), "attribute_values", {}, context.run_id)
    coded = lake.read("attribute_values")
    layout = fields(items, coded, source, config, seed)
    rows = encoded(items, coded, vocabulary, layout, config, seed)
    written = lake.replace(rows, "item_attributes", {}, context.run_id, files=FILES, by=("item_id",))
    read = f"{written.content_hash} {lake.content_hash('covisitation')} {config.neighbours}"
    if config.classic is not None:
        spreads = {field.name: field.spread for field in layout if field.kind == "numeric"}
        copies = enhanced(items, spreads, config.classic, seed)
        more = [
            encoded(copies.where(F.col("copy") == copy), coded, vocabulary, layout, config, seed).withColumn(
                "copy", F.lit(copy)
            )
            for copy in range(1, config.classic.copies + 1)
        ]
        by = ("item_id", "copy")
        rows = reduce(DataFrame.unionByName, more)
        read += " " + lake.replace(rows, "enhanced_attributes", {}, context.run_id, files=FILES, by=by).content_hash
    return layout, read


def job_of(
    context: Context, config: Attributes, layout: Sequence[Field], content_hash: str, prior: np.ndarray
) -> AttributeJob:
    """Describe the training of the attribute VAE; prior: of each value, see count_values."""
    lake = context.lake
    rows, n_items = lake.read("item_attributes"), lake.read("vocabulary").count()
    least = context.config.privacy.min_users
    around = near(lake.read("covisitation"), n_items, config.neighbours, config.behaviour_dim, least)
    tables = ["item_attributes", *(["enhanced_attributes"] if config.classic is not None else [])]
    return AttributeJob(
        config=config,
        models=context.models,
        files=[file for table in tables for file in lake.snapshot_files(table)],
        content_hash=content_hash,
        rows=rows.count(),
        seed=context.config.seed,
        fields=layout,
        near=around,
        codes=_codes(rows.where("item_index > 0"), layout, n_items),
        prior=prior,
        validation=validation_rows(rows),
        workers=context.config.training.workers,
    )


def _codes(rows: DataFrame, layout: Sequence[Field], n_items: int) -> np.ndarray:
    """Each indexed item's learnt values of the fields that neighbours tell, counted on: (n_items + 1, columns)."""
    frame = rows.toPandas()
    counted = told_by_neighbours(layout)
    counts = np.zeros((n_items + 1, sum(field.width for field in counted)), np.int64)
    if len(frame):
        counts[frame["item_index"].to_numpy()] = _counted_on(layout, known(frame).without(layout, (VALIDATION, TEST)))
    return counts


def count_values(rows: DataFrame, layout: Sequence[Field]) -> tuple[np.ndarray, dict[str, int]]:
    """Count how frequent each value is among the items that are learnt from, and how many items lack an attribute.

    Returns the values' shares of the items that have the field, field after field (`prior` of AttributeVAE), and the
    gaps: attribute -> items without a value.
    """
    counted, size = told_by_neighbours(layout), sum(field.size for field in told_by_neighbours(layout))

    def count(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            part = known(frame)
            learnt = part.without(layout, (VALIDATION, TEST))
            given_ = [
                [given(field, at) for field, at in zip(layout, split(layout, seen), strict=True)]
                for seen in (learnt, Seen(*part[:3]))
            ]
            counted = {
                "values": np.bincount(_counted_on(layout, learnt).ravel(), minlength=size + 1),
                "learnt": [int(mask.sum()) for mask in given_[0]],
                "gaps": [int((~mask).sum()) for mask in given_[1]],
            }
            yield pd.DataFrame({name: [np.asarray(numbers, np.int64)] for name, numbers in counted.items()})

    parts = rows.mapInPandas(count, "values array<bigint>, learnt array<bigint>, gaps array<bigint>").toPandas()
    total = {name: np.sum(np.stack(list(parts[name])), axis=0) for name in parts.columns}
    of_field = dict(zip(layout, total["learnt"], strict=True))
    has = np.repeat([of_field[field] for field in counted], [field.size for field in counted])
    shares: np.ndarray = ((total["values"][1:] + 0.1) / (has + 0.1)).astype(np.float32)
    gaps = {field.name: int(n) for field, n in zip(layout, total["gaps"], strict=True) if field.completed}
    return shares, gaps


def _counted_on(layout: Sequence[Field], seen: Seen) -> np.ndarray:
    """The values of the fields that neighbours tell, counted on from 1: (rows, columns), 0 for none and rare ones."""
    columns, first = [np.zeros((len(seen.codes), 0), np.int64)], 0
    for field, codes in zip(layout, split(layout, seen), strict=True):
        if field.coded and field.completed:
            columns.append(torch.where((codes > 0) & (codes <= field.size), codes + first, 0).numpy())
            first += field.size
    return np.concatenate(columns, axis=1)


def validation_rows(rows: DataFrame) -> Known:
    """Rows with a value kept for validation, of the lowest hashes."""
    kept = rows.where(has_part(VALIDATION)).orderBy(F.xxhash64("item_id"), "item_id").limit(VALIDATION_USERS)
    return all_rows(kept)


def all_rows(rows: DataFrame) -> Known:
    """Rows of item_attributes on the driver, in the order of the items."""
    return known(rows.orderBy("item_id").select("item_index", "codes", "numbers", "parts").toPandas())


def has_part(part: int) -> Any:
    """Whether any of a row's fields is of this part: a byte of `parts`."""
    return F.instr(F.hex("parts"), f"{part:02X}") > 0
