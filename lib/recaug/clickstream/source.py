"""Reads an event log or a catalogue, by the YAML alone."""

from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.explode import exploded
from recaug.clickstream.failures import reading
from recaug.clickstream.listing import Listing
from recaug.clickstream.queries import read_query, read_table
from recaug.clickstream.readers import read_files
from recaug.config import Source


def read_source(spark: SparkSession, source: Source, key: str, listing: Listing | None = None) -> DataFrame:
    """Read a source as it is: files, a table or a query, each element of an array as a row where `explode` says so.

    key: the YAML's section, for errors, such as source.events. listing: the files that are read; None: all at the path.
    Adds CORRUPT (what could not be parsed, else null); a table's and a query's rows have FILE and POSITION, too.
    Raises ContractError where nothing can be read.
    """
    return rows_of(read_records(spark, source, key, listing), source, key)


def read_records(spark: SparkSession, source: Source, key: str, listing: Listing | None = None) -> DataFrame:
    """Do as read_source, each record as it is, with its arrays."""
    with reading(source, key):
        if source.path is not None:
            return read_files(spark, source, key, listing)
        return read_query(spark, source, key) if source.table is None else read_table(spark, source.table, key)


def rows_of(records: DataFrame, source: Source, key: str) -> DataFrame:
    """Make each element of the array that `explode` names a row; without it the records are the rows."""
    return records if source.explode is None else exploded(records, source.explode, key)
