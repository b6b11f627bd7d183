"""Reads JSON: an object a line, or one array or object a file."""

import ast
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from recaug.clickstream.heads import LINES, WHOLE
from recaug.errors import ContractError
from recaug.propose.columns import NULLS, Column, Table, texts
from recaug.propose.encodings import Encoding
from recaug.propose.nested import Record, View, views
from recaug.propose.samples import ROWS, Sample
from recaug.propose.slices import Slices

ENTRIES = 20  # of an object, from which it is a list of items


class Objects(NamedTuple):
    """Objects of a file. shape: LINES or WHOLE."""

    shape: str
    records: list[Record]
    part: Slices


def read_objects(
    slices: Sequence[Slices], decoded: Sequence[str], encoding: Encoding, key: str, is_catalogue: bool
) -> Sample:
    """Read JSON files. Raises ContractError for what no night reads, and for a catalogue that is taken for a log."""
    parts, places = {}, []
    records: list[Record] = []
    for number, (part, text) in enumerate(zip(slices, decoded, strict=True)):
        shape, rows = _objects(text, part.is_whole, f"{key}: {part.file.inside}")
        rows += _of_tails(part, encoding) if shape == LINES else []
        rows = rows[: ROWS // len(slices)]
        parts[part.file] = Objects(shape, rows, part)
        records += rows
        places += [number] * len(rows)
    files = [part.file for part in slices]
    if not records:
        raise ContractError(f"{key}: no line is a JSON object; write an object a line")
    if len(records) == 1 and len(records[0]) > ENTRIES:
        if is_catalogue and not any(isinstance(value, dict) for value in records[0].values()):
            return Sample(
                files, "json_object", [_by_key(records[0])], evidence={"format": "one object, named by items"}
            )
        if is_catalogue:
            raise ContractError(
                f"{key}: {files[0].inside} has objects by their ids; write an object a line, id included"
            )
        raise ContractError(
            f"{key}: {files[0].inside} is one JSON object of {len(records[0]):,} entries and no event log: a catalogue "
            "by its items? Give it with --items"
        )
    sample = Sample(files, "json", list(views(records, places, NULLS)), records=records, parts=parts)
    sample.evidence["format"] = shape
    sample.is_whole = all(part.is_whole for part in slices)
    sample.set_encoding(encoding)
    return sample


def _objects(text: str, is_whole: bool, name: str) -> tuple[str, list[Record]]:
    """Read the objects of a file: (their shape, they)."""
    start = text.lstrip()
    first = start.split("\n", 1)[0]
    with suppress(ValueError):
        if isinstance(json.loads(first), dict):
            read = (_object(line) for line in start.splitlines() if line.strip())
            return LINES, [record for record in read if record is not None]
    decoder = json.JSONDecoder()
    if start.startswith("["):
        return WHOLE, _array(start, decoder)
    try:
        whole, end = decoder.raw_decode(start)
    except ValueError as error:
        why = f"is no JSON: {error}" if is_whole else "is too long an object to look at; write an object a line"
        if _is_python(first):
            why = "has objects as Python prints them, which are no JSON: write them by json.dumps, an object a line"
        raise ContractError(f"{name} {why}") from error
    if start[end:].strip():
        raise ContractError(f"{name} has several objects over several lines each; write an object a line, or an array")
    return WHOLE, [whole]


def _is_python(line: str) -> bool:
    """Whether a line is a dict as Python prints it."""
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return isinstance(ast.literal_eval(line), dict)
    return False


def _object(line: str) -> Record | None:
    with suppress(ValueError):
        value = json.loads(line)
        return value if isinstance(value, dict) else None
    return None


def _array(text: str, decoder: json.JSONDecoder) -> list[Record]:
    """Read the objects of an array, up to where the text is cut off."""
    records, at, between = [], 1, re.compile(r"[\s,]*")
    while match := between.match(text, at):
        try:
            value, at = decoder.raw_decode(text, match.end())
        except ValueError:
            break
        if isinstance(value, dict):
            records.append(value)
    return records


def _of_tails(part: Slices, encoding: Encoding) -> list[Record]:
    """Objects of the parts of a file from further on, whose first and last lines may be cut."""
    lines = [line for tail in part.tails for line in tail.decode(encoding.python, "replace").splitlines()[1:-1]]
    return [record for line in lines if (record := _object(line)) is not None]


def _by_key(whole: Record) -> View:
    """Lay an object of lists out as key and values."""
    values = [" ".join(map(str, value)) if isinstance(value, list) else value for value in whole.values()]
    columns = (Column("key", "key", "text", texts([*whole])), Column("values", "values", "text", texts(values)))
    table = Table(columns, np.zeros(len(whole), dtype=np.int64))
    return View(None, table, table.places)
