"""The lake: the only room that knows where tables lie, how they are partitioned and how a slice is replaced."""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.errors import ContractError, RecaugError, StorageError
from recaug.lake.content import content_hash, summarise
from recaug.lake.contracts import TABLES

COMMIT = re.compile(r"\d{20}\.json")
# A slice of a table: partition column -> value, or (first, last), both included, None for open.
Where = Mapping[str, Any]


class Commit(NamedTuple):
    """What one replacement wrote."""

    version: int
    rows: int
    content_hash: str


class Lake:
    """Delta tables under a folder (`path`) or in a schema of a catalogue (`catalog`, such as main.recaug)."""

    def __init__(self, spark: SparkSession, path: str | None = None, catalog: str | None = None) -> None:
        if (path is None) == (catalog is None):
            raise ValueError("give one of path and catalog")
        self.spark = spark
        self.path = path.rstrip("/") if path is not None else None
        self.catalog = catalog

    def location(self, name: str) -> str:
        """Where the table is: its folder, or its full name in the catalogue."""
        return f"{self.path}/{name}" if self.path is not None else f"{self.catalog}.{name}"

    def exists(self, name: str) -> bool:
        """Say whether the table has been written."""
        if self.path is not None:
            return DeltaTable.isDeltaTable(self.spark, self.location(name))
        return self.spark.catalog.tableExists(self.location(name))

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table, its newest version or the given one. Raises ContractError where there is none."""
        if not self.exists(name):
            raise ContractError(f"no table {name} at {self.location(name)}; run the stage that writes it first")
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.location(name)) if self.path is not None else reader.table(self.location(name))

    def version(self, name: str) -> int | None:
        """Give the newest version's number; None where there is no table."""
        if not self.exists(name):
            return None
        if self.path is None:
            return int(self.delta(name).history(1).select("version").first()[0])  # type: ignore[index]
        # By the names of the commits, as Delta's protocol has them: history reads them, in a Spark job a table.
        folder = self.spark._jvm.org.apache.hadoop.fs.Path(f"{self.location(name)}/_delta_log")  # type: ignore[union-attr]
        files = folder.getFileSystem(self.spark._jsc.hadoopConfiguration()).listStatus(folder)
        names = [file.getPath().getName() for file in files]
        return max(int(name.removesuffix(".json")) for name in names if COMMIT.fullmatch(name))

    def content_hash(self, name: str, where: Where | None = None) -> str | None:
        """Hash a slice's rows as they are now; None where there is no table."""
        if not self.exists(name):
            return None
        return content_hash(self.read(name).where(condition(where or {})))[1]

    def snapshot_files(self, name: str, where: Where | None = None) -> list[str]:
        """List the files of the newest version's slice, for a reader that is not Spark.

        Returns addresses such as file:///..., sorted by base name, so in the order of the writing tasks. The slice is
        cut along partition columns only. Raises ContractError where there is no table.
        """
        # By its number, for Spark names no file of a plan that it holds in its cache.
        files = self.read(name, self.version(name)).where(condition(where or {})).inputFiles()
        return sorted({_local_address(unquote(file)) for file in files}, key=lambda file: file.rsplit("/", 1)[-1])

    def replace(
        self,
        df: DataFrame,
        name: str,
        where: Where,
        run_id: str,
        files: int | None = None,
        by: Sequence[str] = ("user_index",),
        as_laid: bool = False,
    ) -> Commit:
        """Replace one slice of a table by `df`, in one commit; every other row stays.

        df: at least the contract's columns (cast to its types); more columns are kept. No row deletes the slice.
        where: the slice, along partition columns; {} is the whole table.
        files: so many files a partition (at most), rows hashed into them by the first column of `by` and sorted by
            all of `by` within: the same layout whatever the shuffle partitions and cores.
        as_laid: write each partition of `df` as a file of its own, its rows in their order (see lay).
        Raises ContractError for missing columns and for rows outside the slice, StorageError where it cannot write
        (no space, no permission, another writer was first); the table is then as it was.
        """
        table = TABLES[name]
        rows = conform(df, name)
        cached = df.storageLevel.useMemory or rows.persist() is None
        try:
            outside = ~F.coalesce(condition(where), F.lit(False))
            count, hashed, strays = summarise(rows, outside)
            if strays:
                row = rows.where(outside).first()
                found = ", ".join(f"{key} {row[key]}" for key in where)  # type: ignore[index]
                raise ContractError(f"table {name}: a row of {found} does not belong to the slice {_sql(where)}")
            if files is not None:
                laid = lay(rows, files, (*table.partitioned_by, *by), by[0])
            else:
                laid = rows if as_laid or not table.partitioned_by else _balance(rows, table.partitioned_by)
            self.write(laid, name, where, {"run_id": run_id, "content_hash": hashed, "rows": count})
        except (Py4JJavaError, PySparkException) as error:
            raise storage_error(error, f"table {name} at {self.location(name)}") from error
        finally:
            if not cached:
                rows.unpersist()
        version = self.spark.conf.get("spark.databricks.delta.lastCommitVersionInSession")
        return Commit(int(version or 0), count, hashed)

    def write(self, rows: DataFrame, name: str, where: Where, note: Mapping[str, Any]) -> None:
        """Commit `rows`, of the contract's columns and types, in a slice's place; note: what the commit says of them.

        Spark refuses rows outside the slice. Raises StorageError as replace does.
        """
        writer = (
            rows.write.format("delta")
            .mode("overwrite")
            .option("userMetadata", json.dumps(note))
            .option("mergeSchema", "true")
            .option("delta.enableDeletionVectors", "false")
        )
        if TABLES[name].partitioned_by:
            writer = writer.partitionBy(*TABLES[name].partitioned_by)
        if where:
            writer = writer.option("replaceWhere", _sql(where))
        try:
            if self.path is not None:
                writer.save(self.location(name))
            else:
                writer.saveAsTable(self.location(name))
        except (Py4JJavaError, PySparkException) as error:
            raise storage_error(error, f"table {name} at {self.location(name)}") from error

    def delta(self, name: str) -> DeltaTable:
        """The table, for what is no replacement of a slice."""
        if self.path is not None:
            return DeltaTable.forPath(self.spark, self.location(name))
        return DeltaTable.forName(self.spark, self.location(name))


