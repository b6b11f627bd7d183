"""Reads an event log or a catalogue, by the YAML alone."""

import importlib.util
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from recaug.causes import causes
from recaug.clickstream.columns import CORRUPT, FILE, POSITION
from recaug.clickstream.files import alike, united
from recaug.clickstream.listing import Listing, list_files
from recaug.config import Source
from recaug.errors import ContractError

# Without pruning a line's fields are always counted. Quotes and line breaks within them as RFC 4180 has them. Files
# of one header are read together (files.py), so it need not be compared, and may lack a name.
CSV = {"columnPruning": "false", "mode": "PERMISSIVE", "escape": '"', "multiLine": "true"}
BY_CASE = "spark.sql.caseSensitive"
AS_THEY_LIE = {"delta", "binaryFile"}  # formats whose files Spark lists itself: a table, and any number of pictures
ENTRIES = 256  # of an archive that are laid out at once
# What Java calls a damaged file, and Spark one that it cannot read (2064: of Spark 3.5, without a name).
DAMAGED = ("java.io.EOFException", "java.util.zip.ZipException", "org.apache.hadoop.fs.ChecksumException")
UNREADABLE = {
    "CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE.NO_HINT",
    "_LEGACY_ERROR_TEMP_2064",
}


def read_source(spark: SparkSession, source: Source, key: str, listing: Listing | None = None) -> DataFrame:
    """Read a source as it is: CSV columns as text, Parquet's nanoseconds as timestamps.

    key: the YAML's section, for errors, such as source.events. listing: the files that are read; None: all at the path.
    Adds CORRUPT (CSV, JSON: the line that could not be parsed, else null).
    Raises ContractError where nothing can be read at the path.
    """
    assert source.path is not None
    path = locate(source.path, key)
    with reading(source, key):
        if source.format in AS_THEY_LIE:
            return _as_it_lies(spark, source, path, key, listing).withColumn(CORRUPT, F.lit(None).cast("string"))
        files = list_files(spark, source, path, key) if listing is None else listing.files
        parts = alike(spark, source, files, key)
        frames = [_read(spark, source, part.files, part.options, key) for part in parts]
        filled = [(part.files[0], df) for part, df in zip(parts, frames, strict=True) if df.columns]
        if not filled:
            raise ContractError(f"{key}.path: {source.path} is empty")
        df = united(filled, key)
        if df.columns == [CORRUPT]:
            raise ContractError(f"{key}.path: no line of {source.path} is a JSON object")
    return df if CORRUPT in df.columns else df.withColumn(CORRUPT, F.lit(None).cast("string"))


def _as_it_lies(spark: SparkSession, source: Source, path: str, key: str, listing: Listing | None) -> DataFrame:
    """Read what Spark lists itself; of a table the version that is listed, and of that the files that are named."""
    if listing is None or listing.version is None:
        return _read(spark, source, [path], {}, key)
    df = _read(spark, source, [path], {"versionAsOf": str(listing.version)}, key)
    if listing.by is not None and listing.parts:
        df = df.where(F.col(f"`{listing.by}`").cast("string").isin([*listing.parts]))  # other folders are not opened
    names = [file.path for file in listing.files]
    return df.where(F.col("_metadata.file_path").isin(names)) if names else df  # input_file_name is none to Delta here


def _read(spark: SparkSession, source: Source, paths: Sequence[str], options: Mapping[str, str], key: str) -> DataFrame:
    """Read files that are alike. Raises ContractError for two columns whose names differ by case alone."""
    assert source.format is not None
    layout = {"sequences": "text", "json_object": "text", "npz": "binaryFile"}.get(source.format, source.format)
    reader = spark.read.format(layout).options(**{**_options(source), **options})
    with _by_case(spark):
        df = reader.load([*paths])
    names = sorted(df.columns, key=str.lower)
    for name, other in pairwise(names):
        if name.lower() == other.lower():
            raise ContractError(f"{key}.path: the rows have both {name} and {other}; write one name, or neither")
    if source.format == "csv" and df.columns:
        schema = StructType([*df.schema.fields, StructField(CORRUPT, StringType())])
        df = reader.schema(schema).load([*paths])
    lay_out = {"parquet": _with_timestamps, "sequences": _by_position, "json_object": _by_key, "npz": _by_entry}
    return lay_out[source.format](df) if source.format in lay_out else df


@contextmanager
def _by_case(spark: SparkSession) -> Iterator[None]:
    """Let Spark tell names apart that differ by case alone, of which it else takes one and leaves the other out."""
    before = spark.conf.get(BY_CASE)
    spark.conf.set(BY_CASE, "true")
    try:
        yield
    finally:
        spark.conf.set(BY_CASE, str(before))


def number_rows(df: DataFrame) -> DataFrame:
    """Add POSITION: a struct (path, block, row) that orders rows as the files have them, and files by their path.

    Filter first: Spark filters no file behind this.
    """
    # The id's low 33 bits count within a task, which reads the blocks of a file in their order.
    row = F.monotonically_increasing_id().bitwiseAND(F.lit((1 << 33) - 1))
    place = {"path": F.input_file_name(), "block": F.expr("input_file_block_start()"), "row": row}
    return df.withColumn(POSITION, F.struct(*(column.alias(name) for name, column in place.items())))


