"""Events that arrive as rows appended to a Delta table."""

from collections.abc import Sequence
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.positions import unordered
from recaug.config import DeltaArrives
from recaug.errors import ConfigError, ContractError, RecaugError
from recaug.stream.sources.base import Place


@dataclass(frozen=True)
class Table:
    """A Delta table by its folder."""

    place: Place
    source: DeltaArrives

    @property
    def said(self) -> str:
        """The folder."""
        log = self.place.config.source.events
        path = self.source.path or (log.path if log.format == "delta" else None)
        if path is None:
            raise ConfigError("stream.source.path: source.events is no Delta table; set the folder of one")
        return path

    def arriving(self) -> DataFrame:
        """Give the appended rows. Raises ContractError where there is no table."""
        if not DeltaTable.isDeltaTable(self.place.spark, self.said):
            raise ContractError(f"stream.source.path: no Delta table at {self.said}")
        rows = self.place.spark.readStream.format("delta").option("skipChangeCommits", "true")
        return rows.option("maxFilesPerTrigger", self.source.max_files_per_trigger).load(self.said)

    def split(self, batch: DataFrame) -> Sequence[DataFrame]:
        """Give the batch as one."""
        return [batch]

    def records(self, units: Sequence[DataFrame]) -> DataFrame | None:
        """Give the rows with the table's name as their file."""
        rows = units[0].withColumn(CORRUPT, F.lit(None).cast("string"))
        return unordered(rows, self.said.rstrip("/").rsplit("/", 1)[-1])

    def failure(self, error: Exception) -> RecaugError | None:
        """As of a night."""
        return None
