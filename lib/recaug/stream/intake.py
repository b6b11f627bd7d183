"""A batch's rows become events and quarantine, by the intake of a night, and come to the driver."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from pyspark.sql import functions as F

from recaug.clickstream import intake
from recaug.clickstream.days import Days
from recaug.clickstream.failures import reading
from recaug.clickstream.source import rows_of
from recaug.config import Config
from recaug.errors import ContractError
from recaug.lake.tables import Lake
from recaug.lake.tombstones import ignore_erased
from recaug.stream.sources.base import Arrivals

KEY = "source.events"
EVER = dt.date(9000, 1, 1)
EVENTS = (
    "event_id", "user_id", "item_id", "event_type", "session_id", "price", "quantity", "query", "event_date",
    "event_order",
)  # fmt: skip
BAD = ("raw", "reasons", "source", "event_date", "dated")


class Taken(NamedTuple):
    """What a batch's rows are: events (EVENTS and micros, each once) and bad ones (BAD), rows, and ignored ones."""

    events: pd.DataFrame
    bad: pd.DataFrame
    rows: int
    ignored: int

    def plus(self, other: "Taken") -> "Taken":
        """Both together."""
        both = joined(self.events, other.events).drop_duplicates("event_id")
        return Taken(both, joined(self.bad, other.bad), self.rows + other.rows, self.ignored + other.ignored)


NOTHING = Taken(pd.DataFrame(columns=[*EVENTS, "micros"]), pd.DataFrame(columns=[*BAD]), 0, 0)


def joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Both frames' rows; an empty one has no types that could count."""
    with_rows = [frame for frame in (first, second) if len(frame)]
    return pd.concat(with_rows, ignore_index=True) if with_rows else first


def take(lake: Lake, config: Config, source: Arrivals, units: Sequence[Any], undated: dt.date) -> Taken:
    """Take units of a batch; one that cannot be read at all is a row of the quarantine, and the others go on.

    undated: the day of rows without a time. Raises ContractError where no unit of several is to blame.
    """
    try:
        return _take(lake, config, source, units, undated)
    except ContractError as error:
        if not all(isinstance(unit, str) for unit in units):
            raise
        if len(units) == 1:
            return _broken(units[0], str(error), undated)
    taken = NOTHING
    for unit in units:
        taken = taken.plus(take(lake, config, source, [unit], undated))
    return taken


def _take(lake: Lake, config: Config, source: Arrivals, units: Sequence[Any], undated: dt.date) -> Taken:
    log, every = config.source.events, Days(None, undated)
    with reading(log, KEY):
        records = source.records(units)
        if records is None:
            return NOTHING
        mapped = intake.map_rows(rows_of(records, log, KEY), log, Days(None, EVER), KEY)
        marked = intake.mark_rows({KEY: mapped}, log)
        try:
            judged = ignore_erased(lake, marked)
            rows, ignored, bad_rows = judged.agg(
                F.count("*"), F.count_if("ignored"), F.count_if(F.expr("NOT ignored AND size(reasons) > 0"))
            ).first()  # type: ignore[misc]
            good, bad = intake.split_bad(judged.where("NOT ignored"), every, None)
            events = intake.events_of(good, log.session_gap_minutes, None)
            micros = F.unix_micros("event_time").alias("micros")
            frame = events.select(*EVENTS, micros).toPandas()
            quarantine = bad.select(*BAD).toPandas() if bad_rows else NOTHING.bad
        finally:
            marked.unpersist()
    return Taken(frame, quarantine, int(rows), int(ignored))


def _broken(name: str, why: str, undated: dt.date) -> Taken:
    """A file of which no row can be read, as one row of the quarantine."""
    raw, file = json.dumps({"file": name, "error": why}), name.rsplit("/", 1)[-1]
    bad = pd.DataFrame([(raw, ["file cannot be read"], file, undated, False)], columns=[*BAD])
    return NOTHING._replace(bad=bad, rows=1)
