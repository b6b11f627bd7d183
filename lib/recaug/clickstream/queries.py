"""A table of the catalogue, and a query over several tables, as a source."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.columns import CORRUPT, FILE, POSITION
from recaug.clickstream.failures import reading
from recaug.clickstream.mapping import first_line
from recaug.clickstream.positions import name_files, number_rows, unordered
from recaug.clickstream.readers import read_files
from recaug.config import Files, Source, twins
from recaug.errors import ContractError

# Spark's words for what is not there. The last: a name of more parts than the catalogue's tables have.
ABSENT = {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "REQUIRES_SINGLE_PART_NAMESPACE"}


def read_table(spark: SparkSession, name: str, key: str) -> DataFrame:
    """Read a table or view; adds CORRUPT (null), FILE (its name) and POSITION. Raises ContractError without such."""
    try:
        df = spark.table(name)
    except ParseException as error:
        raise ContractError(f"{key}.table: {name!r} is no name of a table; write odd names in backticks") from error
    except AnalysisException as error:
        if error.getErrorClass() in ABSENT:
            raise ContractError(
                f"{key}.table: nothing called {name}; name a table or view as SHOW TABLES has it, with its schema"
            ) from error
        raise ContractError(f"{key}.table: {name}: {first_line(error)}") from error
    return unordered(df, name).withColumn(CORRUPT, F.lit(None).cast("string"))


def read_query(spark: SparkSession, source: Source, key: str) -> DataFrame:
    """Read what a query makes of its inputs, each of which it calls by its name.

    Lines of the inputs that cannot be parsed are not among what the query reads: they are rows beside its own, with
    CORRUPT, and all else null. Adds CORRUPT, FILE and POSITION.
    Raises ContractError for what is no query, or calls what is not there, and for two columns of one name.
    """
    assert source.sql is not None
    text = source.sql.strip().rstrip(";")
    _check_query(spark, text, key)
    inputs = {name: _read_input(spark, files, f"{key}.inputs.{name}") for name, files in source.inputs.items()}
    good = {name: rows.where(F.col(CORRUPT).isNull()).drop(CORRUPT, FILE, POSITION) for name, rows in inputs.items()}
    with _views(spark, good):
        df = _ask(spark, text, source, key)
    if twice := twins(df.columns):
        raise ContractError(
            f"{key}.sql: the query gives two columns called {twice[0]}; join with USING, or name the columns one by one"
        )
    rows = unordered(df, "query").withColumn(CORRUPT, F.lit(None).cast("string"))
    bad = (_unparsed(inputs[name]) for name, files in source.inputs.items() if files.format in ("csv", "json"))
    return reduce(lambda all_rows, more: all_rows.unionByName(more, allowMissingColumns=True), bad, rows)


def _check_query(spark: SparkSession, text: str, key: str) -> None:
    """Raise ContractError where the text is no query, such as DROP TABLE, before anything is done."""
    parser = spark._jsparkSession.sessionState().sqlParser()
    try:
        parser.parseQuery(text)
    except ParseException as error:
        raise ContractError(f"{key}.sql is no query: {first_line(error)}") from error


def _read_input(spark: SparkSession, files: Files, key: str) -> DataFrame:
    with reading(files, key):
        return read_files(spark, files, key) if files.table is None else read_table(spark, files.table, key)


def _ask(spark: SparkSession, text: str, source: Source, key: str) -> DataFrame:
    """Ask the query. Raises ContractError that says what it calls and what there is."""
    try:
        return spark.sql(text)
    except AnalysisException as error:
        if error.getErrorClass() in ABSENT:
            called = (error.getMessageParameters() or {}).get("relationName", "what is not there")
            names = ", ".join(source.inputs)
            raise ContractError(f"{key}.sql: nothing is called {called}; {key}.inputs has {names}") from error
        raise ContractError(f"{key}.sql: {first_line(error)}") from error


@contextmanager
def _views(spark: SparkSession, frames: Mapping[str, DataFrame]) -> Iterator[None]:
    """Give DataFrames names for a query; what had one of them in the session has it again afterwards."""
    names = {name: f"`{name.replace('`', '``')}`" for name in frames}
    before = {name: spark.table(quoted) for name, quoted in names.items() if _is_view(spark, quoted)}
    try:
        for name, df in frames.items():
            df.createOrReplaceTempView(names[name])
        yield
    finally:
        for name, quoted in names.items():
            if name in before:
                before[name].createOrReplaceTempView(quoted)
            else:
                spark.catalog.dropTempView(name)


def _is_view(spark: SparkSession, quoted: str) -> bool:
    """Say whether the session has a temporary view of this name."""
    try:
        return spark.catalog.getTable(quoted).isTemporary
    except AnalysisException:
        return False


def _unparsed(rows: DataFrame) -> DataFrame:
    """The lines of an input that cannot be parsed: CORRUPT, FILE, POSITION."""
    # Of JSON Spark gives no column CORRUPT alone: there is a part of another in it, of no character.
    *others, _ = sorted(rows.columns, key=lambda name: name == CORRUPT)
    nothing = F.coalesce(F.substring(F.to_json(F.struct(f"`{others[0]}`")), 1, 0), F.lit(""))
    line = F.concat(CORRUPT, nothing).alias(CORRUPT)
    return (
        rows.where(F.col(CORRUPT).isNotNull()).transform(name_files).transform(number_rows).select(line, FILE, POSITION)
    )
