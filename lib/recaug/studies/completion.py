"""The completion of the catalogue: train the attribute VAE, measure it on what it has not seen, fill the gaps."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.augment.attributes import Bounds, complete, latents, load, measure
from recaug.augment.calibration import calibrate
from recaug.augment.items import enhanced
from recaug.clickstream.attributes import TEST, VALIDATION, Field, encoded, fields, values
from recaug.config import Attributes
from recaug.errors import ConfigError
from recaug.evaluate.completion import IMPUTED_ITEMS, imputed, summary
from recaug.lake.store import Store
from recaug.night.context import Context, StageResult
from recaug.night.nightly import one_line_errors, run_night, run_stage
from recaug.night.prepare import FILES
from recaug.night.stage import Stage
from recaug.report import completion as page
from recaug.results import Complete
from recaug.studies.worth import worth
from recaug.training.attributes import AttributeJob, Known, known
from recaug.training.inputs import VALIDATION_USERS, near
from recaug.training.jobs import train
from recaug.training.models.item_fields import Seen, given, split, told_by_neighbours

COMPLETE = Stage(
    "complete",
    reads=(
        "events",
        "items",
        "vocabulary",
        "covisitation",
        "sequences",
        "negatives",
        "user_features",
        "item_features",
        "candidate_events",
    ),
    writes=(
        "attribute_values",
        "item_attributes",
        "enhanced_attributes",
        "completed_attributes",
        "doubtful_attributes",
        "item_latents",
    ),
    sections=("attributes", "sasrec", "evaluate", "training"),
    needs=("prepare", "train"),
    history=("complete",),
)
ABLATED = 2000  # items on which modalities are taken away
Results = dict[str, Any]


def run_completion(context: Context, say: Callable[[str], None] = print) -> Results:
    """Complete the catalogue as the night's date knows it; what ingest and prepare have not done yet is done first.

    Writes the tables attribute_values, item_attributes, item_latents, completed_attributes and doubtful_attributes, a
    row of `runs` (stage `complete`), and in `<artifacts>/<date>/attributes/` results.json, results.md and index.html.
    Raises ConfigError without the sections attributes and source.items, ContractError for attributes without values.
    """
    config = context.config
    if config.attributes is None or config.source.items is None:
        raise ConfigError("the completion needs the sections attributes and source.items; conf/catalogue/ shows them")
    run_night(config, context.date, context.spark, ["ingest", "prepare"], resume=True, say=say)
    done = run_stage(context, COMPLETE, _complete)
    results = msgspec.to_builtins(done.metrics) | {"cpu_seconds": done.cpu_seconds, "wall_seconds": done.wall_seconds}
    with one_line_errors(COMPLETE.name):
        folder = context.folder.at("attributes")
        folder.write("results.json", json.dumps(results, indent=2) + "\n")
        folder.write("results.md", page.markdown(results))
        folder.write("index.html", page.render(results, context.run_id))
    told = f"{results['completed']:,} gaps filled, {results['doubtful']:,} doubtful values"
    say(f"  {COMPLETE.name:<10} {done.wall_seconds:6.1f} s  {told}")
    for recommender, verdict in results["worth"].items():
        say(f"  {recommender:<10} {verdict['decision']}: {'; '.join(verdict['reasons'])}")
    return results


def _complete(context: Context) -> StageResult:
    lake, config = context.lake, context.config.attributes
    assert config is not None
    layout, content_hash = _encode(context, config)
    rows = lake.read("item_attributes")
    prior, gaps = _count(rows, layout)
    job = _job(context, config, layout, content_hash, prior)
    jobs = [replace(job, seed=job.seed + member) for member in range(config.members)]
    trained = train(jobs, context.spark, context.config.training, "attributes")
    folders = tuple(model.folder for model in trained)
    version = hashlib.sha256("|".join(Store(folder).name for folder in folders).encode()).hexdigest()[:16]
    calibrations = calibrate(load(folders), _sample(rows))
    test = rows.where(_has_part(TEST))
    some = test.orderBy(F.xxhash64("item_id")).limit(ABLATED)
    evidence = summary(measure(test, folders, calibrations).unionByName(measure(some, folders, calibrations, True)))
    for name, told in imputed(_all(rows), layout).items() if job.rows <= IMPUTED_ITEMS else ():
        evidence[name]["ways"]["imputer"] = told
    bounds = Bounds(config.min_probability, config.max_doubt, config.tolerance)
    judged = complete(rows, folders, calibrations, bounds).persist()
    coded = lake.read("attribute_values")
    done = _named(coded, judged.where("likelier IS NULL").drop("likelier", "likelier_probability"), version, context)
    doubtful = _named(coded, judged.where("likelier IS NOT NULL"), version, context)
    # a number as it was given: its quantile gives it back roughly, and not at all beyond the outermost
    numbers = lake.read("items").select("item_id", F.explode("numeric").alias("attribute", "given"))
    doubtful = doubtful.join(numbers, ["item_id", "attribute"], how="left")
    doubtful = doubtful.withColumn("value", F.coalesce(F.col("given").cast("string"), "value")).drop("given")
    written = lake.replace(done, "completed_attributes", {}, context.run_id)
    listed = lake.replace(doubtful, "doubtful_attributes", {}, context.run_id)
    judged.unpersist()
    made_by = {"generator_version": F.lit(version), "run_id": F.lit(context.run_id)}
    lake.replace(latents(rows, folders).withColumns(made_by), "item_latents", {}, context.run_id)
    filled = lake.read("completed_attributes").groupBy("attribute").agg(F.count_distinct("item_id").alias("items"))
    verdicts = worth(context) if written.rows or context.config.sasrec.item_features_from == "latents" else {}
    metrics = Complete(
        items=job.rows,
        attributes=evidence,
        gaps=gaps,
        filled={row["attribute"]: row["items"] for row in filled.orderBy("attribute").collect()},
        completed=written.rows,
        doubtful=listed.rows,
        calibrations={name: list(calibration) for name, calibration in calibrations.items()},
        models=list(folders),
        train_seconds=sum(model.seconds for model in trained),
        curves={model.name: model.curves for model in trained},
        worth=verdicts,
    )
    decision = "publish" if any(verdict.decision == "publish" for verdict in verdicts.values()) else "hold"
    reasons = tuple(f"{name}, {reason}" for name, verdict in verdicts.items() for reason in verdict.reasons)
    return StageResult(metrics, written.content_hash, decision, reasons or ("no gap was filled",), trained)


def _encode(context: Context, config: Attributes) -> tuple[list[Field], str]:
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
        spreads = {one.name: one.spread for one in layout if one.kind == "numeric"}
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


def _job(
    context: Context, config: Attributes, layout: Sequence[Field], content_hash: str, prior: np.ndarray
) -> AttributeJob:
    lake = context.lake
    rows, n_items = lake.read("item_attributes"), lake.read("vocabulary").count()
    around = near(lake.read("covisitation"), n_items, config.neighbours, config.behaviour_dim)
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
        validation=_sample(rows),
        workers=context.config.training.workers,
    )


def _codes(rows: DataFrame, layout: Sequence[Field], n_items: int) -> np.ndarray:
    """Each indexed item's learnt values of the fields that neighbours tell, counted on: (n_items + 1, columns)."""
    frame = rows.toPandas()
    told = told_by_neighbours(layout)
    found = np.zeros((n_items + 1, sum(one.width for one in told)), np.int64)
    if len(frame):
        found[frame["item_index"].to_numpy()] = _counted_on(layout, known(frame).without(layout, (VALIDATION, TEST)))
    return found


