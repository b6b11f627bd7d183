"""The completion of the catalogue: train the attribute VAE, measure it on what it has not seen, fill the gaps."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.augment.attributes import Bounds, complete, latents, load, measure
from recaug.augment.calibration import calibrate
from recaug.clickstream.attributes import TEST
from recaug.errors import ConfigError
from recaug.evaluate.completion import IMPUTED_ITEMS, imputed, summary
from recaug.lake.store import Store
from recaug.night.context import Context, StageResult
from recaug.night.failures import one_line_errors
from recaug.night.nightly import held, run_night, run_stage
from recaug.night.stage import Stage
from recaug.report import completion as page
from recaug.results import Complete
from recaug.studies.completion_rows import all_rows, count_values, encode_items, has_part, job_of, validation_rows
from recaug.studies.worth import worth
from recaug.training.jobs import train

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
    with held(context, f"the completion of {context.date}"):
        done = run_stage(context, COMPLETE, _complete)
    results = msgspec.to_builtins(done.metrics) | {"cpu_seconds": done.cpu_seconds, "wall_seconds": done.wall_seconds}
    with one_line_errors(COMPLETE.name):
        folder = context.folder.at("attributes")
        folder.write("results.json", json.dumps(results, indent=2) + "\n")
        folder.write("results.md", page.markdown(results))
        folder.write("index.html", page.render(results, context.run_id))
    filled = f"{results['completed']:,} gaps filled, {results['doubtful']:,} doubtful values"
    say(f"  {COMPLETE.name:<10} {done.wall_seconds:6.1f} s  {filled}")
    for recommender, verdict in results["worth"].items():
        say(f"  {recommender:<10} {verdict['decision']}: {'; '.join(verdict['reasons'])}")
    return results


def _complete(context: Context) -> StageResult:
    lake, config = context.lake, context.config.attributes
    assert config is not None
    layout, content_hash = encode_items(context, config)
    rows = lake.read("item_attributes")
    prior, gaps = count_values(rows, layout)
    job = job_of(context, config, layout, content_hash, prior)
    jobs = [replace(job, seed=job.seed + member) for member in range(config.members)]
    trained = train(jobs, context.spark, context.config.training, "attributes")
    folders = tuple(model.folder for model in trained)
    version = hashlib.sha256("|".join(Store(folder).name for folder in folders).encode()).hexdigest()[:16]
    calibrations = calibrate(load(folders), validation_rows(rows))
    test = rows.where(has_part(TEST))
    some = test.orderBy(F.xxhash64("item_id")).limit(ABLATED)
    evidence = summary(measure(test, folders, calibrations).unionByName(measure(some, folders, calibrations, True)))
    for name, score in imputed(all_rows(rows), layout).items() if job.rows <= IMPUTED_ITEMS else ():
        evidence[name].ways["imputer"] = score
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


def _named(coded: DataFrame, rows: DataFrame, version: str, context: Context) -> DataFrame:
    """Turn codes and numbers into text: the columns of completed_attributes, and of doubtful_attributes where given."""
    names = {"value": ("code", "number")}
    if "likelier" in rows.columns:
        names["likelier_value"] = ("likelier", "likelier_number")
    for name, (code, number) in names.items():
        values = F.broadcast(coded.select("attribute", F.col("code").alias(code), F.col("value").alias("text")))
        rows = rows.join(values, ["attribute", code], how="left")
        shown = F.when(F.col("text").isNotNull(), F.col("text")).otherwise(F.format_string("%.6g", number))
        rows = rows.withColumn(name, shown).drop("text")
    if "likelier_value" in rows.columns:
        rows = rows.drop("likelier").withColumnRenamed("likelier_value", "likelier")
    kept = [name for name in rows.columns if name not in ("code", "number", "likelier_number")]
    return rows.select(*kept, F.lit(version).alias("generator_version"), F.lit(context.run_id).alias("run_id"))
