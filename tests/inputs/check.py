"""Holds recaug's reading of made logs against the independent one: `make inputs` tries all, a test some."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.inputs import made as making
from tests.inputs.independent import NIGHT, Fates, judge

from recaug.clickstream import intake
from recaug.clickstream.days import Days, IntakePlan
from recaug.clickstream.intake import Held
from recaug.clickstream.source import read_source
from recaug.config import Events, Spark
from recaug.session import build

KEY = "source.events"
ALL = Days(None, NIGHT)


def taken(spark: SparkSession, events: Events) -> tuple[Fates, int]:
    """What the intake of a first night makes of a log: fates, and the rows with their raw text in quarantine."""
    log = read_source(spark, events, KEY)
    rows = intake.mark_rows({KEY: intake.map_rows(log, events, ALL, KEY)}, events)
    try:
        found = intake.take_rows(rows, IntakePlan(ALL, None), Held(None, None), events)
        names = ("user_id", "item_id", "event_time", "event_type")
        good = rows.where("NOT ignored AND size(reasons) = 0").groupBy(*names)
        groups = good.agg(F.count("*"), F.sum("price"), F.sum("quantity")).collect()
        counts = {tuple(row)[:4]: row[4] for row in groups}
        price, quantity = (sum(row[place] or 0.0 for row in groups) for place in (5, 6))
        once = [tuple(row) for row in found.events.select(*names).collect()]
        if Counter(once) != Counter(dict.fromkeys(counts, 1)):
            raise AssertionError("an event is there twice, or not at all")
        raw = found.quarantine.where(F.length("raw") > 2).count()
        bad, read, total = found.quarantine.count(), found.counts, log.count()
    finally:
        rows.unpersist()
    if read.read != read.rows + read.ignored or read.rows != read.good + bad or read.good != sum(counts.values()):
        raise AssertionError(f"the sum is not that of the rows read: {read}")
    return Fates(total, Counter(counts), read.ignored, total - read.read, bad, (price, quantity)), raw


def check(spark: SparkSession, made: making.Made, folder: Path) -> str | None:
    """Say in what an input is read wrong; None where it is right."""
    making.write(made, folder)
    wanted = judge(folder)
    try:
        found, raw = taken(spark, msgspec.convert(making.source(made, folder), Events))
    except Exception as error:  # whatever it is, the input was to be read
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if found != wanted:
        return f"{found} where {wanted} is right"
    return None if raw == found.quarantined else f"{found.quarantined - raw} rows of the quarantine without their text"


def main() -> int:
    """Try every input, or each so many-th."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=1, help="try each so many-th input")
    chosen = list(making.inputs())[:: parser.parse_args().each]
    spark = build(Spark(master="local[2]"), "recaug inputs", 1)
    wrong = 0
    for place, made in enumerate(chosen):
        with tempfile.TemporaryDirectory() as folder:
            problem = check(spark, made, Path(folder))
        if problem is not None:
            wrong += 1
            print(f"{made.fault}, {made.kind}, {made.place}: {problem}", flush=True)
        if place % 50 == 49:
            print(f"{place + 1} of {len(chosen)} inputs tried", file=sys.stderr, flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} inputs are read as an independent reader reads them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
