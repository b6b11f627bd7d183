"""Events that arrive as messages of a Kafka topic."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark import __version__ as spark_version
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.causes import causes
from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.positions import unordered
from recaug.clickstream.unite import completed
from recaug.config import KafkaArrives
from recaug.errors import ConfigError, ContractError, RecaugError
from recaug.stream.sources.base import Place

ERRORS = "org.apache.kafka.common.errors."
KEY = "source.events"


@dataclass(frozen=True)
class Topic:
    """A topic; a message is one JSON object."""

    place: Place
    source: KafkaArrives

    @property
    def said(self) -> str:
        """The topic and its servers."""
        return f"topic {self.source.topic} of {self.source.servers}"

    def arriving(self) -> DataFrame:
        """Give the messages. Raises ConfigError where Spark has no reader of Kafka."""
        stream = self.place.config.stream
        reader = self.place.spark.readStream.format("kafka").options(**self.source.options)
        settings = {
            "kafka.bootstrap.servers": self.source.servers,
            "subscribe": self.source.topic,
            "startingOffsets": self.source.starting,
            "maxOffsetsPerTrigger": str(stream.max_rows_per_trigger),
        }
        try:
            return reader.options(**settings).load().select(F.col("value").cast("string").alias("value"))
        except AnalysisException as error:
            scala = self.place.spark._jvm.scala.util.Properties.versionNumberString()  # type: ignore[union-attr]
            jar = f"org.apache.spark:spark-sql-kafka-0-10_{scala.rpartition('.')[0]}:{spark_version}"
            raise ConfigError(
                f"stream.source: kind kafka needs Spark's reader of it; set spark.settings spark.jars.packages: {jar}"
            ) from error

    def split(self, batch: DataFrame) -> Sequence[DataFrame]:
        """Give the batch as one."""
        return [batch]

    def records(self, units: Sequence[DataFrame]) -> DataFrame | None:
        """Read the messages as lines of JSON are read: what cannot be parsed goes to CORRUPT."""
        spark = units[0].sparkSession
        text = spark._jvm.org.apache.spark.sql.Encoders.STRING()  # type: ignore[union-attr]
        values = getattr(units[0].where("value IS NOT NULL")._jdf, "as")(text)
        reader = spark.read.option("columnNameOfCorruptRecord", CORRUPT)
        rows = DataFrame(reader._jreader.json(values), spark)
        if not rows.columns:
            return None
        if CORRUPT not in rows.columns:
            rows = rows.withColumn(CORRUPT, F.lit(None).cast("string"))
        known = self.place.columns.get(KEY)
        return unordered(rows if known is None else completed(rows, known), self.source.topic)

    def failure(self, error: Exception) -> RecaugError | None:
        """Say that the topic is missing, or the servers are."""
        why = causes(error)
        if why.has(f"{ERRORS}UnknownTopicOrPartitionException"):
            return ContractError(f"stream.source.topic: {self.said} is not there; create it, or mend the name")
        if why.has(f"{ERRORS}TimeoutException", f"{ERRORS}DisconnectException"):
            return ContractError(f"stream.source.servers: {self.source.servers} does not answer; is Kafka up?")
        return None
