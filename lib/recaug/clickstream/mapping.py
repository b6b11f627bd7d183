"""Maps a source's columns to ours, by the SQL of the YAML."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_

from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import EVENT, OURS, PLACE
from recaug.config import Log
from recaug.errors import ContractError

BLANKS = (
    " \t\r\n\u00a0\ufeff"  # about a text they are no part of it: \r of a mixed file, a mark where files were joined
)
# From these on, real numbers are no longer all whole numbers: of several ids one is left.
EXACT = {"float": 2.0**24, "double": 2.0**53}
# The types that a mapped column may have in the source (decimals where doubles), and what they are called.
NUMBERS = {"tinyint", "smallint", "int", "bigint", "float", "double", "string", "void"}
TIMES = {"timestamp", "timestamp_ntz", "date", "string", "void"}
IDS = ("user_id", "item_id")
TEXTS = (*IDS, "event_type", "query", "session_id")
AMOUNTS = ("price", "quantity")
TYPES: Mapping[str, tuple[set[str], str]] = {
    **dict.fromkeys(TEXTS, (NUMBERS | TIMES | {"boolean", "binary"}, "text")),
    **dict.fromkeys(IDS, (NUMBERS | TIMES | {"binary"}, "text")),
    **dict.fromkeys(AMOUNTS, (NUMBERS, "a number")),
    "event_time": (TIMES, "a timestamp (timestamp_seconds(...) makes one)"),
}


def map_events(df: DataFrame, log: Log, key: str = "source.events") -> DataFrame:
    """Add EVENT of event_of."""
    return df.withColumn(EVENT, event_of(df, log, key))


def event_of(df: DataFrame, log: Log, key: str) -> Column:
    """Give a struct of what a row of `df` says as an event, before any judgement.

    key: the YAML's section of the log.
    Its fields: user_id, item_id, event_type, query, session_id (text; a value of `nulls` is null), event_time (null
    where it is too early), early (whether it is), price, quantity, price_given and quantity_given (whether the source
    says anything there), fraction (whether an id is one), inexact (whether an id is a number of which digits are lost),
    nested (whether an id is an object or an array in some rows), unique (the text of unique_by, and the place of an
    exploded element), number and text (what order_by says).
    Raises ContractError that names the key and the column where the source lacks it or has another type.
    """
    columns: dict[str, Column] = {
        name: expression(df, text, f"{key}.columns.{name}") for name, text in log.columns.items()
    }
    types = dict(df.select(*(column.alias(name) for name, column in columns.items())).dtypes)
    _check_types(types, log, key)
    text, number = F.lit(None).cast("string"), F.lit(None).cast("double")
    texts = {name: as_text(columns[name], types[name], log.nulls) for name in TEXTS if name in columns}
    texts |= {name: as_id(columns[name], types[name], log.nulls) for name in (*IDS, "session_id") if name in columns}
    numbers = {name: _given(columns[name], types[name], log.nulls) for name in AMOUNTS if name in columns}
    unique = [_unique(df, name, f"{key}.unique_by") for name in log.unique_by]
    unique += [F.col(PLACE)] if PLACE in df.columns else []
    order = text if log.order_by is None else expression(df, log.order_by, f"{key}.order_by")
    time = columns["event_time"].cast("timestamp")
    early = time < F.lit(f"{log.earliest} 00:00:00").cast("timestamp")
    fields = [
        *(texts.get(name, F.lit("event") if name == "event_type" else text).alias(name) for name in TEXTS),
        F.when(~early, time).alias("event_time"),
        F.coalesce(early, F.lit(False)).alias("early"),
        *(numbers[name].cast("double").alias(name) if name in numbers else number.alias(name) for name in AMOUNTS),
        *((numbers[name].isNotNull() if name in numbers else F.lit(False)).alias(f"{name}_given") for name in AMOUNTS),
        *_id_faults(columns, types, {name: texts[name] for name in IDS}, log),
        F.concat_ws("\x1f", *(F.coalesce(column, F.lit("\x00")) for column in unique)).alias("unique"),
        order.cast("double").alias("number"),
        order.cast("string").alias("text"),
    ]
    return F.struct(*fields)


def _check_types(types: Mapping[str, str], log: Log, key: str) -> None:
    """Raise ContractError that names a column of a type from which its meaning cannot be read."""
    for name, sql in log.columns.items():
        kind, (allowed, wanted) = types[name], TYPES[name]
        if kind not in allowed and not (kind.startswith("decimal") and "double" in allowed):
            raise ContractError(f"{key}.columns.{name}: {sql} is {kind.split('<')[0]}, not {wanted}")


def _id_faults(
    columns: Mapping[str, Column], types: Mapping[str, str], texts: Mapping[str, Column], log: Log
) -> Iterator[Column]:
    """Say why an id is none: fraction, inexact and nested, of map_events. texts: what the ids are."""
    yield reduce(or_, (_is_fraction(columns[name], types[name]) for name in texts)).alias("fraction")
    yield reduce(or_, (_is_inexact(columns[name], types[name]) for name in texts)).alias("inexact")
    nested = (_is_json(text) if log.format == "json" else F.lit(False) for text in texts.values())
    yield reduce(or_, nested).alias("nested")


def expression(df: DataFrame, text: str, key: str) -> Column:
    """Read a SQL expression over the columns of `df`. Raises ContractError that names the key and what is wrong."""
    try:
        column = F.expr(text)
        df.withColumn("tried", F.struct(column))  # beside all columns and nested, where explode and sum cannot be
    except ParseException as error:
        raise ContractError(f"{key}: {text!r} is no SQL expression: {first_line(error)}") from error
    except AnalysisException as error:
        if "UNRESOLVED_COLUMN" in (error.getErrorClass() or ""):
            missing = (error.getMessageParameters() or {}).get("objectName", text)
            has = ", ".join(name for name in df.columns if name not in OURS)
            raise ContractError(f"{key}: the source has no column {missing}; it has {has}") from error
        raise ContractError(f"{key}: {text!r}: {first_line(error)}") from error
    return column


def as_text(column: Column, kind: str, nulls: Sequence[str]) -> Column:
    """Cast to text, without blanks about it; nothing else, and `nulls`, are null. kind: the column's type."""
    trimmed = _trimmed(whole_text(column, kind)) if kind in ("string", "binary") else whole_text(column, kind)
    return F.when((trimmed != "") & ~trimmed.isin(*nulls), trimmed)


