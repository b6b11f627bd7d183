"""Reads files, by what the YAML says of them and what they are."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.encodings import option
from recaug.clickstream.files import Alike, alike
from recaug.clickstream.heads import short
from recaug.clickstream.layouts import by_entry, by_key, by_position
from recaug.clickstream.listing import Listing, list_files
from recaug.clickstream.parquet import as_written
from recaug.clickstream.unite import completed, united
from recaug.config import Files, twins
from recaug.errors import ContractError

# Without pruning a line's fields are always counted. Quotes and line breaks within them as RFC 4180 has them. Files
# of one header are read together (files.py), so it need not be compared, and may lack a name.
CSV = {"columnPruning": "false", "mode": "PERMISSIVE", "escape": '"', "multiLine": "true"}
DEFAULTS = {(name, value) for name in ("encoding", "charset") for value in ("utf-8", "utf8")}
# Options under which something is lost, and what.
LOSING = {
    "mode": (
        ("dropmalformed", "failfast"),
        "rows that cannot be parsed are lost, or end the night",
    ),
    "inferSchema": (("true",), "007 becomes 7; an expression makes a number of a text"),
    "ignoreCorruptFiles": (("true",), "files are lost without a word"),
    "ignoreMissingFiles": (("true",), "files are lost without a word"),
}
# While a source's columns are told: names that differ by case alone are two, of which Spark else takes one and leaves
# the other out; a partition folder's value is the text that it is (store=007), in all folders alike.
TELLING = {"spark.sql.caseSensitive": "true", "spark.sql.sources.partitionColumnTypeInference.enabled": "false"}
AS_THEY_LIE = {"delta", "binaryFile"}  # formats whose files Spark lists itself: a table, and any number of pictures


def read_files(spark: SparkSession, source: Files, key: str, listing: Listing | None = None) -> DataFrame:
    """Read files as they are: CSV columns as text, Parquet's nanoseconds as timestamps.

    listing: the files that are read; None: all at the path.
    Adds CORRUPT (CSV, JSON: the line that could not be parsed, else null).
    Raises ContractError where nothing can be read at the path.
    """
    assert source.path is not None
    path = locate(source.path, key)
    if source.format in AS_THEY_LIE:
        return _as_it_lies(spark, source, path, key, listing).withColumn(CORRUPT, F.lit(None).cast("string"))
    files = list_files(spark, source, path, key) if listing is None else listing.files
    parts = alike(spark, source, files, key)
    frames = [_read(spark, source, part, key) for part in parts]
    filled = [(part.files[0], df) for part, df in zip(parts, frames, strict=True) if df.columns]
    if not filled:
        raise ContractError(f"{key}.path: {source.path} is empty")
    df = united(filled, key)
    if df.columns == [CORRUPT]:
        raise ContractError(f"{key}.path: no line of {source.path} is a JSON object")
    if listing is not None and listing.columns is not None:
        df = completed(df, listing.columns)
    return df if CORRUPT in df.columns else df.withColumn(CORRUPT, F.lit(None).cast("string"))


def _as_it_lies(spark: SparkSession, source: Files, path: str, key: str, listing: Listing | None) -> DataFrame:
    """Read what Spark lists itself; of a table the version that is listed, and of that the files that are named."""
    if listing is None or listing.version is None:
        return _read(spark, source, Alike([path], {}), key)
    df = _read(spark, source, Alike([path], {"versionAsOf": str(listing.version)}), key)
    if listing.by is not None and listing.parts:
        df = df.where(F.col(f"`{listing.by}`").cast("string").isin([*listing.parts]))  # other folders are not opened
    names = [file.path for file in listing.files]
    return df.where(F.col("_metadata.file_path").isin(names)) if names else df  # input_file_name is none to Delta here


def _read(spark: SparkSession, source: Files, part: Alike, key: str) -> DataFrame:
    """Read files that are alike. Raises ContractError for two columns whose names differ by case alone."""
    assert source.format is not None
    layout = {"sequences": "text", "json_object": "text", "npz": "binaryFile"}.get(source.format, source.format)
    reader = spark.read.format(layout).options(**{**_options(source, key), **part.options})
    with _telling(spark):
        df = reader.load(part.files)
    if part.folders:
        _check_folders(df, part, key)
    if source.format == "csv" and df.columns:
        schema = _named(df.schema, source, len(part.folders))
        df = reader.schema(schema.add(CORRUPT, StringType())).load(part.files)
    if twice := twins(df.columns):
        raise ContractError(f"{key}.path: the rows have both {twice[0]} and {twice[1]}; write one name, or neither")
    lay_out = {"parquet": as_written, "sequences": by_position, "json_object": by_key, "npz": by_entry}
    return lay_out[source.format](df) if source.format in lay_out else df


def _named(schema: StructType, source: Files, folders: int) -> StructType:
    """Name a CSV's columns: by the YAML, or by the header, of whose names blanks about them are no part.

    schema: of Spark, which has read a row. folders: how many of its columns, the last ones, are of partition folders.
    """
    end = len(schema) - folders
    columns, partitions = schema.fields[:end], schema.fields[end:]
    if source.names and len(columns) != len(source.names):  # the first row is cut off
        return StructType([*(StructField(name, StringType()) for name in source.names), *partitions])
    names = source.names or (column.name.strip(" \t\ufeff") or f"_c{n}" for n, column in enumerate(columns))
    named = (StructField(name, column.dataType) for name, column in zip(names, columns, strict=True))
    return StructType([*named, *partitions])


@contextmanager
def _telling(spark: SparkSession) -> Iterator[None]:
    """Set TELLING for a while."""
    before = {name: str(spark.conf.get(name)) for name in TELLING}
    try:
        for name, value in TELLING.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, earlier in before.items():
            spark.conf.set(name, earlier)


def _check_folders(df: DataFrame, part: Alike, key: str) -> None:
    """Raise ContractError where files have a column that their folders name as well: Spark drops the files'."""
    relation = df._jdf.queryExecution().analyzed().relation()
    if not relation.overlappedPartCols().isEmpty():
        name = relation.overlappedPartCols().keys().mkString(", ")
        folder = f"{part.options['basePath']}/{part.folders[0]}=*"
        raise ContractError(
            f"{key}.path: {short(part.files[0])} has a column {name}, and its folder says what {name} is, too; set "
            f"path: {folder} to read the column, or leave it out of the files"
        )


