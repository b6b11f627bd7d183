"""Makes logs with one fault each: a table of faults x formats x places, 500 and more inputs of 24 rows.

A log is written by what the format has in the standard library, pandas or pyarrow; independent.py reads it again.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

COLUMNS = ("who", "what", "at", "how", "cost", "n")
ROWS, DAYS = 24, 3
PLACES = {"first": 0, "middle": 11, "last": ROWS - 1}
Row = dict[str, str | None]


class Format(NamedTuple):
    """How a log is written. write: one file's rows, and the place of the row that is cut, or None.

    split: into a file a day. folder: of a file, by its day. options: of the YAML.
    """

    write: Callable[[list[Row], int | None], bytes]
    suffix: str
    format: str
    options: Mapping[str, str] = MappingProxyType({})
    split: bool = False
    folder: str = ""
    texts: bool = True  # a line can be cut, bytes can be put before it


class Fault(NamedTuple):
    """What is wrong with a log. change: the rows, one of them at a place. cut: whether that row's line is cut off.

    bytes_: what becomes of a file's bytes.
    """

    change: Callable[[list[Row], int], list[Row]] = lambda rows, place: rows
    cut: bool = False
    bytes_: Callable[[bytes], bytes] | None = None


class Made(NamedTuple):
    """An input. path: below the folder that it was written to."""

    fault: str
    kind: str
    place: str


def log() -> list[Row]:
    """Rows without a fault: four users, three days, each row another event."""
    hows = ("look", "look", "basket", "order")
    return [
        {
            "who": f"u{number % 4}",
            "what": f"i{number % 7:03}",
            "at": f"2025-06-0{1 + number * DAYS // ROWS} {8 + number % 8:02}:15:{number:02}",
            "how": hows[number % 4],
            "cost": f"{number + 0.5}",
            "n": str(1 + number % 3),
        }
        for number in range(ROWS)
    ]


def put(**values: str | None) -> Fault:
    """Give a row other values."""
    return Fault(lambda rows, place: [row | values if at == place else row for at, row in enumerate(rows)])


def _without(name: str) -> Fault:
    """Leave a column out of a row's file: null in CSV, no key in JSON."""
    return Fault(
        lambda rows, place: [
            {key: value for key, value in row.items() if key != name or at != place} for at, row in enumerate(rows)
        ]
    )


def _again(times: int) -> Fault:
    """Repeat a row."""
    return Fault(lambda rows, place: [*rows[:place], *[rows[place]] * times, *rows[place:]])


FAULTS: dict[str, Fault] = {
    "none": Fault(),
    "no user": put(who=""),
    "user is null": put(who=None),
    "user is a null mark": put(who="\\N"),
    "user is blank": put(who="   "),
    "no item": put(what=None),
    "item is a null mark": put(what="N/A"),
    "user with spaces around": put(who=" u1 "),
    "user with zeros before": put(who="0012"),
    "user in another script": put(who="пользователь 用户"),
    "user with an accent": put(who="Bär"),
    "item with the separators": put(what='a,b;c\td|"e"'),
    "item with a line break": put(what="two\nlines"),
    "item with a quote at its end": put(what='12"'),
    "item with a backslash at its end": put(what="C:\\"),
    "item with an apostrophe": put(what="it's"),
    "item of 50,000 characters": put(what="x" * 50_000),
    "unreadable character in the user": put(who="B\ufffdr"),
    "unreadable character in the item": put(what="\ufffd"),
    "no time": put(at=None),
    "time in words": put(at="soon"),
    "time that no calendar has": put(at="2025-06-31 10:00:00"),
    "hour that no clock has": put(at="2025-06-02 25:00:00"),
    "time of the epoch": put(at="1970-01-01 00:00:00"),
    "time of long ago": put(at="0001-01-01 00:00:00"),
    "time of a later day": put(at="2025-06-04 00:00:00"),
    "time of the last second": put(at="2025-06-03 23:59:59"),
    "time far ahead": put(at="9999-12-31 23:59:59"),
    "ignored type": put(how="scroll"),
    "ignored type without an item": put(how="scroll", what=None),
    "ignored type of a later day": put(how="scroll", at="2025-06-09 10:00:00"),
    "unknown type": put(how="share"),
    "no type": put(how=None),
    "type in capitals": put(how="LOOK"),
    "price in words": put(cost="cheap"),
    "price is not a number": put(cost="NaN"),
    "price without end": put(cost="Infinity"),
    "price below zero": put(cost="-1.5"),
    "price with an exponent": put(cost="1e2"),
    "no price": put(cost=None),
    "quantity in words": put(n="many"),
    "quantity below zero": put(n="-2"),
    "several faults": put(who=None, how="share", cost="cheap"),
    "a column is left out": _without("cost"),
    "a row twice": _again(1),
    "a row five times": _again(4),
    "the log delivered twice": Fault(lambda rows, place: rows + rows),
    "bad row twice": Fault(lambda rows, place: [*rows, *[rows[place] | {"who": None}] * 2]),
    "line cut off": Fault(cut=True),
    "line cut off and repeated": Fault(lambda rows, place: [*rows[: place + 1], *rows[place:]], cut=True),
    "byte order mark": Fault(bytes_=lambda content: b"\xef\xbb\xbf" + content),
    "line ends of Windows": Fault(bytes_=lambda content: content.replace(b"\n", b"\r\n")),
    "no line end after the last": Fault(bytes_=lambda content: content.rstrip(b"\n")),
    "blank lines at the end": Fault(bytes_=lambda content: content + b"\n\n"),
}