def _count(rows: DataFrame, layout: Sequence[Field]) -> tuple[np.ndarray, dict[str, int]]:
    """Count values that are learnt from, and gaps.

    Returns the share of the items whose field is learnt from that have each value, see AttributeVAE, and by attribute
    the items without any value.
    """
    told, size = told_by_neighbours(layout), sum(one.size for one in told_by_neighbours(layout))

    def count(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            part = known(frame)
            learnt = part.without(layout, (VALIDATION, TEST))
            given_ = [
                [given(one, at) for one, at in zip(layout, split(layout, seen), strict=True)]
                for seen in (learnt, Seen(*part[:3]))
            ]
            counted = {
                "values": np.bincount(_counted_on(layout, learnt).ravel(), minlength=size + 1),
                "learnt": [int(one.sum()) for one in given_[0]],
                "gaps": [int((~one).sum()) for one in given_[1]],
            }
            yield pd.DataFrame({name: [np.asarray(numbers, np.int64)] for name, numbers in counted.items()})

    parts = rows.mapInPandas(count, "values array<bigint>, learnt array<bigint>, gaps array<bigint>").toPandas()
    total = {name: np.sum(np.stack(list(parts[name])), axis=0) for name in parts.columns}
    of_field = dict(zip(layout, total["learnt"], strict=True))
    has = np.repeat([of_field[one] for one in told], [one.size for one in told])
    shares: np.ndarray = ((total["values"][1:] + 0.1) / (has + 0.1)).astype(np.float32)
    gaps = {one.name: int(n) for one, n in zip(layout, total["gaps"], strict=True) if one.completed}
    return shares, gaps


def _counted_on(layout: Sequence[Field], seen: Seen) -> np.ndarray:
    """The values of the fields that neighbours tell, counted on from 1: (rows, columns), 0 for none and rare ones."""
    columns, first = [np.zeros((len(seen.codes), 0), np.int64)], 0
    for one, codes in zip(layout, split(layout, seen), strict=True):
        if one.coded and one.completed:
            columns.append(torch.where((codes > 0) & (codes <= one.size), codes + first, 0).numpy())
            first += one.size
    return np.concatenate(columns, axis=1)


def _sample(rows: DataFrame) -> Known:
    """Rows with a value kept for validation, of the lowest hashes."""
    kept = rows.where(_has_part(VALIDATION)).orderBy(F.xxhash64("item_id"), "item_id").limit(VALIDATION_USERS)
    return _all(kept)


def _all(rows: DataFrame) -> Known:
    """Rows of item_attributes on the driver, in the order of the items."""
    return known(rows.orderBy("item_id").select("item_index", "codes", "numbers", "parts").toPandas())


def _has_part(part: int) -> Any:
    """Whether any of a row's fields is of this part: a byte of `parts`."""
    return F.instr(F.hex("parts"), f"{part:02X}") > 0


def _named(coded: DataFrame, rows: DataFrame, version: str, context: Context) -> DataFrame:
    """Turn codes and numbers into text: the columns of completed_attributes, and of doubtful_attributes where given."""
    names = {"value": ("code", "number")}
    if "likelier" in rows.columns:
        names["likelier_value"] = ("likelier", "likelier_number")
    for name, (code, number) in names.items():
        told = F.broadcast(coded.select("attribute", F.col("code").alias(code), F.col("value").alias("text")))
        rows = rows.join(told, ["attribute", code], how="left")
        shown = F.when(F.col("text").isNotNull(), F.col("text")).otherwise(F.format_string("%.6g", number))
        rows = rows.withColumn(name, shown).drop("text")
    if "likelier_value" in rows.columns:
        rows = rows.drop("likelier").withColumnRenamed("likelier_value", "likelier")
    kept = [name for name in rows.columns if name not in ("code", "number", "likelier_number")]
    return rows.select(*kept, F.lit(version).alias("generator_version"), F.lit(context.run_id).alias("run_id"))
