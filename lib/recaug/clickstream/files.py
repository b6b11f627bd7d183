"""Which files lie at a source's path, and which of them are alike, so that Spark reads them as one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.encodings import option
from recaug.clickstream.heads import Look, look, short
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


def alike(spark: SparkSession, source: Files, path: str, key: str) -> list[Alike]:
    """Sort the files at a path, folders below it included, into those that are alike; in the order of their names.

    Files whose names begin with a dot or an underscore are none, as to Spark. Raises ContractError that names a file
    that cannot be read as what the YAML says.
    """
    files = _files(spark, source, path, key)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looks = list(pool.map(lambda file: _look(spark, source, file, key), (file for file, _ in files)))
    kinds: dict[_Kind, list[str]] = {}
    for (file, root), there in zip(files, looks, strict=True):
        kinds.setdefault(_Kind(*_partitioned(file, root), there), []).append(file)
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


def _files(spark: SparkSession, source: Files, path: str, key: str) -> list[tuple[str, str]]:
    """Every file at the path, with the folder that the path names. Raises ContractError where there is none."""
    place = spark._jvm.org.apache.hadoop.fs.Path(path)  # type: ignore[union-attr]
    system = place.getFileSystem(spark._jsc.hadoopConfiguration())

    def below(status: Any, root: str) -> Iterator[tuple[str, str]]:
        if not status.isDirectory():
            if wanted.accept(status.getPath()):
                yield status.getPath().toString(), root
            return
        for child in system.listStatus(status.getPath()):
            if not _is_hidden(child.getPath().getName()):
                yield from below(child, root)

    pattern = option(source, "pathGlobFilter") or "*"
    wanted = spark._jvm.org.apache.hadoop.fs.GlobFilter(pattern)  # type: ignore[union-attr]
    roots = system.globStatus(place)
    if not roots:
        raise ContractError(f"{key}.path: nothing at {source.path}")
    folders = ((root, root.getPath() if root.isDirectory() else root.getPath().getParent()) for root in roots)
    files = sorted(file for root, folder in folders for file in below(root, folder.toString()))
    if not files:
        raise ContractError(f"{key}.path: {source.path} has no readable {source.format} file")
    return files


def _is_hidden(name: str) -> bool:
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


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