def _csv(separator: str) -> Callable[[list[Row], int | None], bytes]:
    def write(rows: list[Row], cut: int | None) -> bytes:
        lines = []
        for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
            text = io.StringIO()
            csv.writer(text, delimiter=separator, lineterminator="\n").writerow([row.get(name) for name in COLUMNS])
            lines.append(text.getvalue())
        if cut is not None:
            lines[cut + 1] = lines[cut + 1].rsplit(separator, 3)[0] + "\n"
        return "".join(lines).encode()

    return write


def _json_lines(rows: list[Row], cut: int | None) -> bytes:
    lines = [json.dumps(row, ensure_ascii=bool(place % 2)) for place, row in enumerate(rows)]
    if cut is not None:
        lines[cut] = lines[cut][:-9]
    return "".join(f"{line}\n" for line in lines).encode()


def _json_array(rows: list[Row], cut: int | None) -> bytes:
    return (json.dumps(rows, indent=2, ensure_ascii=False) + "\n").encode()


def _parquet(rows: list[Row], cut: int | None) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(rows, columns=list(COLUMNS), dtype="string").to_parquet(file)
    return file.getvalue()


FORMATS: dict[str, Format] = {
    "csv": Format(_csv(","), "csv", "csv", {"header": "true"}),
    "csv, a file a day": Format(_csv(","), "csv", "csv", {"header": "true"}, split=True),
    "csv, day folders, gzip": Format(
        _csv(";"), "csv.gz", "csv", {"header": "true", "sep": ";"}, split=True, folder="2025/06/{day:02}"
    ),
    "tsv, partitions": Format(
        _csv("\t"), "tsv", "csv", {"header": "true", "sep": "\t"}, split=True, folder="day=2025-06-{day:02}"
    ),
    "json lines": Format(_json_lines, "jsonl", "json"),
    "json lines, gzip, a file a day": Format(_json_lines, "json.gz", "json", split=True),
    "json array": Format(_json_array, "json", "json"),
    "parquet": Format(_parquet, "parquet", "parquet", texts=False),
    "parquet, partitions": Format(
        _parquet, "parquet", "parquet", split=True, folder="day=2025-06-{day:02}", texts=False
    ),
}


def inputs() -> Iterator[Made]:
    """Every input that can be: a fault of lines needs lines, and one of a whole log has one place."""
    for fault, settings in FAULTS.items():
        untouched = settings.change(log(), 0) == settings.change(log(), 1)
        for kind, format_ in FORMATS.items():
            lines = settings.cut or settings.bytes_ is not None
            if (lines and not format_.texts) or (settings.cut and kind == "json array"):
                continue
            for place in ["first"] if untouched and not settings.cut else PLACES:
                yield Made(fault, kind, place)


def write(made: Made, folder: Path) -> None:
    """Write an input's files below a folder."""
    fault, format_, place = FAULTS[made.fault], FORMATS[made.kind], PLACES[made.place]
    rows = fault.change(log(), place)
    cut = place if fault.cut else None
    for day in range(DAYS) if format_.split else [None]:
        chosen = [at for at in range(len(rows)) if day is None or at * DAYS // len(rows) == day]
        content = format_.write([rows[at] for at in chosen], chosen.index(cut) if cut in chosen else None)
        content = fault.bytes_(content) if fault.bytes_ is not None else content
        path = folder / format_.folder.format(day=1 + (day or 0)) / f"part-{day or 0}.{format_.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if format_.suffix.endswith("gz") else content)


def source(made: Made, folder: Path) -> dict[str, Any]:
    """The YAML's section source.events of an input."""
    format_ = FORMATS[made.kind]
    return {
        "path": str(folder),
        "format": format_.format,
        "options": dict(format_.options),
        "columns": {
            "user_id": "who",
            "item_id": "what",
            "event_time": "at",
            "event_type": "how",
            "price": "cost",
            "quantity": "n",
        },
        "event_types": {"look": "view", "basket": "cart", "order": "purchase"},
        "ignore_types": ["scroll"],
    }
