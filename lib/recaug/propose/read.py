"""Reads the sample of a log: its format, and its rows as tables."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recaug.errors import ContractError
from recaug.propose.columns import NULLS, Column, Table, quoted, texts, without_marks
from recaug.propose.delimited import cut_lines, sequence_lines, spark_names, split_rows
from recaug.propose.encodings import Encoding, tell
from recaug.propose.nested import Record, View, views, with_fields
from recaug.propose.places import File, Place
from recaug.propose.slices import Slices, read_slices, refuse, some_of

ROWS = 24_000  # that are looked at, of all files together
WIDE = 400  # columns of a table that are looked at


@dataclass
class Sample:
    """What was read of some files.

    format, options, names: as the YAML has them. evidence: of the format, and of the options. views: rows, in each way
    in which arrays can be exploded. parts: what is written for the preview, by the file: bytes, or records.
    """

    files: list[File]
    format: str
    options: dict[str, str]
    names: tuple[str, ...]
    evidence: dict[str, str]
    views: list[View]
    records: list[Record] = field(default_factory=list)
    parts: dict[File, Any] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True


def read_sample(place: Place, files: Sequence[File], key: str, is_catalogue: bool = False) -> Sample:
    """Read some of the files. Raises ContractError for what is no log, or catalogue, that the program reads."""
    chosen = some_of(files)
    with place.system.open_input_file(chosen[0].path) as stream:
        start = bytes(stream.read(512))
    if start.startswith(b"PAR1"):
        return _parquet(place, chosen, key)
    slices = [read_slices(place, file, key) for file in chosen]
    encoding = _encoding(slices)
    decoded = [_decode(part.head, encoding, part.is_whole) for part in slices]
    if decoded[0].lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return _json(slices, decoded, encoding, key, is_catalogue)
    return _lines(slices, decoded, encoding, key)


def _parquet(place: Place, files: Sequence[File], key: str) -> Sample:
    """Read some rows of Parquet files."""
    records, places, parts, whole = [], [], {}, True
    for number, file in enumerate(files):
        try:
            with place.system.open_input_file(file.path) as stream:
                table = _some_rows(pq.ParquetFile(stream), ROWS // len(files))
        except (pa.ArrowException, OSError) as error:
            raise ContractError(
                f"{key}: {file.inside} is damaged or no Parquet: {str(error).splitlines()[0]}"
            ) from error
        whole &= len(table[0]) == table[1]
        parts[file] = table[0]
        rows = table[0].to_pylist()
        records += rows
        places += [number] * len(rows)
    if not records:
        raise ContractError(f"{key}: {place.given} has no rows")
    name = "delta" if place.is_delta else "parquet"
    found = list(views(records, places, ()))
    return Sample([*files], name, {}, (), {"format": "by its first bytes"}, found, records, parts, is_whole=whole)


def _some_rows(file: pq.ParquetFile, most: int) -> tuple[pa.Table, int]:
    """Give the first rows of a file, the last where there are several groups, and how many there are."""
    rows, groups = file.metadata.num_rows, file.metadata.num_row_groups
    batches = list(_take(file, [*range(groups)], most if groups == 1 else most // 2))
    if groups > 1 and rows > most:
        last = file.read_row_group(groups - 1)
        batches += last.slice(max(last.num_rows - most // 2, 0)).to_batches()
    schema = file.schema_arrow
    return pa.Table.from_batches(batches, schema), rows


def _take(file: pq.ParquetFile, groups: list[int], most: int) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(batch_size=4096, row_groups=groups):
        yield batch.slice(0, most)
        most -= len(batch)
        if most <= 0:
            return


def _encoding(slices: Sequence[Slices]) -> Encoding:
    """The encoding of the first file that has more than ASCII; of several the legacy one, which reads both."""
    told = [
        tell(part.head + b"".join(part.tails)) if part.head[:2] not in (b"\xff\xfe", b"\xfe\xff") else tell(part.head)
        for part in slices
    ]
    return next((encoding for encoding in told if not encoding.is_utf8), told[0])


def _decode(data: bytes, encoding: Encoding, is_whole: bool) -> str:
    """Decode a part of a file; the line that it was cut off in is left out."""
    text = data.decode(encoding.python, "replace").removeprefix("\ufeff")
    return text if is_whole else text[: text.rfind("\n") + 1] or text


def _json(slices: Sequence[Slices], decoded: Sequence[str], encoding: Encoding, key: str, is_catalogue: bool) -> Sample:
    """Read JSON: an object a line, or one array or object a file."""
    records: list[Record] = []
    places: list[int] = []
    shape, parts, rough = "", {}, 0
    for number, (part, text) in enumerate(zip(slices, decoded, strict=True)):
        shape, rows, broken = _objects(text, part.is_whole, f"{key}: {part.file.inside}")
        rows += [] if shape != "lines" else _of_tails(part, encoding)
        rows = rows[: ROWS // len(slices)]
        parts[part.file] = (shape, rows, part)
        records += rows
        places += [number] * len(rows)
        rough += broken
    if is_catalogue and len(records) == 1 and len(records[0]) > 20:
        return _by_key(slices, records[0])
    _refuse_catalogue(records, key)
    options = {} if encoding.is_utf8 else {"encoding": encoding.java}
    evidence = {"format": "an object a line" if shape == "lines" else "one array or object a file"}
    unsure = {"options": f"encoding could be {encoding.other}"} if encoding.other else {}
    found = list(views(records, places, NULLS))
    whole = all(part.is_whole for part in slices)
    return Sample(
        [part.file for part in slices],
        "json",
        options,
        (),
        evidence | _words(encoding),
        found,
        records,
        parts,
        unsure,
        whole,
    )


def _words(encoding: Encoding) -> dict[str, str]:
    return {} if encoding.is_utf8 and not encoding.bom else {"options": encoding.evidence}


def _objects(text: str, is_whole: bool, name: str) -> tuple[str, list[Record], int]:
    """Read objects: (lines or whole, objects, lines that are none)."""
    start = text.lstrip()
    first = start.split("\n", 1)[0]
    with suppress(ValueError):
        if isinstance(json.loads(first), dict):
            read = [_object(line) for line in start.splitlines() if line.strip()]
            return "lines", [record for record in read if record is not None], sum(record is None for record in read)
    decoder = json.JSONDecoder()
    if start.startswith("["):
        return "whole", _array(start, decoder), 0
    try:
        whole, end = decoder.raw_decode(start)
    except ValueError as error:
        many = "is too long an object to look at; write an object a line" if not is_whole else f"is no JSON: {error}"
        raise ContractError(f"{name} {many}") from error
    if start[end:].strip():
        raise ContractError(f"{name} has several objects over several lines each; write an object a line, or an array")
    return "whole", [whole], 0


def _object(line: str) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _array(text: str, decoder: json.JSONDecoder) -> list[Record]:
    """Read the objects of an array, up to where the text is cut off."""
    records, at = [], 1
    while match := re.compile(r"[\s,]*").match(text, at):
        try:
            value, at = decoder.raw_decode(text, match.end())
        except ValueError:
            break
        if isinstance(value, dict):
            records.append(value)
    return records


def _of_tails(part: Slices, encoding: Encoding) -> list[Record]:
    """Objects of the parts of a file from further on; the first and the last line may be cut."""
    lines = [line for tail in part.tails for line in tail.decode(encoding.python, "replace").splitlines()[1:-1]]
    return [record for line in lines if (record := _object(line)) is not None]


def _refuse_catalogue(records: Sequence[Record], key: str) -> None:
    """Raise ContractError for an object of attributes by their items, and for no objects at all."""
    if not records:
        raise ContractError(f"{key}: no line is a JSON object; write an object a line")
    if len(records) == 1 and len(records[0]) > 20:
        raise ContractError(
            f"{key} is one JSON object of {len(records[0]):,} entries and no event log: a catalogue by its items? "
            "Give it with --items"
        )


def _by_key(slices: Sequence[Slices], whole: Record) -> Sample:
    """Lay an object of lists out as key and values."""
    values = [" ".join(map(str, value)) if isinstance(value, list) else value for value in whole.values()]
    columns = (Column("key", "key", "text", texts([*whole])), Column("values", "values", "text", texts(values)))
    table = Table(columns, np.zeros(len(whole), dtype=np.int64))
    evidence = {"format": "one object, whose names are the items"}
    view = View(None, table, table.places)
    return Sample([part.file for part in slices], "json_object", {}, (), evidence, [view])


def _lines(slices: Sequence[Slices], decoded: Sequence[str], encoding: Encoding, key: str) -> Sample:
    """Read lines of text: fields with a separator, or a user and its items a line."""
    files, whole = [part.file for part in slices], all(part.is_whole for part in slices)
    parts = {part.file: part for part in slices}
    rows = sequence_lines(decoded[0])
    if rows is not None:
        table = _by_position(rows[: ROWS // 4])
        why = "each line is a user and its items, in the order of time"
        return Sample(files, "sequences", {}, (), {"format": why}, [View(None, table, table.places)], [], parts)
    fields = cut_lines(decoded)
    if fields is None:
        refuse(slices[0].head[:512], f"{key}: {slices[0].file.inside}")
        raise ContractError(f"{key}: {slices[0].file.inside} is text without columns; write CSV or JSON lines")
    if fields.header is not None and fields.header[0].lower().startswith("sep="):
        raise ContractError(f"{key}: the first line of {slices[0].file.inside} is {fields.header[0]}; remove it")
    names = spark_names(fields.header) if fields.header else [f"c{number + 1}" for number in range(fields.width)]
    some = [[row for row in part[: ROWS // len(slices)] if len(row) == fields.width] for part in fields.rows]
    body = [row for part in some for row in part]
    places = [number for number, part in enumerate(some) for _ in part]
    for number, part in enumerate(slices):
        for tail in part.tails:
            cut = split_rows("\n".join(tail.decode(encoding.python, "replace").splitlines()[1:-1]), fields.cut)
            body += (more := [row for row in cut if len(row) == fields.width])
            places += [number] * len(more)
    if not body:
        raise ContractError(f"{key}: {slices[0].file.inside} has no rows")
    columns = [
        Column(name, quoted([name]), "text", texts(values), _marks(values))
        for name, values in zip(names, zip(*body, strict=True), strict=True)
    ]
    options = {"header": "true"} if fields.header else {}
    options |= fields.cut.options | ({} if encoding.is_utf8 else {"encoding": encoding.java})
    padded = [np.mean([value != value.strip() for value in values[:500]]) > 0.9 for values in zip(*body, strict=True)]
    if sum(padded) >= fields.width / 2 or (fields.header and any(name != name.strip() for name in fields.header)):
        options |= {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}
        columns = [
            Column(name.strip(), quoted([name.strip()]), "text", column.values, column.marks)
            for name, column in zip(names, columns, strict=True)
        ]
    columns = [each for column in columns[:WIDE] for each in with_fields(without_marks(column))]
    table = Table(tuple(columns), np.array(places, dtype=np.int64))
    evidence = {
        "format": f"{fields.even:.0%} of lines have {fields.width} fields",
        "options": fields.evidence,
        "names": fields.evidence,
    }
    evidence |= {"options": f"{encoding.evidence}; {fields.evidence}"} if _words(encoding) else {}
    unsure = {"options": f"encoding could be {encoding.other}"} if encoding.other else {}
    given = () if fields.header else tuple(names)
    return Sample(
        files, "csv", options, given, evidence, [View(None, table, np.arange(len(body)))], [], parts, unsure, whole
    )


def _marks(values: Sequence[str]) -> frozenset[str]:
    return frozenset(NULLS).intersection(value.strip() for value in values)


def _by_position(rows: Sequence[Sequence[str]]) -> Table:
    """Lay lines out as user, position and item."""
    users = [row[0] for row in rows for _ in row[1:]]
    items = [item for row in rows for item in row[1:]]
    at = [str(place) for row in rows for place in range(len(row) - 1)]
    columns = tuple(
        Column(name, name, "text", texts(values))
        for name, values in (("user", users), ("item", items), ("position", at))
    )
    return Table(columns, np.zeros(len(users), dtype=np.int64))