def conform(df: DataFrame, name: str) -> DataFrame:
    """Select the contract's columns, in its order and types, and then whatever else `df` has.

    Raises ContractError that names the columns that are missing.
    """
    types = dict(column.split(" ", 1) for column in TABLES[name].columns.split(", "))
    if missing := [column for column in types if column not in df.columns]:
        raise ContractError(f"table {name} needs {', '.join(missing)}; the rows have {', '.join(df.columns)}")
    more = [column for column in df.columns if column not in types]
    return df.select(*(F.col(column).cast(kind).alias(column) for column, kind in types.items()), *more)


def condition(where: Where) -> Column:
    """Write a slice as a filter."""
    return F.expr(_sql(where)) if where else F.lit(True)


def storage_error(error: Exception, place: str) -> RecaugError | Exception:
    """Say in one line what kept a table from being written; an error of another kind comes back as it is."""
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return StorageError(f"{place}: no space left on device; free some or set lake.path elsewhere")
    if "Concurrent" in text and "Exception" in text:
        return StorageError(f"{place}: another writer was first; run the night again with --resume")
    if re.search(r"Permission denied|AccessDenied|Access Denied|Read-only file system|Mkdirs failed|mkdir of", text):
        return StorageError(f"{place}: not writable; check the permissions or set lake.path elsewhere")
    if re.search(r"Not a directory|ParentNotDirectory|FileAlreadyExists|Unable to create|Cannot create", text):
        return StorageError(f"{place}: cannot be made there; set lake.path to a folder")
    return error


def lay(df: DataFrame, files: int, by: Sequence[str], key: str = "user_index") -> DataFrame:
    """Hash rows by `key` into so many partitions and sort them by all of `by` within: the same wherever it runs."""
    return df.repartition(files, key).sortWithinPartitions(*by)


def _balance(rows: DataFrame, partitioned_by: Sequence[str]) -> DataFrame:
    """Spread rows over the writing tasks, so that each partition of the table gets few files, of a good size."""
    hint = f"SELECT /*+ REBALANCE({', '.join(partitioned_by)}) */ * FROM {{rows}}"
    return rows.sparkSession.sql(hint, rows=rows)


def _sql(where: Where) -> str:
    """Write a slice as SQL."""
    terms = []
    for key, value in where.items():
        if isinstance(value, tuple):
            low, high = value
            terms += [f"{key} >= {_literal(low)}"] if low is not None else []
            terms += [f"{key} <= {_literal(high)}"] if high is not None else []
        else:
            terms.append(f"{key} = {_literal(value)}")
    return " AND ".join(terms) or "true"


def _literal(value: Any) -> str:
    """Write a value as SQL."""
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def _local_address(file: str) -> str:
    """Write Spark's file:/a/b as file:///a/b, which readers outside Spark understand."""
    return re.sub(r"^file:/(?!/)", "file:///", file)
