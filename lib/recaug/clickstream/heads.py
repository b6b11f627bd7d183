"""What a text file is, by its first bytes: how its reader is to read it, and which other files are like it."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from recaug.clickstream.encodings import Coding, decoded, is_wide, option, tell
from recaug.config import Files
from recaug.errors import ContractError

HEAD = 1 << 16  # bytes of a file that are looked at
ROWS = 100  # of them, that are counted
SEPARATOR = "\x1f"  # of the names in a header's mark
JUDGED = 3  # rows, which are no accident
NO_BZIP2 = 14  # bytes of an empty file, packed; Hadoop finds nothing in a longer one that does not begin as one
# What a file is that begins so, and what is to be done with it.
BEGINNINGS = (
    (rb"PK\x03\x04", "a zip archive or an Excel file, which is not read; unpack it, or write CSV"),
    (rb".{257}ustar", "a tar archive, which is not read; unpack it"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive, which is not read; unpack it"),
    (rb"Rar!\x1a", "a RAR archive, which is not read; unpack it"),
    (rb"\xd0\xcf\x11\xe0", "an Excel file, which is not read; write CSV"),
    (rb"PAR1", "Parquet; set format: parquet"),
    (rb"Obj\x01", "Avro, which is not read; write Parquet or JSON lines"),
    (rb"\x1f\x8b", "compressed by gzip; give it a name that ends with .gz"),
    (rb"BZh[1-9]1AY&SY", "compressed by bzip2; give it a name that ends with .bz2"),
    (rb"\x28\xb5\x2f\xfd", "compressed by zstandard; give it a name that ends with .zst"),
)
LINES, WHOLE = "an object a line", "one object or array a file"  # shapes of JSON


class Look(NamedTuple):
    """What a file shares with those that are read with it.

    mark: a CSV's header, the number of its columns where it has none, or a JSON's shape. options: of its reader.
    """

    mark: str
    options: tuple[tuple[str, str], ...] = ()


def look(spark: SparkSession, source: Files, file: str, key: str) -> Look:
    """Look at a text file. Raises ContractError that names it where it cannot be read as the YAML says."""
    head = read_head(spark, file)
    if head is None:  # its columns are not known, so it is read by itself
        return Look(file)
    place = f"{key}.path: {short(file)}"
    if not head and file.endswith(".bz2") and _length(spark, file) > NO_BZIP2:
        raise ContractError(f"{place} is damaged or no bzip2; write it anew, or give it a name without .bz2")
    for beginning, what in BEGINNINGS:
        if re.match(beginning, head, re.DOTALL):
            raise ContractError(f"{place} is {what}")
    if source.format == "json":
        _check_json(head, place)
    text, coding = decoded(spark, head, source, key, place)
    cut = len(head) == HEAD
    if source.format == "csv":
        _check_lines(source, coding, key, place)
        return _csv(text, cut, source, key, short(file)) or Look(file)
    if source.format == "json":
        return _json(text, coding, place)
    if coding.likely != ("UTF-8",):
        raise ContractError(f"{key}.options.encoding: {source.format} is read as UTF-8 alone; write it so")
    return Look("")


def short(file: str) -> str:
    """Name a file with its folder, which tells day=1/part-0 from day=2/part-0."""
    return "/".join(file.rsplit("/", 2)[1:])


def read_head(spark: SparkSession, file: str) -> bytes | None:
    """Read a file's first bytes, unpacked where its name says how; None where Java lacks what unpacks them."""
    jvm, configuration = spark._jvm, spark._jsc.hadoopConfiguration()
    hadoop, commons = jvm.org.apache.hadoop, jvm.org.apache.commons.io  # type: ignore[union-attr]
    place = hadoop.fs.Path(file)
    stream = place.getFileSystem(configuration).open(place)
    try:
        codec = hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(place)
        stream = stream if codec is None else codec.createInputStream(stream)
        return bytes(commons.IOUtils.toByteArray(commons.input.BoundedInputStream(stream, HEAD)))
    except Py4JJavaError:  # a damaged file is told where it is read
        return None
    finally:
        stream.close()


