"""Events that arrive as new files of a folder, read just as a night reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from pyspark.sql import DataFrame

from recaug.clickstream.failures import reading
from recaug.clickstream.listing import File, Listing
from recaug.clickstream.readers import locate
from recaug.clickstream.source import read_records
from recaug.config import FilesArrive
from recaug.config.dated import any_day, is_dated
from recaug.errors import ConfigError, RecaugError
from recaug.stream.sources.base import Place

KEY = "source.events"
BINARY = "path string, modificationTime timestamp, length bigint, content binary"


@dataclass(frozen=True)
class Folder:
    """A folder, or a glob of folders and files."""

    place: Place
    source: FilesArrive

    @property
    def path(self) -> str:
        """Where they arrive, as a glob. Raises ConfigError where source.events is no place for files."""
        log = self.place.config.source.events
        path = self.source.path or log.path
        if path is None or log.format in (None, "delta"):
            raise ConfigError(
                "stream.source: kind files needs the files of source.events (path and format); set kind: delta or kafka"
            )
        located = locate(path, KEY)
        return any_day(located) if is_dated(located) else located

    @property
    def said(self) -> str:
        """The path."""
        return self.path

    def arriving(self) -> DataFrame:
        """Give the names of new files: what is in them is read in the batch, by its own head."""
        files = self.place.spark.readStream.format("binaryFile").schema(BINARY)
        limited = files.option("maxFilesPerTrigger", self.source.max_files_per_trigger)
        log, own = self.place.config.source.events, self.source.path
        with reading(msgspec.structs.replace(log, path=own or log.path), "stream.source" if own else KEY):
            return limited.load(self.path).select("path", "length", "modificationTime")

    def split(self, batch: DataFrame) -> Sequence[str]:
        """Name the batch's files; empty ones are none."""
        return sorted(row["path"] for row in batch.where("length > 0").select("path").collect())

    def records(self, units: Sequence[str]) -> DataFrame | None:
        """Read files."""
        if not units:
            return None
        root = self.path.rsplit("/", 1)[0] if any(letter in self.path for letter in "*?[{") else self.path
        listing = Listing([File(name, root) for name in units], columns=self.place.columns.get(KEY))
        return read_records(self.place.spark, self.place.config.source.events, KEY, listing)

    def failure(self, error: Exception) -> RecaugError | None:
        """As of a night."""
        return None
