"""Which of a source's files are alike, so that Spark reads them as one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pyspark.sql import SparkSession

from recaug.clickstream.encodings import option
from recaug.clickstream.heads import SEPARATOR, Look, look, short
from recaug.clickstream.listing import File
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


def alike(spark: SparkSession, source: Files, files: Sequence[File], key: str) -> list[Alike]:
    """Sort files into those that are alike; in the order of their names.

    Raises ContractError that names a file that cannot be read as what the YAML says.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looks = list(pool.map(lambda file: _look(spark, source, file.path, key), files))
    kinds: dict[_Kind, list[str]] = {}
    if source.format == "csv":
        _check_headers({file.path: there for file, there in zip(files, looks, strict=True)}, source, key)
    for file, there in zip(files, looks, strict=True):
        if source.format == "csv" and not there.mark:  # empty
            continue
        kinds.setdefault(_Kind(*_partitioned(file.path, file.root), there), []).append(file.path)
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
