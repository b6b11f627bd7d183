"""Which of a source's files are alike, so that Spark reads them as one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.encodings import option
from recaug.clickstream.heads import Look, look, short
from recaug.clickstream.listing import File
from recaug.config import Files
from recaug.errors import ContractError

AT_ONCE = 8  # files
TEXT = {"csv", "json", "sequences", "json_object"}  # formats of lines, whatever compresses them
# Types that a column may have in different files: none of these pairs loses or changes a value.
SAFE = (
    {"void", "tinyint", "smallint", "int", "bigint", "string"},
    {"void", "float", "double"},
    {"void", "date", "timestamp", "timestamp_ntz"},
)
NAMES = {"__globPaths__": "false"}  # Spark's own option for files that are names, not patterns


class Alike(NamedTuple):
    """Files that Spark reads as one.

    options: of the reader, that the files ask for: as what they are read, and the folder below which their partition
    folders (day=2017-01-01) lie. folders: the keys of these.
    """

    files: list[str]
    options: dict[str, str]
    folders: tuple[str, ...] = ()


class _Kind(NamedTuple):
    """What files that are alike have in common; a Parquet file's mark is its schema."""

    base: str | None
    folders: tuple[str, ...]
    look: Look


def alike(spark: SparkSession, source: Files, files: Sequence[File], key: str) -> list[Alike]:
    """Sort files into those that are alike; in the order of their names.

    Raises ContractError that names a file that cannot be read as what the YAML says.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looks = list(pool.map(lambda file: _look(spark, source, file.path, key), files))
    kinds: dict[_Kind, list[str]] = {}
    for file, there in zip(files, looks, strict=True):
        kinds.setdefault(_Kind(*_partitioned(file.path, file.root), there), []).append(file.path)
    if source.format == "csv" and (option(source, "header") or "").lower() != "true":
        _check_widths({kind.look.mark: names[0] for kind, names in kinds.items() if kind.look.mark}, key)
    return [
        Alike(names, NAMES | dict(kind.look.options) | ({"basePath": kind.base} if kind.base else {}), kind.folders)
        for kind, names in kinds.items()
    ]


def _check_widths(files: dict[str, str], key: str) -> None:
    """Raise ContractError where files without a header have not the same columns. files: by how many they have."""
    if len(files) > 1:
        (width, file), (other, there), *_ = files.items()
        raise ContractError(
            f"{key}.path: {short(file)} has {width}, {short(there)} {other}, and no header names them; read "
            "them as logs of their own (source.events.more)"
        )


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
                f"{key}.path: no column of {short(first)} ({_names(df)}) is one of {short(file)} ({_names(rows)})"
            )
        for name, kind in rows.dtypes:
            before, there = seen.setdefault(name.lower(), (kind, file))
            if before != kind and not any({before, kind} <= widths for widths in SAFE):
                raise ContractError(
                    f"{key}.path: {name} is {before} in {short(there)} and {kind} in {short(file)}; write both alike"
                )
        df = df.unionByName(rows, allowMissingColumns=True)
    return df


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


def _look(spark: SparkSession, source: Files, file: str, key: str) -> Look:
    """Tell what sets a file apart from others of the source."""
    if source.format == "parquet":
        return Look(_schema(spark, file))
    return look(spark, source, file, key) if source.format in TEXT else Look("")


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
