"""What a source of a stream is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from recaug.config import Config
from recaug.errors import RecaugError


@dataclass(frozen=True)
class Place:
    """What every source is told. columns: that the nights' log had, by its key; a batch may lack one."""

    spark: SparkSession
    config: Config
    columns: Mapping[str, StructType]


class Arrivals(Protocol):
    """Where events arrive."""

    @property
    def said(self) -> str:
        """What people call it."""
        ...

    def arriving(self) -> DataFrame:
        """Give the streaming frame. Raises ContractError where there is nothing to wait for."""
        ...

    def split(self, batch: DataFrame) -> Sequence[Any]:
        """Give the units of a batch that may be broken each for itself, such as the names of files."""
        ...

    def records(self, units: Sequence[Any]) -> DataFrame | None:
        """Read units as clickstream.source.read_records does; None where they have no row."""
        ...

    def failure(self, error: Exception) -> RecaugError | None:
        """Say in one line why it can no longer be read; None where that is not why."""
        ...
