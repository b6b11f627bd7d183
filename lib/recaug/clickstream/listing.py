"""Which files lie at a source's path, and as what a Delta table lies there."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import unquote

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from recaug.clickstream.days import Days
from recaug.clickstream.encodings import option
from recaug.config import Files
from recaug.config.dated import any_day, day_of, is_dated, named_after
from recaug.errors import ContractError, NoRowsError, RecaugError
from recaug.lake.failures import storage_error


class File(NamedTuple):
    """A file of a source.

    path: as Hadoop writes it. root: the folder that the source's path names. size: bytes; modified: epoch milliseconds;
    both None where the path alone tells files apart (Delta). day: that its path names.
    """

    path: str
    root: str = ""
    size: int | None = None
    modified: int | None = None
    day: dt.date | None = None


class Named(NamedTuple):
    """Days whose files are listed where the path names days: those from the first to the last, and others."""

    days: Days
    others: frozenset[dt.date] = frozenset()

    def has(self, day: dt.date) -> bool:
        """Say whether it is one of them."""
        return self.days.has(day) or day in self.others


class Listing(NamedTuple):
    """Files of a source, and the version of a Delta table that they are of.

    by: the table's first partition column. parts: its values that all of the files are of; none where they are not.
    columns: those that other files of the source had, which these may lack.
    """

    files: Sequence[File]
    version: int | None = None
    by: str | None = None
    parts: frozenset[str] = frozenset()
    columns: StructType | None = None

    def of(self, files: Iterable[File]) -> "Listing":
        """Give some of the files."""
        chosen = list(files)
        parts = [_part(file.path, self.by) for file in chosen] if self.by else []
        return self._replace(files=chosen, parts=frozenset() if None in parts else frozenset(filter(None, parts)))


def list_files(spark: SparkSession, source: Files, path: str, key: str, named: Named | None = None) -> list[File]:
    """List every file at the path, folders below it included, by name.

    Files whose names begin with a dot or an underscore are none, as to Spark. named: days of a path with {date}; None:
    all. Raises ContractError where there is none, NoRowsError if that is so of these days.
    """
    try:
        return _listed(spark, source, path, key, named)
    except Py4JJavaError as error:  # of the file system, where it lets nobody in
        said = storage_error(error, f"{key}.path: {path}")
        if isinstance(said, RecaugError):
            raise ContractError(str(said)) from error
        raise


def _listed(spark: SparkSession, source: Files, path: str, key: str, named: Named | None) -> list[File]:
    hadoop = spark._jvm.org.apache.hadoop.fs  # type: ignore[union-attr]
    globs = [hadoop.Path(glob) for glob in _globs(path, named)]
    system = globs[0].getFileSystem(spark._jsc.hadoopConfiguration())
    pattern = option(source, "pathGlobFilter") or "*"
    wanted = hadoop.GlobFilter(pattern)

    def below(status: Any, root: str, day: dt.date | None) -> Iterator[File]:
        place = status.getPath()
        if not status.isDirectory():
            if pattern == "*" or wanted.accept(place):
                yield File(place.toString(), root, status.getLen(), status.getModificationTime(), day)
            return
        for child in system.listStatus(place):
            if not _is_hidden(child.getPath().getName()):
                yield from below(child, root, day)

    files: dict[str, File] = {}
    roots = [(root, day) for glob in globs for root, day in _roots(system.globStatus(glob) or (), path, named)]
    for root, day in roots:
        folder = root.getPath() if root.isDirectory() else root.getPath().getParent()
        files |= {file.path: file for file in below(root, folder.toString(), day)}
    if not files and named is not None:
        raise NoRowsError(f"{key}.path: nothing at {named_after(path, named.days.last)}")
    if not roots:
        raise ContractError(f"{key}.path: nothing at {source.path}")
    if not files:
        raise ContractError(f"{key}.path: {source.path} has no readable {source.format} file")
    return [files[name] for name in sorted(files)]


def day_named(path: str, file: str) -> dt.date | None:
    """Give the day that a file, or a folder that it lies in, is named after, as the path has it."""
    places = accumulate(file.split("/"), lambda folder, name: f"{folder}/{name}")
    return next((day for place in places if (day := day_of(path, place)) is not None), None)


def list_table(spark: SparkSession, path: str) -> Listing:
    """List the files of the newest version of a Delta table."""
    spark.read.format("delta").load(path)  # says in Spark's words what is wrong with it
    table = DeltaTable.forPath(spark, path)
    newest, detail = table.history(1).select("version").first(), table.detail().select("partitionColumns").first()
    assert newest is not None
    assert detail is not None
    names = spark.read.format("delta").option("versionAsOf", newest[0]).load(path).inputFiles()
    return Listing([File(decoded(name)) for name in sorted(names)], newest[0], next(iter(detail[0]), None))


def plain(address: str) -> str:
    """Write a file's address as Spark has it, file:///a%20b, as the path that Hadoop lists, file:/a b."""
    return re.sub(r"^(\w+):///(?!/)", r"\1:/", unquote(address))


def decoded(name: str) -> str:
    """Write the address of a table's file without what encodes it, which is done by some and not by others."""
    while (plain := unquote(name)) != name:
        name = plain
    return name


def _part(file: str, by: str | None) -> str | None:
    """Read the value of a partition column from the folder of a file; None where it is not as plain as a day is."""
    match = re.search(rf"/{re.escape(str(by))}=([\w.:-]+)/", file)
    return None if match is None or match[1] == "__HIVE_DEFAULT_PARTITION__" else match[1]


def _globs(path: str, named: Named | None) -> list[str]:
    """What to ask the file system for."""
    if not is_dated(path):
        return [path]
    if named is None or named.days.first is None:
        return [any_day(path)]
    span = (named.days.last - named.days.first).days
    days = {named.days.first + dt.timedelta(days=day) for day in range(span + 1)} | named.others
    return sorted({named_after(path, day) for day in days})


def _roots(roots: Iterable[Any], path: str, named: Named | None) -> Iterator[tuple[Any, dt.date | None]]:
    """Keep what is named after days that are asked for, each with its day; None where the path names none."""
    for root in roots:
        day = day_of(path, root.getPath().toString()) if is_dated(path) else None
        bounded = named is not None and named.days.first is not None  # what lies there was asked for by its day
        if not is_dated(path) or bounded or (day is not None and (named is None or named.has(day))):
            yield root, day


def _is_hidden(name: str) -> bool:
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")
