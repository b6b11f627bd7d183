"""Maps the sample by the YAML that was written, through the night's own intake, and says what the night will do."""

import bz2
import datetime as dt
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.clean import ROBOTS
from recaug.clickstream.counts import check_trouble, count_rows
from recaug.clickstream.days import Days
from recaug.clickstream.failures import reading
from recaug.clickstream.heads import LINES
from recaug.clickstream.intake import map_rows, mark_rows, split_bad
from recaug.clickstream.search_log import KEY, check_searches, mark_searches
from recaug.clickstream.source import read_source
from recaug.clickstream.warnings import warn_of
from recaug.config import Events, Files, Search
from recaug.errors import ContractError
from recaug.propose.objects import Objects
from recaug.propose.places import File, Place
from recaug.propose.samples import Sample
from recaug.propose.slices import Slices

SHOWN = 10  # events
COLUMNS = ("user_id", "item_id", "event_time", "event_type", "price", "quantity")
WIDEST = 32  # letters of a value that are shown


def write_sample(place: Place, sample: Sample, folder: Path) -> None:
    """Write what was looked at into a folder, under the names that the files have."""
    for file in sample.files:
        target = folder / file.inside
        target.parent.mkdir(parents=True, exist_ok=True)
        part = sample.parts.get(file)
        if isinstance(part, pa.Table):
            pq.write_table(part, target, version="2.6")
        elif isinstance(part, Slices):
            target.write_bytes(_packed(_text_of(part), part.packed))
        elif isinstance(part, Objects):
            target.write_bytes(_packed(_json_of(part), part.part.packed))


def _text_of(part: Slices) -> bytes:
    """The whole lines of what was read."""
    if part.is_whole:
        return part.head
    tails = [tail[tail.find(b"\n") + 1 : tail.rfind(b"\n") + 1] for tail in part.tails]
    return b"".join([part.head[: part.head.rfind(b"\n") + 1], *tails])


def _json_of(objects: Objects) -> bytes:
    """The objects of what was read, in the shape that the file has."""
    if objects.shape == LINES or objects.part.is_whole:
        return _text_of(objects.part)
    return json.dumps(objects.records, ensure_ascii=False).encode()


def _packed(data: bytes, codec: str | None) -> bytes:
    if codec == "gzip":
        return gzip.compress(data, compresslevel=1)
    if codec == "bz2":
        return bz2.compress(data, compresslevel=1)
    return bytes(pa.compress(data, codec=codec, asbytes=True)) if codec else data


def sampled(events: Events, place: Place, folder: Path) -> Events:
    """Let the logs read the sample in a folder instead of their own files."""
    changes = [_change(log, place, folder) for log in events.logs.values()]
    more = [msgspec.structs.replace(log, **change) for log, change in zip(events.more, changes[1:], strict=True)]
    return msgspec.structs.replace(events, more=more, **changes[0])


def sampled_searches(search: Search, places: Mapping[str, Place], folder: Path) -> Search:
    """Do the same for searches. places: of the inputs of its query, by name; the only one is its own."""
    if search.sql is None:
        return msgspec.structs.replace(search, **_change(search, next(iter(places.values())), folder))
    inputs = {
        name: msgspec.structs.replace(files, **_change(files, places[name], folder))
        for name, files in search.inputs.items()
    }
    return msgspec.structs.replace(search, inputs=inputs)


def _change(source: Files, place: Place, folder: Path) -> dict[str, Any]:
    """The path in the folder that stands for a source's own, and its format there."""
    assert source.path is not None
    path = str(folder / place.files[0].inside)
    if place.is_folder:
        root = re.split(r"[*?\[{]", place.given)[0]
        root = root if root == place.given else root.rpartition("/")[0]
        inside = source.path[len(root) :].strip("/")
        days = re.sub(r"\{date:([^}]*)\}", lambda match: re.sub(r"%\w", "*", match[1]), inside)
        path = f"{folder}/{days}" if days else str(folder)
    return {"path": path, "format": "parquet" if source.format == "delta" else source.format}


