"""The report stage: read the night's tables and records, write one page."""

import datetime as dt
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import STAGES
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.tables import condition
from recaug.night.context import Context, StageResult
from recaug.report import distributions, page
from recaug.report.cards import cards

EXAMPLES = 10  # generated users that the page shows
LAST_NIGHTS = 14


def run(context: Context) -> StageResult:
    """Write `<artifacts>/<date>/report/index.html` from what is recorded so far; stages that are missing are left out.

    Beside it, once the night is evaluated, model_card.md and data_card.md. Metrics: bytes of the page. Raises
    StorageError where one cannot be written; the old one then stays.
    """
    night = collect(context)
    html = page.render(night)
    for name, text in {"index.html": html, **cards(night, context.config)}.items():
        context.folder.write(f"report/{name}", text)
    return StageResult(metrics={"bytes": len(html.encode())})


def collect(context: Context) -> page.Night:
    """Read and aggregate all that the page shows. Spark aggregates; what it gives is small."""
    stages = records(context)
    return page.Night(
        date=context.date,
        run_id=context.run_id,
        config_hash=context.config.hash,
        task=context.config.prepare.task,
        gate=context.config.evaluate.gate,
        stages=stages,
        quarantine=quarantine(context, stages["ingest"]) if "ingest" in stages else None,
        history=last_nights(context),
        versions=versions(context, stages),
        **(likeness(context, "augment" in stages) if "prepare" in stages else {}),
    )


def records(context: Context) -> dict[str, RunRecord]:
    """The stages that this night has finished, in order; those of another configuration do not belong to it."""
    found = runs.night(context.lake, context.date)
    return {stage: found[stage] for stage in STAGES if stage in found and found[stage].run_id == context.run_id}


def last_nights(context: Context) -> list[dict[str, Any]]:
    """Decisions up to this night: event_date, decision, reason."""
    nights = [night for night in runs.history(context.lake, "publish") if night.event_date <= context.date]
    return [
        {"event_date": night.event_date, "decision": night.decision, "reason": "; ".join(night.reasons)}
        for night in nights[-LAST_NIGHTS:]
    ]


def versions(context: Context, stages: dict[str, RunRecord]) -> dict[str, int]:
    """Versions of the tables that the stages read, as recorded, and of those that the last stages wrote."""
    found: dict[str, int] = {}
    for record in stages.values():
        found |= record.input_versions
    for stage, table in (("publish", "augmented_events"), ("recommend", "recommendations")):
        version = context.lake.version(table) if stage in stages else None
        found |= {} if version is None else {table: version}
    return found


def quarantine(context: Context, ingested: RunRecord) -> pd.DataFrame:
    """Reasons of the rows that this night quarantined: those of the days that it took."""
    first, last = (dt.date.fromisoformat(day) if day else None for day in ingested.metrics["days"])
    rows = context.lake.read("events_quarantine").where(condition({"event_date": (first, last)}))
    return distributions.quarantine_reasons(rows).toPandas()


def likeness(context: Context, augmented: bool) -> dict[str, Any]:
    """Distributions of real and generated events, and examples: the fields of page.Night from `category` on."""
    lake, source = context.lake, context.config.source.items
    attribute = next(iter(source.categorical), None) if source is not None else None
    items = lake.read("items")
    learnt = distributions.learnt_events(lake.read("events"), lake.read("sequences"))
    of_run = (F.col("run_id") == context.run_id) & (F.col("arm") == F.col("generator"))  # the policy's are among them
    candidates = lake.read("candidate_events").where(of_run) if augmented else None
    events = distributions.sample(learnt, candidates).persist()
    try:
        found: dict[str, Any] = {
            "category": attribute,
            "popularity": distributions.popularity(events).toPandas(),
            "lengths": distributions.lengths(events).toPandas(),
            "gaps": distributions.gaps(events).toPandas(),
            "categories": distributions.categories(events, items, attribute).toPandas() if attribute else None,
        }
        if candidates is not None:
            most = max((entry.continuations for entry in context.config.augment.generators), default=0)
            found |= examples(events, items, attribute, most)
    finally:
        events.unpersist()
    return found


def examples(events: DataFrame, items: DataFrame, attribute: str | None, continuations: int) -> dict[str, Any]:
    """Generated users, their events and those of their source users; continuations: of each real event, at most."""
    users = distributions.example_users(events, EXAMPLES).toPandas()
    sources = {source for of_user in users["source_users"] for source in of_user}
    shown = {(distributions.REAL, source) for source in sources} | set(
        zip(users["series"], users["user_id"], strict=True)
    )
    longest = page.SHOWN_EVENTS * max(1, continuations)
    return {
        "examples": users,
        "histories": distributions.histories(events, sorted(shown), items, attribute, longest).toPandas(),
    }
