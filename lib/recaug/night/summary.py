"""What a night came to: summary.json."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from recaug.errors import RecaugError
from recaug.lake.runs import RunRecord
from recaug.night.context import Context
from recaug.report.records import warnings
from recaug.results import Augment, Ingest, Interval, Measured, Publish, Recommend, Result, Trial

SHORT = ("hr@10", "ndcg@10", "recall@20")  # metrics of an arm in summary.json
DECIDING = ("publish", "search")  # whose decision is the night's: of the first task that it has
SAID = 500  # characters of what ended a night
Kind = TypeVar("Kind", bound=Result)
Records = Mapping[str, RunRecord]


def under_way(context: Context, run: Callable[[], None]) -> dict[str, Any]:
    """Run what the night does between two summaries: one that says that it has not ended, and what it came to.

    A night that is killed leaves the first, one that fails a line of what ended it: never the verdict of an older run.
    """
    told = {"date": context.date.isoformat(), "run_id": context.run_id, "decision": "none"}
    try:
        context.folder.write("summary.json", json.dumps({**told, "reasons": ["the night has not ended"]}) + "\n")
        run()
    except BaseException as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:SAID]
        with suppress(OSError, RecaugError):  # what ended it is what is raised
            context.folder.write("summary.json", json.dumps({**told, "reasons": [f"the night failed, {said}"]}) + "\n")
        raise
    return summarise(context)


def summarise(context: Context) -> dict[str, Any]:
    """Write `<artifacts>/<date>/summary.json` from what `runs` holds of the night, by one rename."""
    records = context.night()
    trial, published, searched = _of_stage(records, Trial), records.get("publish"), records.get("search")
    first = next(stage for stage in DECIDING if stage in context.config.stages)
    decided = records.get(first)
    hashed = records.get("augment") if published is None or published.content_hash is None else published
    summary: dict[str, Any] = {
        "date": context.date.isoformat(),
        "run_id": context.run_id,
        "decision": decided.decision if decided else "none",
        "reasons": list(decided.reasons) if decided else [f"the {first} stage has not run"],
        "rows": _rows(records),
        "warnings": warnings(records),
        "metrics": {arm: _short(result.measured) for arm, result in trial.arms.items()} if trial else {},
        "lift": _lift(trial),
        "chosen": trial.chosen if trial else None,
        "cpu_seconds": {stage: record.cpu_seconds for stage, record in records.items()},
        "wall_seconds": {stage: record.wall_seconds for stage, record in records.items()},
        "search": _search(searched) if searched is not None else None,
        "content_hash": hashed.content_hash if hashed else None,
    }
    context.folder.write("summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _of_stage(records: Records, kind: type[Kind]) -> Kind | None:
    """What the stage with results of this kind has recorded; None where it has not run."""
    return next((record.metrics for record in records.values() if isinstance(record.metrics, kind)), None)


def _rows(records: Records) -> dict[str, int | None]:
    """Rows through the night; 0 of a stage that has not run."""
    ingest, augment = _of_stage(records, Ingest), _of_stage(records, Augment)
    publish, recommend = _of_stage(records, Publish), _of_stage(records, Recommend)
    apart = ("rows_read", "ignored", "held", "later", "earlier", "too_late")  # what else became of those read
    return {
        **{name.removeprefix("rows_"): getattr(ingest, name) if ingest else 0 for name in apart},
        "in": ingest.rows_in if ingest else None,
        "events": ingest.events if ingest else 0,
        "duplicates": ingest.duplicates if ingest else 0,
        "quarantined": ingest.quarantined if ingest else 0,
        "candidates": augment.candidates if augment else 0,
        "augmented": publish.augmented if publish else 0,
        "recommendations": recommend.recommendations if recommend else 0,
    }


def _search(record: RunRecord) -> dict[str, Any]:
    """What the search came to: its decision, rows, and lift of the chosen arm on its gate's metric."""
    found, generated = record.metrics, record.metrics.generated
    trial = generated.trial if generated is not None else None
    drawn = sum(own.rows for own in generated.fidelity.values()) if generated is not None else 0
    return {
        "decision": record.decision,
        "reasons": list(record.reasons),
        "metric": trial.metric if trial is not None else None,
        "chosen": trial.chosen if trial is not None else None,
        "lift": _lift(trial),
        "rows": {
            "queries": sum(found.queries.values()),
            "generated": drawn,
            "published": generated.published if generated is not None else 0,
            "lists": found.lists.rows if found.lists is not None else 0,
        },
        "content_hash": record.content_hash,
    }


def _lift(trial: Trial | None) -> dict[str, float | None]:
    """Lift of the chosen arm for all users; null where none was chosen, and a bound that the data do not give."""
    lift: Interval | None = None
    if trial is not None and trial.chosen is not None:
        lift = trial.arms[trial.chosen].lifts[trial.metric]["overall"]
    return {name: getattr(lift, name, None) for name in ("mean", "low", "high")}


def _short(measured: Measured) -> dict[str, Any]:
    """Means of an arm: for all users, and under `cold` for the cold ones."""
    short: dict[str, Any] = {name: measured.measures["overall"][name].mean for name in SHORT}
    short["coverage"] = measured.catalogue.coverage
    if "cold" in measured.measures:
        short["cold"] = {name: measured.measures["cold"][name].mean for name in SHORT}
    return short
