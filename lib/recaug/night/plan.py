"""What a night would do, told before it begins."""

import datetime as dt
from collections.abc import Iterable, Sequence

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.errors import NoRowsError
from recaug.night import ingest
from recaug.night.nightly import night_context
from recaug.night.stage import NIGHT, SEARCHES


def plan(config: Config, date: dt.date, spark: SparkSession, stages: Iterable[str]) -> list[str]:
    """Say what a night would do, one line each, and touch nothing."""
    context = night_context(config, date, spark)
    reads: dict[str, Sequence[str]] = {stage: NIGHT[stage].reads for stage in stages}
    held = {name: context.lake.version(name) for name in set().union(*reads.values())}
    if config.source.search is None:  # then there are none of its tables
        reads = {stage: [name for name in tables if name not in SEARCHES] for stage, tables in reads.items()}
    late_days = config.source.event_log.late_days if config.source.event_log is not None else 0
    late = f", and what came late for the {late_days} days before" if late_days else ""
    logs = [log for log in (*config.source.logs, config.source.search) if log is not None]
    places = " and ".join(f"{log.place} ({log.format})" if log.format else log.place for log in logs)
    try:
        estimated = f"{ingest.estimate(context)}{late}"
    except NoRowsError as error:
        estimated = str(error)
    return [
        f"night of {date}, run {context.run_id}",
        f"source: {places}: {estimated}",
        f"lake: {config.lake.path or config.lake.catalog}; artifacts: {config.artifacts}",
        *(
            f"{stage}: reads {', '.join(['the source'] * (stage == 'ingest') + [_version(n, held[n]) for n in tables])}"
            for stage, tables in reads.items()
        ),
    ]


def _version(name: str, version: int | None) -> str:
    return f"{name} (not there yet)" if version is None else f"{name} (version {version})"