def _trimmed(text: Column) -> Column:
    """Leave out BLANKS about a text. Spark is quick with spaces alone, so others are looked for first."""
    trimmed = F.trim(text)
    odd = (text.startswith(blank) | text.endswith(blank) for blank in BLANKS if blank != " ")
    return F.when(reduce(or_, odd), F.btrim(text, F.lit(BLANKS))).otherwise(trimmed)


def as_id(column: Column, kind: str, nulls: Sequence[str]) -> Column:
    """Do as as_text; a text such as 17850.0, as pandas writes 17850 beside missing values, is the whole number."""
    text = as_text(column, kind, nulls)
    if kind != "string":
        return text
    return F.when(F.endswith(text, F.lit(".0")), F.regexp_replace(text, r"^(\d+)\.0$", "$1")).otherwise(text)


def whole_text(column: Column, kind: str) -> Column:
    """Cast to text; a whole number is written without a point or an exponent, bytes are UTF-8."""
    if kind == "binary":
        return F.decode(column, "UTF-8")
    text = column.cast("string")
    if not _is_real(kind):
        return text
    return F.coalesce(F.when(column == F.floor(column), column.cast("decimal(38,0)").cast("string")), text)


def _unique(df: DataFrame, sql: str, key: str) -> Column:
    """The text of an expression, the same whatever the type of a number."""
    column = expression(df, sql, key)
    ((_, kind),) = df.select(column).dtypes
    return whole_text(column, kind)


def _is_fraction(column: Column, kind: str) -> Column:
    """Say whether a number is not whole."""
    if not _is_real(kind):
        return F.lit(False)
    fraction = F.coalesce((column != F.floor(column)) & ~F.isnan(column.cast("double")), F.lit(False))
    return fraction & ~_is_inexact(column, kind)


def _is_inexact(column: Column, kind: str) -> Column:
    """Say whether a number is so large that its type holds not each whole number."""
    if kind not in EXACT:
        return F.lit(False)
    return F.coalesce((F.abs(column) >= EXACT[kind]) & ~F.isnan(column), F.lit(False))


def _is_json(text: Column) -> Column:
    """Say whether a text is an object or an array, which Spark gives where it is a text in other rows."""
    return F.coalesce(text.startswith('{"') | (text.startswith("[") & text.endswith("]")), F.lit(False))


def _is_real(kind: str) -> bool:
    return kind in ("float", "double") or kind.startswith("decimal")


def _given(column: Column, kind: str, nulls: Sequence[str]) -> Column:
    """Leave out what means that nothing is said: `nulls` of a text, and nan, which is how pandas writes it."""
    if kind == "string":
        trimmed = F.trim(column)
        return F.when((trimmed != "") & ~trimmed.isin(*nulls), column)
    return F.when(~F.isnan(column), column) if kind in ("float", "double") else column


def first_line(error: PySparkException) -> str:
    """What Spark says is wrong, without the plan and the query that it shows below."""
    return " ".join(str(error).strip().splitlines()[0].split())
