"""Which of a source's files are alike, so that Spark reads them as one."""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.listing import File
from recaug.config import Files
from recaug.errors import ContractError

HEAD = 1 << 16  # bytes of a file that are looked at
AT_ONCE = 8  # files
TEXT = {"csv", "json", "sequences", "json_object"}  # formats of lines, whatever compresses them
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
# Types that a column may have in different files: none of these pairs loses or changes a value.
SAFE = (
    {"void", "tinyint", "smallint", "int", "bigint", "string"},
    {"void", "float", "double"},
    {"void", "date", "timestamp", "timestamp_ntz"},
)
LINES, WHOLE = "an object a line", "one object or array a file"  # shapes of JSON
OPTIONS = {LINES: {"multiLine": "false"}, WHOLE: {"multiLine": "true"}}  # whatever the YAML says of it
NAMES = {"__globPaths__": "false"}  # Spark's own option for files that are names, not patterns


class Alike(NamedTuple):
    """Files that Spark reads as one.

    options: of the reader, that the files ask for: as what they are read, and the folder below which their partition
    folders (day=2017-01-01) lie.
    """

    files: list[str]
    options: dict[str, str]


class _Kind(NamedTuple):
    """What files that are alike have in common. mark: a CSV's first line, a JSON's shape, a Parquet file's schema."""

    base: str | None
    folders: tuple[str, ...]
    mark: str


def alike(spark: SparkSession, source: Files, files: Sequence[File], key: str) -> list[Alike]:
    """Sort files into those that are alike; in the order of their names.

    Raises ContractError that names a file that cannot be read as what the YAML says.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        marks = list(pool.map(lambda file: _mark(spark, source, file.path, key), files))
    kinds: dict[_Kind, list[str]] = {}
    for file, mark in zip(files, marks, strict=True):
        kinds.setdefault(_Kind(*_partitioned(file.path, file.root), mark), []).append(file.path)
    return [
        Alike(names, NAMES | OPTIONS.get(kind.mark, {}) | ({"basePath": kind.base} if kind.base else {}))
        for kind, names in kinds.items()
    ]


def united(parts: Sequence[tuple[str, DataFrame]], key: str) -> DataFrame:
    """Put the rows of files together, by the names of their columns; a column that a file lacks is null in its rows.

    parts: a file of each, for errors, and its rows. Whole numbers may be of any width, and text elsewhere; other
    columns have one type. Raises ContractError that names the files and the column where they have not.
    """
    (first, df), *others = parts
    seen = {name.lower(): (kind, first) for name, kind in df.dtypes}
    for file, rows in others:
        if not seen.keys() & {name.lower() for name in rows.columns} - {CORRUPT}:
            raise ContractError(
                f"{key}.path: no column of {_name(first)} ({_names(df)}) is one of {_name(file)} ({_names(rows)})"
            )
        for name, kind in rows.dtypes:
            before, there = seen.setdefault(name.lower(), (kind, file))
            if before != kind and not any({before, kind} <= widths for widths in SAFE):
                raise ContractError(
                    f"{key}.path: {name} is {before} in {_name(there)} and {kind} in {_name(file)}; write both alike"
                )
        df = df.unionByName(rows, allowMissingColumns=True)
    return df


def _name(file: str) -> str:
    """Name a file with its folder, which tells day=1/part-0 from day=2/part-0."""
    return "/".join(file.rsplit("/", 2)[1:])


def _names(df: DataFrame) -> str:
    return ", ".join(name for name in df.columns if name != CORRUPT)


def _partitioned(file: str, root: str) -> tuple[str | None, tuple[str, ...]]:
    """Give the folder below which a file's partition folders lie, and their keys; none without such."""
    *folders, _ = file.removeprefix(root).strip("/").split("/")
    plain = next((place for place, folder in enumerate(folders) if "=" in folder), len(folders))
    keys = tuple(folder.partition("=")[0] for folder in folders[plain:])
    if not keys or any("=" not in folder for folder in folders[plain:]):
        return None, ()
    return "/".join([root, *folders[:plain]]), keys


def _mark(spark: SparkSession, source: Files, file: str, key: str) -> str:
    """Tell what sets a file apart from others of the source."""
    if source.format == "parquet":
        return _schema(spark, file)
    if source.format not in TEXT:
        return ""
    head = _head(spark, file)
    if head is None:  # its columns are not known, so it is read by itself
        return file
    for beginning, what in BEGINNINGS:
        if re.match(beginning, head, re.DOTALL):
            raise ContractError(f"{key}.path: {_name(file)} is {what}")
    if source.format == "csv" and source.options.get("header", "false").lower() == "true":
        return head.removeprefix(b"\xef\xbb\xbf").splitlines()[0].decode("latin-1") if head.strip() else ""
    if source.format == "json":
        return _shape(head, f"{key}.path: {_name(file)}")
    return ""


def _shape(head: bytes, place: str) -> str:
    """Tell JSON lines from a file that is one array, or one object, over several lines."""
    text = head.decode("utf-8-sig", "replace").lstrip()
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


def _head(spark: SparkSession, file: str) -> bytes | None:
    """Read a file's first bytes, unpacked where its name says how; None where Java lacks what unpacks them."""
    jvm, configuration = spark._jvm, spark._jsc.hadoopConfiguration()
    hadoop, io = jvm.org.apache.hadoop, jvm.org.apache.commons.io  # type: ignore[union-attr]
    place = hadoop.fs.Path(file)
    stream = place.getFileSystem(configuration).open(place)
    try:
        codec = hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(place)
        stream = stream if codec is None else codec.createInputStream(stream)
        return bytes(io.IOUtils.toByteArray(io.input.BoundedInputStream(stream, HEAD)))
    except Py4JJavaError:  # a damaged file is told where it is read
        return None
    finally:
        stream.close()


def _schema(spark: SparkSession, file: str) -> str:
    """A Parquet file's own schema; empty where it has none to be read."""
    jvm = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(file)  # type: ignore[union-attr]
    try:
        footer = jvm.org.apache.parquet.hadoop.ParquetFileReader.readFooter(  # type: ignore[union-attr]
            spark._jsc.hadoopConfiguration(), place
        )
    except Py4JJavaError:
        return ""
    return str(footer.getFileMetaData().getSchema())
