"""Reads an event log or a catalogue and maps its columns, by the YAML alone."""

import importlib.util
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from recaug.causes import causes
from recaug.config import Events, Source
from recaug.errors import ContractError

ENTRIES = 256  # of an archive that are laid out at once
# Where Spark puts a line that it cannot parse, such as one that was cut off.
CORRUPT = "_corrupt_record"
# What Java calls a damaged file, and Spark one that it cannot read (2064: of Spark 3.5, without a name).
DAMAGED = ("java.io.EOFException", "java.util.zip.ZipException", "org.apache.hadoop.fs.ChecksumException")
UNREADABLE = {
    "CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE.NO_HINT",
    "_LEGACY_ERROR_TEMP_2064",
}
# The types that a mapped column may have in the source.
NUMBERS = {"tinyint", "smallint", "int", "bigint", "float", "double", "string", "void"}
TIMES = {"timestamp", "timestamp_ntz", "date", "string", "void"}


def read_source(spark: SparkSession, source: Source, key: str) -> DataFrame:
    """Read a source as it is: CSV columns as text, Parquet's nanoseconds as timestamps.

    key: the YAML's section, for errors, such as source.events.
    Adds _corrupt_record (CSV, JSON: the line that could not be parsed, else null).
    Raises ContractError where nothing can be read at the path.
    """
    path = locate(source.path, key)
    layout = {"sequences": "text", "json_object": "text", "npz": "binaryFile"}.get(source.format, source.format)
    reader = spark.read.format(layout).options(**_options(source))
    with reading(source, key):
        df = reader.load(path)
        if source.format == "csv":
            schema = StructType([*df.schema.fields, StructField(CORRUPT, StringType())])
            df = reader.schema(schema).load(path) if df.columns else df
        if not df.columns:
            raise ContractError(f"{key}.path: {source.path} is empty")
        df = _with_timestamps(df) if source.format == "parquet" else df
        df = _by_position(df) if source.format == "sequences" else df
        df = _by_key(df) if source.format == "json_object" else df
        df = _by_entry(df) if source.format == "npz" else df
    if CORRUPT not in df.columns:
        df = df.withColumn(CORRUPT, F.lit(None).cast("string"))
    return df


def name_files(df: DataFrame) -> DataFrame:
    """Add _source, the name of the file that a row comes from. Filter first: Spark filters no file behind this."""
    return df.withColumn("_source", F.substring_index(F.input_file_name(), "/", -1))


def number_rows(df: DataFrame) -> DataFrame:
    """Add _position: a struct that orders rows as the files have them, and files by their path."""
    # The id's low 33 bits count within a task, which reads the blocks of a file in their order.
    row = F.monotonically_increasing_id().bitwiseAND(F.lit((1 << 33) - 1))
    return df.withColumn("_position", F.struct(F.input_file_name(), F.expr("input_file_block_start()"), row))


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


def map_events(df: DataFrame, events: Events) -> DataFrame:
    """Add `_event`: what the row says as an event, before any judgement.

    Fields of `_event`: user_id, item_id, event_type, query, session_id (text; blank is null), event_time, price,
    quantity, price_given and quantity_given (whether the source says anything there), unique (the text of unique_by).
    Raises ContractError that names the key and the column where the source lacks it or has another type.
    """
    columns = {name: expression(df, text, f"source.events.columns.{name}") for name, text in events.columns.items()}
    types = dict(df.select(*(column.alias(name) for name, column in columns.items())).dtypes)
    for name in ("event_time", "price", "quantity"):
        allowed = TIMES if name == "event_time" else NUMBERS
        if name in types and types[name] not in allowed and not types[name].startswith("decimal"):
            wanted = "a timestamp (timestamp_seconds(...) makes one)" if name == "event_time" else "a number"
            raise ContractError(f"source.events.columns.{name}: {events.columns[name]} is {types[name]}, not {wanted}")
    text, number = F.lit(None).cast("string"), F.lit(None).cast("double")
    unique = [expression(df, name, "source.events.unique_by").cast("string") for name in events.unique_by]
    fields = [
        _text(columns["user_id"]).alias("user_id"),
        _text(columns["item_id"]).alias("item_id"),
        (_text(columns["event_type"]) if "event_type" in columns else F.lit("event")).alias("event_type"),
        (_text(columns["query"]) if "query" in columns else text).alias("query"),
        (_text(columns["session_id"]) if "session_id" in columns else text).alias("session_id"),
        columns["event_time"].cast("timestamp").alias("event_time"),
        *((columns[n].cast("double") if n in columns else number).alias(n) for n in ("price", "quantity")),
        *(
            (columns[n].isNotNull() if n in columns else F.lit(False)).alias(f"{n}_given")
            for n in ("price", "quantity")
        ),
        F.concat_ws("\x1f", *(F.coalesce(column, F.lit("\x00")) for column in unique)).alias("unique"),
    ]
    return df.withColumn("_event", F.struct(*fields))


def expression(df: DataFrame, text: str, key: str) -> Column:
    """Read a SQL expression over the columns of `df`. Raises ContractError that names the key and what is wrong."""
    try:
        column = F.expr(text)
        df.select(column)
    except ParseException as error:
        raise ContractError(f"{key}: {text!r} is no SQL expression: {_first_line(error)}") from error
    except AnalysisException as error:
        if "UNRESOLVED_COLUMN" in (error.getErrorClass() or ""):
            missing = (error.getMessageParameters() or {}).get("objectName", text)
            has = ", ".join(name for name in df.columns if not name.startswith("_"))
            raise ContractError(f"{key}: the source has no column {missing}; it has {has}") from error
        raise ContractError(f"{key}: {text!r}: {_first_line(error)}") from error
    return column


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
        f"{key}: a time is not as its pattern says: {why.messages[-1]}": why.has(
            "org.apache.spark.SparkUpgradeException"
        ),
        f"{key}.path: the files of {path} have different columns": why.says("CSV header does not conform"),
        f"{key}.path: {path} may not be read; check its permissions": denied or why.says("Permission denied"),
        f"{key}.path: a file of {path} went away while it was read": gone,
        f"{key}.path: a file of {path} is damaged or no {source.format}": broken,
    }
    return next((ContractError(words) for words, is_so in cases.items() if is_so), error)


def _options(source: Source) -> Mapping[str, str]:
    """Spark's options, with those under which every reading of a file finds the same bad lines."""
    if source.format == "csv":
        # Without pruning a line's fields are always counted; with the check a file of other columns is an error.
        return {"columnPruning": "false", "enforceSchema": "false", "mode": "PERMISSIVE"} | source.options
    return {"wholetext": "true"} | source.options if source.format == "json_object" else source.options


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


def _text(column: Column) -> Column:
    """Cast to text; blank is null."""
    trimmed = F.trim(column.cast("string"))
    return F.when(trimmed != "", trimmed)


def _first_line(error: PySparkException) -> str:
    return " ".join(str(error).strip().splitlines()[0].split())