def _length(spark: SparkSession, file: str) -> int:
    """Bytes of a file."""
    place = spark._jvm.org.apache.hadoop.fs.Path(file)  # type: ignore[union-attr]
    return int(place.getFileSystem(spark._jsc.hadoopConfiguration()).getFileStatus(place).getLen())


def _check_lines(source: Files, coding: Coding, key: str, place: str) -> None:
    """Raise ContractError where a CSV would be cut into lines in the midst of a letter."""
    if is_wide(coding) and (option(source, "multiLine") or "").lower() == "false":
        raise ContractError(f"{place}: {coding.likely[0]} is not read line by line; leave out {key}.options.multiLine")


def _csv(text: str, cut: bool, source: Files, key: str, name: str) -> Look | None:
    """Look at a CSV; None where its first row is longer than what is looked at."""
    rows = list(_rows(text, source))
    rows = rows[:-1] if cut else rows
    if not rows:
        return None if cut else Look("")
    has_header = (option(source, "header") or "").lower() == "true"
    widths = Counter(len(row) for row in rows[has_header:ROWS])
    width, number = widths.most_common(1)[0] if widths else (len(rows[0]), 0)
    if not has_header:
        if source.names and len(source.names) != width:
            raise ContractError(f"{key}.names: {len(source.names)} names, and {name} has {width} columns")
        return Look(f"{width} columns")
    if number >= JUDGED and len(rows[0]) not in widths:
        raise ContractError(
            f"{key}.path: {name} has {len(rows[0])} names in its first line ({', '.join(rows[0])[:80]}), and {width} "
            "columns below; write a name for each column, and nothing above the names"
        )
    return Look(SEPARATOR.join(column.strip() for column in rows[0]))


def _rows(text: str, source: Files) -> Iterator[list[str]]:
    """Split a CSV's text into rows and fields, as the options of Spark's reader have it; blank lines are none."""
    sep = (option(source, "sep", "delimiter") or ",").replace("\\t", "\t")
    quote, comment = option(source, "quote"), option(source, "comment")
    quote = '"' if quote is None else quote
    escape = option(source, "escape") or '"'
    lines = io.StringIO(text, newline="")
    kept = (line for line in lines if line.strip("\r\n") and not (comment and line.startswith(comment)))
    if len(sep) != 1 or len(quote) != 1 or quote == "\x00" or len(escape) != 1:
        yield from (line.strip("\r\n").split(sep) for line in kept)
        return
    double = escape == quote
    yield from csv.reader(
        kept, delimiter=sep, quotechar=quote, doublequote=double, escapechar=None if double else escape
    )


def _check_json(head: bytes, place: str) -> None:
    """Raise ContractError where the first of several lines has a byte order mark that tells how all are written."""
    coding = tell(head)
    name = coding.likely[0]
    if is_wide(coding) and coding.bom and _shape(head.decode(name, "replace"), place) == LINES:
        raise ContractError(
            f"{place} is {name} with a byte order mark, of which lines of JSON are not read; write UTF-8"
        )


def _json(text: str, coding: Coding, place: str) -> Look:
    """Look at a JSON: its shape wins over what the YAML says of it."""
    name, shape = coding.likely[0], _shape(text, place)
    wide = {"encoding": name[:6]} if is_wide(coding) else {}
    if shape == WHOLE:
        return Look(WHOLE, tuple({"multiLine": "true", **(wide if coding.bom else {})}.items()))
    if wide and coding.bom:
        raise ContractError(
            f"{place} is {name} with a byte order mark, in which lines of JSON are not read; write UTF-8"
        )
    if wide:
        wide = {"encoding": name if name.endswith("E") else f"{name}BE"}  # without a mark, big end first
    sep = {} if name == "UTF-8" else {"lineSep": "\n"}
    return Look(LINES, tuple({"multiLine": "false", **wide, **sep}.items()))


def _shape(text: str, place: str) -> str:
    """Tell JSON lines from a file that is one array, or one object, over several lines."""
    text = text.lstrip()
    first, _, rest = text.partition("\n")
    with suppress(ValueError):
        json.loads(first)
        return LINES
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:  # longer than the head, or no JSON
        return WHOLE if rest and (first.strip() == "{" or first.startswith("[")) else LINES
    if text[end:].strip():
        raise ContractError(f"{place} has several objects over several lines each; write an object a line, or an array")
    return WHOLE
