"""Reads an event log or a catalogue, by the YAML alone."""

from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.failures import reading
from recaug.clickstream.queries import read_query, read_table
from recaug.clickstream.readers import read_files
from recaug.config import Source


def read_source(spark: SparkSession, source: Source, key: str) -> DataFrame:
    """Read a source as it is: files, a table or a query.

    key: the YAML's section, for errors, such as source.events.
    Adds CORRUPT (what could not be parsed, else null); a table's and a query's rows have FILE and POSITION, too.
    Raises ContractError where nothing can be read.
    """
    with reading(source, key):
        if source.path is not None:
            return read_files(spark, source, key)
        if source.table is not None:
            return read_table(spark, source.table, key)
        return read_query(spark, source, key)
