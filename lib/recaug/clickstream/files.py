"""Which files lie at a source's path, and which of them are alike, so that Spark reads them as one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from recaug.clickstream.encodings import option
from recaug.clickstream.heads import SEPARATOR, Look, look, short
from recaug.clickstream.parquet import layout_of
from recaug.config import Files
from recaug.errors import ContractError

AT_ONCE = 8  # files
TEXT = {"csv", "json", "sequences", "json_object"}  # formats of lines, whatever compresses them
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
    if source.format == "csv":
        _check_headers({file: there for (file, _), there in zip(files, looks, strict=True)}, source, key)
    for (file, root), there in zip(files, looks, strict=True):
        if source.format == "csv" and not there.mark:  # empty
            continue
        kinds.setdefault(_Kind(*_partitioned(file, root), there), []).append(file)
    return [
        Alike(names, NAMES | dict(kind.look.options) | ({"basePath": kind.base} if kind.base else {}), kind.folders)
        for kind, names in kinds.items()
    ]


def _check_headers(looks: dict[str, Look], source: Files, key: str) -> None:
    """Raise ContractError where a column of a CSV cannot be told by its name.

    That is so without a header in files of other columns, and where a file has two columns of one name that is one
    column in another. looks: by file.
    """
    marks = {there.mark: file for file, there in reversed(looks.items()) if there.mark and there.mark != file}
    if (option(source, "header") or "").lower() == "true":
        headers = {file: mark.split(SEPARATOR) for mark, file in marks.items()}
        single = {name: file for file, names in headers.items() for name in names if names.count(name) == 1}
        for file, names in headers.items():
            if twice := next((name for name in names if name in single and names.count(name) > 1), None):
                raise ContractError(
                    f"{key}.path: {short(file)} has two columns called {twice}, {short(single[twice])} has one; give "
                    "each a name of its own"
                )
    elif len(marks) > 1:
        (width, file), (other, there), *_ = reversed(marks.items())
        raise ContractError(
            f"{key}.path: {short(file)} has {width}, {short(there)} {other}, and no header names them; read "
            "them as logs of their own (source.events.more)"
        )


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
        return Look(layout_of(spark, file, key))
    return look(spark, source, file, key) if source.format in TEXT else Look("")