def name_files(df: DataFrame) -> DataFrame:
    """Add FILE, the name of the file that a row comes from. Filter first, as for number_rows."""
    return df.withColumn(FILE, F.substring_index(F.input_file_name(), "/", -1))


def locate(path: str, key: str) -> str:
    """Give a path that Spark reads; package://NAME/inside is a file of an installed Python package.

    Raises ContractError where there is no such package or no such file in it.
    """
    if not path.startswith("package://"):
        return path
    name, _, inside = path.removeprefix("package://").partition("/")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ContractError(f"{key}.path: no Python package {name} is installed; install it or set another path")
    file = Path(next(iter(spec.submodule_search_locations))) / inside
    if not file.exists():
        raise ContractError(f"{key}.path: the package {name} has no {inside}")
    return str(file)


@contextmanager
def reading(source: Source, key: str) -> Iterator[None]:
    """Turn what Spark raises while it reads a source into a ContractError; errors of another kind stay as they are."""
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        raise unreadable(error, source, key) from error


def unreadable(error: Exception, source: Source, key: str) -> ContractError | Exception:
    """Say in one line why a source could not be read; an error of another kind comes back as it is."""
    why, path = causes(error), source.path
    denied = why.has("java.nio.file.AccessDeniedException", "org.apache.hadoop.security.AccessControlException")
    gone = why.has("java.io.FileNotFoundException", "java.nio.file.NoSuchFileException")
    broken = why.has(*DAMAGED) or not why.conditions.isdisjoint(UNREADABLE)
    cases = {
        f"{key}.path: nothing at {path}": "PATH_NOT_FOUND" in why.conditions,
        f"{key}.path: {path} has no readable {source.format} file": "UNABLE_TO_INFER_SCHEMA" in why.conditions,
        f"{key}.path: {path} may not be read; check its permissions": denied or why.says("Permission denied"),
        f"{key}.path: a file of {path} went away while it was read": gone,
        f"{key}.path: a file of {path} is damaged or no {source.format}": broken,
    }
    return next((ContractError(words) for words, is_so in cases.items() if is_so), error)


def _options(source: Source) -> Mapping[str, str]:
    """Spark's options, with those under which every reading of a file finds the same bad lines."""
    if source.format == "csv":
        given = {**CSV, **source.options}
    else:
        given = {"wholetext": "true"} | source.options if source.format == "json_object" else source.options
    return {**given, "columnNameOfCorruptRecord": CORRUPT}


def _with_timestamps(df: DataFrame) -> DataFrame:
    """Turn Parquet's TIMESTAMP(NANOS), which Spark reads as long, into timestamps (to the microsecond)."""
    if "bigint" not in (kind for _, kind in df.dtypes):
        return df
    jvm = df.sparkSession._jvm
    file = jvm.org.apache.hadoop.fs.Path(df.inputFiles()[0])  # type: ignore[union-attr]
    configuration = df.sparkSession._jsc.hadoopConfiguration()
    footer = jvm.org.apache.parquet.hadoop.ParquetFileReader.readFooter(configuration, file)  # type: ignore[union-attr]
    for field in footer.getFileMetaData().getSchema().getFields():
        if "TIMESTAMP(NANOS" in str(field.getLogicalTypeAnnotation()):
            name = field.getName()
            df = df.withColumn(name, F.timestamp_micros(F.floor(F.col(f"`{name}`") / 1000)))
    return df


def _by_position(lines: DataFrame) -> DataFrame:
    """Lay out lines `user item item ...`: user, position, item; a line without items keeps a row, its item null."""
    words = F.split(F.trim("value"), r"\s+")
    return lines.select(
        words[0].alias("user"), F.posexplode_outer(F.slice(words, 2, F.size(words))).alias("position", "item")
    )


def _by_key(files: DataFrame) -> DataFrame:
    """Lay out files that are one JSON object each: key, values (texts); a value that is no list is a list of one."""
    whole = F.from_json("value", "map<string,string>")
    pairs = files.select(F.explode(whole).alias("key", "value"))
    listed = F.coalesce(F.from_json("value", "array<string>"), F.array("value"))
    return pairs.select("key", listed.alias("values"))


def _by_entry(files: DataFrame) -> DataFrame:
    """Lay out NumPy archives of pictures: position (in its file), image (PNG), label, split."""

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for content in (content for frame in frames for content in frame["content"]):
            with np.load(io.BytesIO(content)) as arrays:
                pictures, labels, split = arrays["images"], arrays["labels"], arrays["split"]
                classes, splits = arrays["classes"], arrays["splits"]
            for start in range(0, len(pictures), ENTRIES):
                part = slice(start, start + ENTRIES)
                yield pd.DataFrame(
                    {
                        "position": np.arange(len(pictures))[part],
                        "image": [png(picture) for picture in pictures[part]],
                        "label": classes[labels[part]],
                        "split": splits[split[part]],
                    }
                )

    return files.select("content").mapInPandas(run, "position int, image binary, label string, split string")


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a picture (height, width, channels) as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
