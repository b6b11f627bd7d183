"""The lake: the only room that knows where tables lie, how they are partitioned and how a slice is replaced."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.errors import ContractError
from recaug.lake.content import content_hash, summarise
from recaug.lake.contracts import TABLES
from recaug.lake.failures import storage_error
from recaug.lake.layout import balance, conform, lay, local_address
from recaug.lake.ledger import Ledger
from recaug.lake.pseudonyms import BARE, Pseudonyms
from recaug.lake.records import Records
from recaug.lake.slices import NOTHING, Settings, Where, condition, sql
from recaug.lake.versions import newest_of_name, newest_of_path


class Commit(NamedTuple):
    """What one replacement wrote."""

    version: int
    rows: int
    content_hash: str


class Lake:
    """Delta tables under a folder (`path`) or in a schema of a catalogue (`catalog`, such as main.recaug).

    ledger: of what is written through it; its guard is asked before each commit. pseudonyms: what `read` gives in place
    of the shop's names.
    """

    def __init__(
        self, spark: SparkSession, path: str | None = None, catalog: str | None = None, pseudonyms: Pseudonyms = BARE
    ) -> None:
        if (path is None) == (catalog is None):
            raise ValueError("give one of path and catalog")
        self.spark = spark
        self.path = path.rstrip("/") if path is not None else None
        self.catalog = catalog
        self.pseudonyms = pseudonyms
        self.ledger = Ledger()
        self.records = Records()  # of runs

    @property
    def whole(self) -> "Lake":
        """The lake with all its tables."""
        return self

    def location(self, name: str) -> str:
        """Where the table is: its folder, or its full name in the catalogue."""
        return f"{self.path}/{name}" if self.path is not None else f"{self.catalog}.{name}"

    def destination(self, name: str) -> str:
        """Where the table is, for one who changes it."""
        return self.location(name)

    def exists(self, name: str) -> bool:
        """Say whether the table has been written."""
        if self.path is not None:
            return DeltaTable.isDeltaTable(self.spark, self.location(name))
        return self.spark.catalog.tableExists(self.location(name))

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table, its newest version or the given one, with pseudonyms for the shop's names in it.

        Raises ContractError where there is none.
        """
        return self.pseudonyms.hide(self.own(name, version), TABLES[name].names)

    def own(self, name: str, version: int | None = None) -> DataFrame:
        """Do as read, with the shop's own names: for what stays with the shop, or is looked for in its log."""
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
        newest = newest_of_name if self.path is None else newest_of_path
        return newest(self.spark, self.location(name))

    def content_hash(self, name: str, where: Where | None = None) -> str | None:
        """Hash a slice's rows as they are now; None where there is no table."""
        if not self.exists(name):
            return None
        return content_hash(self.own(name).where(condition(where or {})))[1]

    def snapshot_files(self, name: str, where: Where | None = None) -> list[str]:
        """List the files of the newest version's slice, for a reader that is not Spark.

        Returns addresses such as file:///..., sorted by base name, so in the order of the writing tasks. The slice is
        cut along partition columns only. Raises ContractError where there is no table.
        """
        # By its number, for Spark names no file of a plan that it holds in its cache.
        files = self.own(name, self.version(name)).where(condition(where or {})).inputFiles()
        return sorted({local_address(unquote(file)) for file in files}, key=lambda file: file.rsplit("/", 1)[-1])

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
        table, place = TABLES[name], self.destination(name)
        rows = conform(df, name)
        cached = df.storageLevel.useMemory or rows.persist() is None
        try:
            outside = ~F.coalesce(condition(where), F.lit(False))
            count, hashed, strays = summarise(rows, outside)
            if strays:
                row = rows.where(outside).first()
                values = ", ".join(f"{key} {row[key]}" for key in where)  # type: ignore[index]
                raise ContractError(f"table {name}: a row of {values} does not belong to the slice {sql(where)}")
            if files is not None:
                laid = lay(rows, files, (*table.partitioned_by, *by), by[0])
            else:
                laid = rows if as_laid or not table.partitioned_by else balance(rows, table.partitioned_by)
            version = self.write(laid, name, where, {"run_id": run_id, "content_hash": hashed, "rows": count})
        except (Py4JJavaError, PySparkException) as error:
            raise storage_error(error, f"table {name} at {place}") from error
        finally:
            if not cached:
                rows.unpersist()
        return Commit(version, count, hashed)

    def write(self, rows: DataFrame, name: str, where: Where, note: Mapping[str, Any], once: Settings = NOTHING) -> int:
        """Commit `rows`, of the contract's columns and types, in a slice's place; note: what the commit says of them.

        once: slices.once. Returns the version. Spark refuses rows outside the slice. Raises StorageError like replace.
        """
        version = self._commit(rows, name, note, "overwrite", {"replaceWhere": sql(where), **once} if where else once)
        if "content_hash" in note:
            self.ledger.enter(self.named(name), sql(where), version, note["content_hash"])
        return version

    def append(self, rows: DataFrame, name: str, note: Mapping[str, Any], once: Settings = NOTHING) -> int:
        """Commit `rows` beside those that are there, as write does: in a third of its time, for no slice is sought."""
        return self._commit(rows, name, note, "append", once)

    def _commit(self, rows: DataFrame, name: str, note: Mapping[str, Any], mode: str, more: Settings) -> int:
        said = json.dumps({**note, **self.ledger.guard()})
        settings = {**more, "userMetadata": said, "mergeSchema": "true", "delta.enableDeletionVectors": "false"}
        writer = rows.write.format("delta").mode(mode).options(**settings)
        if TABLES[name].partitioned_by:
            writer = writer.partitionBy(*TABLES[name].partitioned_by)
        place = self.destination(name)
        try:
            if self.path is not None:
                writer.save(place)
            else:
                writer.saveAsTable(place)
        except (Py4JJavaError, PySparkException) as error:
            raise storage_error(error, f"table {name} at {place}") from error
        return int(self.spark.conf.get("spark.databricks.delta.lastCommitVersionInSession") or 0)

    def named(self, name: str) -> str:
        """Give the contract's name of the table that this one is here."""
        return name

    def delta(self, name: str) -> DeltaTable:
        """The table, for a change that is no replacement of a slice."""
        if self.path is not None:
            return DeltaTable.forPath(self.spark, self.destination(name))
        return DeltaTable.forName(self.spark, self.destination(name))