def _options(source: Files, key: str) -> Mapping[str, str]:
    """Spark's options, with those under which every reading of a file finds the same bad lines.

    Raises ContractError for an option under which rows or values are lost.
    """
    for name, (values, why) in LOSING.items():
        if (option(source, name) or "").lower() in values:
            raise ContractError(f"{key}.options.{name}: {why}; leave it out")
    # Named, UTF-8 is read without looking for a byte order mark, which ends the reading of a JSON that is one array.
    given = {name: value for name, value in source.options.items() if (name.lower(), value.lower()) not in DEFAULTS}
    if source.format == "csv":
        given = {**CSV, **given}
    elif source.format == "json_object":
        given = {"wholetext": "true", **given}
    return {**given, "columnNameOfCorruptRecord": CORRUPT}


def locate(path: str, key: str) -> str:
    """Give a path that Spark reads; package://NAME/inside is a file of an installed Python package.

    Raises ContractError where there is no such package, or no such file in it, a path that leaves it among them.
    """
    if not path.startswith("package://"):
        return path
    name, _, inside = path.removeprefix("package://").partition("/")
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # of a name that is none
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ContractError(f"{key}.path: no Python package {name} is installed; install it or set another path")
    folder = Path(next(iter(spec.submodule_search_locations)))
    file = folder / inside
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ContractError(f"{key}.path: {inside} leaves the package {name}; give the path without package://")
    if not file.exists():
        raise ContractError(f"{key}.path: the package {name} has no {inside}")
    return str(file)
