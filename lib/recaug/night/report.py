"""The report stage: read the night's tables and records, write one page."""

import os
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import STAGES
from recaug.errors import StorageError
from recaug.lake import runs
from recaug.lake.contracts import TABLES
from recaug.lake.runs import RunRecord
from recaug.night.context import Context, StageResult
from recaug.report import distributions, page, tables

EXAMPLES = 10  # generated users that the page shows
LAST_NIGHTS = 14


def run(context: Context) -> StageResult:
    """Write `<artifacts>/<date>/report/index.html` from what is recorded so far; stages that are missing are left out.

    Metrics: bytes of the page. Raises StorageError where the page cannot be written; the old one then stays.
    """
    html = page.render(collect(context))
    target = context.folder / "report" / "index.html"
    partial = target.with_name("index.html.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(html, encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        raise StorageError(f"{target}: {error.strerror}; free space or set artifacts elsewhere") from error
    return StageResult(metrics={"bytes": len(html.encode())})


def collect(context: Context) -> page.Night:
    """Read and aggregate all that the page shows. Spark aggregates; what it gives is small."""
    stages = records(context)
    lake = {name: context.lake.read(name) for name in TABLES if context.lake.exists(name)}
    candidates = lake["candidate_events"].where(F.col("run_id") == context.run_id) if "augment" in stages else None
    return page.Night(
        date=context.date,
        run_id=context.run_id,
        config_hash=context.config.hash,
        task=context.config.prepare.task,
        gate=context.config.evaluate.gate,
        stages=stages,
        counts=counts(context, stages, lake, candidates),
        quarantine=quarantine(context, lake["events_quarantine"]) if "ingest" in stages else None,
        history=[
            {"event_date": night.event_date, "decision": night.decision, "reason": "; ".join(night.reasons)}
            for night in runs.history(context.lake, "publish")
            if night.event_date <= context.date
        ][-LAST_NIGHTS:],
        versions={name: version for name in lake if (version := context.lake.version(name)) is not None},
        **(likeness(context, lake, candidates) if "prepare" in stages else {}),
    )


def records(context: Context) -> dict[str, RunRecord]:
    """The stages that this night has finished, in order; those of another configuration do not belong to it."""
    found = runs.night(context.lake, context.date)
    return {stage: found[stage] for stage in STAGES if stage in found and found[stage].run_id == context.run_id}


def counts(
    context: Context, stages: tables.Stages, lake: Mapping[str, DataFrame], candidates: DataFrame | None
) -> dict[str, int]:
    """Count rows in and out of the recorded stages, by the keys of tables.FLOWS; from the tables where they tell."""
    found: dict[str, int] = {}
    tonight = F.col("event_date") == F.lit(context.date)
    if "ingest" in stages:
        metrics = stages["ingest"].metrics
        found |= {key: metrics[key] for key in ("rows_in", "events", "duplicates", "quarantined") if key in metrics}
        held = lake["events"].where(F.col("event_date") <= F.lit(context.date)).count()
        found |= {"events_all": held} if held != found.get("events") else {}
    if "prepare" in stages:
        by_split = lake["sequences"].groupBy("split").count().collect()
        found |= {f"sequences_{row['split']}": row["count"] for row in by_split}
        found["vocabulary"] = lake["vocabulary"].count()
        found["negatives"] = lake["negatives"].where(tonight).count()
    if "train" in stages:
        found["models"] = len(stages["train"].metrics.get("models", {}))
    if candidates is not None:
        found["candidates"] = candidates.count()
        found["continuations"] = candidates.where(F.col("parent_event_id").isNotNull()).count()
        found["history_events"] = found["candidates"] - found["continuations"]
    if "evaluate" in stages:
        metrics = stages["evaluate"].metrics
        found["recommenders"] = len(metrics.get("arms", {})) * metrics.get("seeds", 1)
    if "publish" in stages:
        augmented = lake.get("augmented_events")
        found["augmented"] = augmented.where(tonight).count() if augmented is not None else 0
    if "recommend" in stages:
        found["recommendations"] = lake["recommendations"].where(tonight).count()
    return found


def quarantine(context: Context, rows: DataFrame) -> pd.DataFrame:
    """Reasons of the rows that this night quarantined: those since the last night's date."""
    before = [night.event_date for night in runs.history(context.lake, "ingest") if night.event_date < context.date]
    rows = rows.where(F.col("event_date") <= F.lit(context.date))
    if before:
        rows = rows.where(F.col("event_date") > F.lit(max(before)))
    return distributions.quarantine_reasons(rows).toPandas()


def likeness(context: Context, lake: Mapping[str, DataFrame], candidates: DataFrame | None) -> dict[str, Any]:
    """Distributions of real and generated events, and examples: the fields of page.Night from `category` on."""
    source = context.config.source.items
    attribute = next(iter(source.categorical), None) if source is not None else None
    learnt = distributions.learnt_events(lake["events"], lake["sequences"])
    events = distributions.sample(learnt, candidates).persist()
    found = {
        "category": attribute,
        "popularity": distributions.popularity(events).toPandas(),
        "lengths": distributions.lengths(events).toPandas(),
        "gaps": distributions.gaps(events).toPandas(),
        "categories": distributions.categories(events, lake["items"], attribute).toPandas() if attribute else None,
    }
    events.unpersist()
    if candidates is not None:
        found |= examples(learnt, candidates, lake["items"], attribute, context.config.augment.continuations)
    return found


def examples(
    learnt: DataFrame, candidates: DataFrame, items: DataFrame, attribute: str | None, continuations: int
) -> dict[str, Any]:
    """Generated users, their events and those of their source users; continuations: of each real event."""
    users = distributions.example_users(candidates, EXAMPLES).toPandas()
    longest = page.SHOWN_EVENTS * max(1, continuations)
    made = []
    for generator in users["generator"].unique():
        own, chosen = candidates.where(F.col("generator").eqNullSafe(generator)), users[users["generator"] == generator]
        events = distributions.histories(own, list(chosen["user_id"]), items, attribute, longest)
        made.append(events.toPandas().assign(generator=generator))
    sources = sorted({source for of_user in users["source_users"] for source in of_user})
    return {
        "examples": users,
        "generated_histories": pd.concat(made) if made else None,
        "source_histories": distributions.histories(learnt, sources, items, attribute, page.SHOWN_EVENTS).toPandas(),
    }
