"""The report stage: read the night's tables and records, write one page."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.lake.runs import RunRecord
from recaug.lake.tables import condition
from recaug.night.context import Context, StageResult
from recaug.night.summary import DECIDING
from recaug.report import distributions, page
from recaug.report.cards import cards
from recaug.report.privacy import Protection
from recaug.report.series import generators_of
from recaug.results import Ingest, Report, Spent

EXAMPLES = 10  # generated users that the page shows
LAST_NIGHTS = 14
PAGE = "report/index.html"  # of the night's folder
CONFIG = "config.yaml"  # of the night's folder: each value with where it comes from
SHOWN_USERS = "shown_users.json"  # beside a page: the real users whom it names


def run(context: Context) -> StageResult:
    """Write `<artifacts>/<date>/report/index.html` from what is recorded so far; stages that are missing are left out.

    Beside it SHOWN_USERS, by which erasure knows the pages to delete, and once the night is evaluated model_card.md and
    data_card.md; above it CONFIG, what the night ran with. Raises StorageError where one cannot be written; the old one
    then stays.
    """
    night, folder = collect(context), context.folder
    html, shown = page.render(night), str(PurePath(PAGE).with_name(SHOWN_USERS))
    users = page.users_on(night)
    before = json.loads(folder.read(shown)) if folder.exists(shown) else []
    folder.write(shown, json.dumps(sorted({*before, *users})))  # of the old page, too, until the new one is there
    folder.write(PAGE, html)
    folder.write(shown, json.dumps(users))
    for name, text in cards(night, context.config).items():
        folder.write(str(PurePath(PAGE).with_name(name)), text)
    folder.write(CONFIG, context.config.written())
    return StageResult(Report(bytes=len(html.encode())))


def collect(context: Context) -> page.Night:
    """Read and aggregate all that the page shows. Spark aggregates; what it gives is small."""
    stages = context.night()
    night = page.Night(
        date=context.date,
        run_id=context.run_id,
        config_hash=context.config.hash,
        task=context.config.prepare.task,
        gate=context.config.evaluate.gate,
        stages=stages,
        order=context.config.stages,
        generators=generators_of(context.config),
        quarantine=quarantine(context, stages["ingest"].metrics) if "ingest" in stages else None,
        history=last_nights(context),
        versions=versions(context, stages),
        protection=Protection(context.config.privacy.min_users, context.config.privacy.key is not None, _spent(stages)),
    )
    return with_likeness(night, context) if "prepare" in stages else night


def _spent(stages: Mapping[str, RunRecord]) -> Spent | None:
    """What privacy the night has spent: by its refit, too, where that made rows."""
    records = (stages[name].metrics for name in ("refit", "train") if name in stages)
    return next((metrics.spent for metrics in records if metrics.spent is not None), None)


def last_nights(context: Context) -> list[page.PastNight]:
    """How the nights up to this one ended."""
    first = next(stage for stage in DECIDING if stage in context.config.stages)
    nights = [night for night in context.history(first) if night.event_date <= context.date]
    return [
        page.PastNight(night.event_date, night.decision, "; ".join(night.reasons)) for night in nights[-LAST_NIGHTS:]
    ]


def versions(context: Context, stages: dict[str, RunRecord]) -> dict[str, int]:
    """Versions of the tables that the stages read, as recorded, and of those that the last stages wrote."""
    read = {table: version for record in stages.values() for table, version in record.input_versions.items()}
    for stage, table in (("publish", "augmented_events"), ("recommend", "recommendations"), ("search", "search_lists")):
        version = context.lake.version(table) if stage in stages else None
        read |= {} if version is None else {table: version}
    return read


def quarantine(context: Context, ingested: Ingest) -> pd.DataFrame | None:
    """Reasons of the rows that this night quarantined: those of the days that it took; None without a log of events."""
    if not context.lake.exists("events_quarantine"):
        return None
    first, last = (dt.date.fromisoformat(day) if day else None for day in ingested.days)
    rows = context.lake.read("events_quarantine").where(condition({"event_date": (first, last)}))
    return distributions.quarantine_reasons(rows).toPandas()


def with_likeness(night: page.Night, context: Context) -> page.Night:
    """Add distributions of real events and, once there are candidates, of generated ones, and examples."""
    lake, source = context.lake, context.config.source.items
    attribute = next(iter(source.categorical), None) if source is not None else None
    items = lake.read("items")
    learnt = distributions.learnt_events(lake.read("events"), lake.read("sequences"))
    augmented = "augment" in night.stages
    candidates = lake.read("candidate_events").where(F.col("run_id") == context.run_id) if augmented else None
    events = distributions.sample(learnt, candidates).persist()
    try:
        night = replace(
            night,
            category=attribute,
            popularity=distributions.popularity(events).toPandas(),
            lengths=distributions.lengths(events).toPandas(),
            gaps=distributions.gaps(events).toPandas(),
            categories=distributions.categories(events, items, attribute).toPandas() if attribute else None,
        )
        if augmented:
            most = max((entry.continuations for entry in context.config.augment.generators), default=0)
            night = with_examples(night, events, items, most)
    finally:
        events.unpersist()
    return night


def with_examples(night: page.Night, events: DataFrame, items: DataFrame, continuations: int) -> page.Night:
    """Add generated users, their events and those of their source users.

    events: as distributions.sample gives them. continuations: of each real event, at most.
    """
    users = distributions.example_users(events, EXAMPLES).toPandas()
    sources = {source for of_user in users["source_users"] for source in of_user}
    shown = {(distributions.REAL, source) for source in sources} | set(
        zip(users["series"], users["user_id"], strict=True)
    )
    longest = page.SHOWN_EVENTS * max(1, continuations)
    histories = distributions.shown_histories(events, sorted(shown), items, night.category, longest)
    return replace(night, examples=users, histories=histories.toPandas())
