"""A night owns what it reads: records that belong together, tables as their stage of this night left them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from recaug.errors import ContractError, StorageError
from recaug.lake import runs
from recaug.lake.ledger import changed
from recaug.lake.runs import RunRecord
from recaug.lake.tombstones import last_erasure
from recaug.night.context import Context
from recaug.night.stage import NIGHT, Stage
from recaug.results import TrainedModel
from recaug.training.wholeness import damage, sources_hash

LEARNING = ("train", "augment", "evaluate", "refit", "search")  # what learns, or draws from what has learnt
LOG = "ingest"  # its tables are of all nights
CODE = "code"  # among a record's inputs: the release that made it


def check_inputs(context: Context, stage: Stage) -> None:
    """Raise ContractError where a table that a stage reads is not as its stage of this night left it.

    Also where it would learn from what users that are erased by now have taught. Raises StorageError where a model that
    it needs is damaged. What belongs to the log of all nights is not compared.
    """
    lake, records = context.lake.whole, context.night()
    erased = last_erasure(lake) if stage.name in LEARNING else None
    for name, other in NIGHT.items():
        shared = sorted(set(other.writes) & set(stage.reads))
        if name in (stage.name, LOG) or not (shared or name in stage.needs):
            continue
        record = records.get(name)
        if record is None:
            if name not in stage.needs and any(lake.exists(table) for table in shared):
                said = f"the {name} stage of {context.date} has not run with this configuration"
                raise ContractError(f"{said}; run it before {stage.name}")
            continue  # a stage says itself what it cannot do without
        if erased is not None and record.finished <= erased:
            raise ContractError(f"{stage.name}: users have been erased since {name} of {context.date}; run it again")
        if what := changed(lake, {place: left for place, left in _outputs(record) if place.split(" ")[0] in shared}):
            raise ContractError(f"{stage.name}: {what}, not by {name} of {context.date}; run {name} again")
        if stage.name != "report" and (why := damaged(record)):
            raise StorageError(f"{stage.name}: {why}; run {name} of {context.date} again")


def intact(context: Context, record: RunRecord) -> str | None:
    """Say what of a stage's outputs is no longer as it left them; None where all are."""
    if record.outputs is None:
        return "an earlier release recorded no outputs"
    if record.inputs.get(CODE, code := sources_hash()) != code:
        return "another release made it"
    if record.stage == "report" and not context.folder.exists("report/index.html"):
        return "the page is gone"
    return changed(context.lake.whole, record.outputs) or damaged(record)


def damaged(record: RunRecord) -> str | None:
    """Say which model of a record's is not as it was finished; None where all are."""
    models: list[TrainedModel] = getattr(record.metrics, "models", [])
    for model in models:
        if why := damage(model.folder):
            return f"model {model.folder}: {why}"
    return None


def _outputs(record: RunRecord) -> list[tuple[str, str]]:
    return list((record.outputs or {}).items())


def left_to_do(context: Context, dates: Sequence[dt.date], stages: Sequence[str]) -> Sequence[dt.date]:
    """Leave out of a backfill that is resumed the nights before the newest that was begun, if all of them ended.

    Their tables are those of later nights now: made again, they would have to be made anew one after the other.
    """
    newest, _ = runs.latest(context.lake, "prepare")
    before = [date for date in dates if newest is not None and date < newest]
    if newest not in dates:
        return dates
    for date in before:
        night = replace(context, date=date)
        if runs.night(context.lake, date) and stages[-1] not in night.night():
            return dates
    return dates[len(before) :]
