"""Removes what only nights long past needed: their candidates, negatives and models, and files of old versions."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from recaug.lake import runs
from recaug.lake.contracts import REFIT, TABLES
from recaug.lake.failures import storage_error
from recaug.lake.ledger import CLEANING
from recaug.lake.runs import RunRecord
from recaug.lake.tables import Lake
from recaug.lake.upkeep import last_metric, noted, vacuum
from recaug.night.context import Context
from recaug.night.stage import NIGHT
from recaug.results import encode

# Tables with rows of each night that later ones do not read, and the date (ISO 8601) of a row's night, as SQL.
OF_ONE_NIGHT = {name: "left(run_id, 10)" for name, table in TABLES.items() if table.partitioned_by[:1] == ("run_id",)}
OF_ONE_NIGHT |= dict.fromkeys(("negatives", f"{REFIT}_negatives", "similar_items"), "string(event_date)")


class Kept(NamedTuple):
    """Nights whose rows and models stay, of all, and the hours for which the files of older versions do."""

    nights: Sequence[dt.date]
    of: int
    hours: float


def clean(context: Context, say: Callable[[str], None] = print) -> None:
    """Delete what lake.retention does not keep, of every table and of `<artifacts>/models`.

    The newest night that published stays whatever its age, and with it the versions that its rows are of, for a stream
    draws by it. A night whose candidates are gone is made anew from its log alone. Raises StorageError where a table
    cannot be written; what is done then stays done, and the next run goes on.
    """
    lake, records = context.lake, runs.all_records(context.lake)
    kept = _kept(records, context)
    for name in sorted(TABLES):
        if lake.exists(name):
            rows = _clean(lake, name, kept)
            if rows:
                say(f"  {name:<24} {rows:,} rows of nights past deleted")
    removed = _remove_models(context, records, kept)
    say(f"  {'models':<24} {removed:,} of nights past deleted")
    first = f", from {min(kept.nights)} on" if kept.nights else ""
    versions = f"files of the versions of {kept.hours:,.0f} hours"
    say(f"  kept: {len(kept.nights):,} of {kept.of:,} nights{first}, and {versions}")


def _kept(records: Sequence[RunRecord], context: Context) -> Kept:
    settings = context.config.lake.retention
    nights = sorted({record.event_date for record in records if record.stage in NIGHT})
    newest, hours = nights[-settings.nights :], settings.hours
    published = [r.event_date for r in records if (r.stage, r.decision) == ("publish", "publish")]
    if published:
        began = min(record.started for record in records if record.event_date == max(published))
        age = dt.datetime.now(dt.UTC).replace(tzinfo=None) - began
        hours = max(hours, age.total_seconds() / 3600 + 1)
        newest = sorted({*newest, max(published)})
    return Kept(newest, len(nights), hours)


def _clean(lake: Lake, name: str, kept: Kept) -> int:
    """Delete a table's rows of other nights, and its old files; give the number of these rows."""
    rows = 0
    try:
        if (night := OF_ONE_NIGHT.get(name)) and kept.nights:
            newest = lake.own(name).agg(F.max(F.expr(night))).first()[0]  # type: ignore[index]
            stay = sorted({*(date.isoformat() for date in kept.nights), newest or ""})  # a look-up may be a month old
            others = f"{night} NOT IN ({', '.join(map(repr, stay))})"
            if not lake.own(name).where(others).isEmpty():
                with noted(lake, {CLEANING: True}):
                    lake.delta(name).delete(others)
                rows = last_metric(lake, name, "numDeletedRows")
        vacuum(lake, name, kept.hours)
    except (Py4JJavaError, PySparkException) as error:
        raise storage_error(error, f"table {name} at {lake.location(name)}") from error
    return rows


def _remove_models(context: Context, records: Sequence[RunRecord], kept: Kept) -> int:
    """Remove the models that only records of nights past name; those that no record names are somebody else's."""
    past = [record.stage in NIGHT and record.event_date not in kept.nights for record in records]
    texts = [encode(record.metrics) for record in records]
    named_before = "\n".join(text for text, is_past in zip(texts, past, strict=True) if is_past)
    named_still = "\n".join(text for text, is_past in zip(texts, past, strict=True) if not is_past)
    folders = {file.split("/", 1)[0] for file in context.models.list("*/*")}
    gone = [name for name in sorted(folders) if name in named_before and name not in named_still]
    for name in gone:
        context.models.remove(name)
    return len(gone)