def preview(spark: SparkSession, events: Events, day: dt.date) -> Iterator[str]:
    """Say, line by line, what the sample becomes: the first events, what is no event and why, and what is odd."""
    until = Days(None, dt.date(2100, 1, 1))
    mapped = {}
    for key, log in events.logs.items():
        with reading(log, key):
            mapped[key] = map_rows(read_source(spark, log, key), log, until, key)
    rows = mark_rows(mapped, events)
    try:
        yield from _tell(rows, events, until)
    finally:
        rows.unpersist()


def preview_searches(spark: SparkSession, search: Search) -> Iterator[str]:
    """Say, line by line, what the sample of a log of searches becomes."""
    with reading(search, KEY):
        marked = mark_searches(read_source(spark, search, KEY), search).persist()
    try:
        what = "judgements" if search.graded else "rows of searches"
        columns = ("query", "item_id", "gain" if search.graded else "action")
        shown = marked.where("size(reasons) = 0").select(*columns).take(SHOWN)
        yield f"The first {len(shown)} {what} of the sample:"
        yield from _table(columns, [[_cell(value) for value in row] for row in shown])
        reasons = check_searches(marked, search)
        rows, bad = reasons.pop(""), marked.where("size(reasons) > 0").count()
        yield f"{rows:,} rows: {rows - bad:,} {what}, {bad:,} to quarantine"
        for reason, number in sorted(reasons.items(), key=lambda pair: -pair[1]):
            yield f"  quarantine: {number:,} {reason}"
    except ContractError as error:
        yield f"  warning: a night of such rows would end: {error}"
    finally:
        marked.unpersist()


def _tell(rows: DataFrame, events: Events, until: Days) -> Iterator[str]:
    judged = rows.where("NOT ignored")
    rules = frozenset([*(rule.name for log in events.logs.values() for rule in log.rules), *ROBOTS.values()])
    good, bad = split_bad(judged, until, None)
    counts = count_rows(rows, judged, bad, until, rules)
    local = F.col("event_time").cast("string")  # by the session's zone, which is the shop's; Python's is the machine's
    shown = good.orderBy("event_time").select(*COLUMNS).withColumn("event_time", local).take(SHOWN)
    yield f"The first {len(shown)} events of the sample:"
    yield from _table(COLUMNS, [[_cell(value) for value in row] for row in shown])
    copies = counts.good - good.select("event_id").distinct().count()
    became = {"events": counts.good - copies, "copies": copies, "to quarantine": counts.rows - counts.good}
    became["ignored"] = counts.ignored
    yield f"{counts.read:,} rows: {', '.join(f'{number:,} {what}' for what, number in became.items())}"
    for reason, number in sorted(counts.reasons.items(), key=lambda pair: -pair[1]):
        yield f"  quarantine: {number:,} {reason}"
    for number, name in _ignored(rows):
        yield f"  ignored: {number:,} {name}"
    for warning in warn_of(rows, counts, events):
        yield f"  warning: {warning}"
    try:
        check_trouble(counts, judged, events.max_quarantine, rules)
    except ContractError as error:
        yield f"  warning: a night of such rows would end: {error}"


def _ignored(rows: DataFrame) -> list[tuple[int, str]]:
    by_type = rows.where("ignored").groupBy("its_type").agg(F.count("*").alias("rows"))
    return sorted(((row["rows"], row["its_type"]) for row in by_type.collect()), reverse=True)


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _table(columns: Sequence[str], rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in [[*columns], *rows]) for place in range(len(columns))]
    for row in [[*columns], *rows]:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def file_names(files: Sequence[File]) -> str:
    """Name a few files."""
    return ", ".join(file.inside for file in files[:3]) + (" ..." if len(files) > 3 else "")
