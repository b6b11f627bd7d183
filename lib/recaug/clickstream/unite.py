"""Puts the rows of files together whose columns are not the same, by their names."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from recaug.clickstream.columns import CORRUPT
from recaug.clickstream.heads import short
from recaug.clickstream.mapping import whole_text
from recaug.errors import ContractError

DIGITS: dict[type[DataType], int] = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 19}  # of whole numbers
REAL = (FloatType, DoubleType)
TIMES = (DateType, TimestampNTZType, TimestampType)
MOST = 38  # digits of a decimal


class Unlike(Exception):
    """Two types of a column, or of a field in it, that are not one."""


def united(parts: Sequence[tuple[str, DataFrame]], key: str) -> DataFrame:
    """Put the rows of files together, by the names of their columns; a column or field that a file lacks is null.

    parts: a file of each, for errors, and its rows. Numbers of any two types are united, and with text as text; a date
    is midnight beside a time. Raises ContractError that names the files and the column of other types.
    """
    first, df = parts[0]
    kinds = {field.name.lower(): (field, first) for field in df.schema.fields}
    for file, rows in parts[1:]:
        if not kinds.keys() & {name.lower() for name in rows.columns} - {CORRUPT}:
            raise ContractError(
                f"{key}.path: no column of {short(first)} ({_names(df)}) is one of {short(file)} ({_names(rows)})"
            )
        for field in rows.schema.fields:
            before, there = kinds.setdefault(field.name.lower(), (field, file))
            try:
                kind = merged(before.dataType, field.dataType, before.name)
            except Unlike as error:
                name, one_type, other = error.args
                raise ContractError(
                    f"{key}.path: {name} is {one_type} in {short(there)} and {other} in {short(file)}; write both alike"
                ) from error
            kinds[field.name.lower()] = (StructField(before.name, kind), there)
    schema = [field for field, _ in kinds.values()]
    frames = [rows.select(*_columns(rows.schema, F.col, schema)) for _, rows in parts]
    for rows in frames[1:]:
        frames[0] = frames[0].unionByName(rows)
    return frames[0]


def completed(df: DataFrame, known: StructType) -> DataFrame:
    """Add the columns, and the fields within, that earlier files had and these lack: null; types of their own stay."""
    kinds = {field.name.lower(): field for field in df.schema.fields}
    for field in known.fields:
        own = kinds.setdefault(field.name.lower(), field)
        if isinstance(own.dataType, (NullType, StructType, ArrayType)):
            with suppress(Unlike):
                kinds[own.name.lower()] = StructField(own.name, merged(own.dataType, field.dataType, own.name))
    wanted = list(kinds.values())
    return df if wanted == df.schema.fields else df.select(*_columns(df.schema, F.col, wanted))


def merged(one_type: DataType, other: DataType, name: str) -> DataType:
    """The type that holds the values of both. Raises Unlike with the name, and the types in words, without such."""
    if one_type == other or isinstance(other, NullType):
        return one_type
    if isinstance(one_type, NullType):
        return other
    if isinstance(one_type, StructType) and isinstance(other, StructType):
        return _merged_fields(one_type, other, name)
    if isinstance(one_type, ArrayType) and isinstance(other, ArrayType):
        return ArrayType(merged(one_type.elementType, other.elementType, name))
    if isinstance(one_type, MapType) and isinstance(other, MapType) and one_type.keyType == other.keyType:
        return MapType(one_type.keyType, merged(one_type.valueType, other.valueType, name))
    kind = _merged_values(one_type, other)
    if kind is None:
        raise Unlike(name, one_type.simpleString(), other.simpleString())
    return kind


def _merged_fields(one_type: StructType, other: StructType, name: str) -> StructType:
    fields = {field.name.lower(): StructField(field.name, field.dataType) for field in one_type.fields}
    for field in other.fields:
        before = fields.setdefault(field.name.lower(), StructField(field.name, field.dataType))
        kind = merged(before.dataType, field.dataType, f"{name}.{before.name}")
        fields[field.name.lower()] = StructField(before.name, kind)
    return StructType([*fields.values()])


def _merged_values(one_type: DataType, other: DataType) -> DataType | None:
    """As `merged`, of types without others in them; None without such."""
    kinds = {type(one_type), type(other)}
    numbers = {*DIGITS, *REAL, DecimalType}
    if kinds <= DIGITS.keys():
        return max((one_type, other), key=lambda kind: DIGITS[type(kind)])
    if kinds <= {*DIGITS, DecimalType}:
        return _merged_decimals(one_type, other)
    if kinds <= numbers:  # an id that a double cannot hold is no event's: mapping.map_events sees it
        return DoubleType()
    if kinds <= {*numbers, StringType} or kinds == {BinaryType, StringType}:
        return StringType()
    return TimestampType() if kinds <= {*TIMES} else None


def _merged_decimals(one_type: DataType, other: DataType) -> DecimalType | None:
    """The decimal that has the digits of both before and after the point; None where they are too many."""
    both = [
        (kind.precision - kind.scale, kind.scale) if isinstance(kind, DecimalType) else (DIGITS[type(kind)], 0)
        for kind in (one_type, other)
    ]
    whole, scale = (max(digits) for digits in zip(*both, strict=True))
    return DecimalType(whole + scale, scale) if whole + scale <= MOST else None


def _columns(have: StructType, at: Callable[[str], Column], want: Sequence[StructField]) -> list[Column]:
    """Columns, or fields, of the wanted names and types. at: gives one of those that there are, by its name."""
    names = {field.name.lower(): field for field in have.fields}
    columns = []
    for field in want:
        there = names.get(field.name.lower())
        column = F.lit(None) if there is None else at(f"`{there.name}`")
        kind = NullType() if there is None else there.dataType
        columns.append(retyped(column, kind, field.dataType).alias(field.name))
    return columns


def retyped(column: Column, have: DataType, want: DataType) -> Column:
    """Give a column another type, of `merged`, or none where it holds nulls alone."""
    if isinstance(want, NullType):
        return F.lit(None)
    if have == want:
        return column
    if isinstance(want, StringType) and not isinstance(have, NullType):
        return whole_text(column, have.simpleString())
    nested = _retyped_within(column, have, want)
    return column.cast(want) if nested is None else nested


def _retyped_within(column: Column, have: DataType, want: DataType) -> Column | None:
    """As `retyped`, of types with others in them; None for types without."""
    if isinstance(have, StructType) and isinstance(want, StructType):
        fields = F.struct(*_columns(have, lambda name: column.getField(name.strip("`")), want.fields))
        return F.when(column.isNotNull(), fields)
    if isinstance(have, ArrayType) and isinstance(want, ArrayType):
        inner, wanted = have.elementType, want.elementType
        return F.transform(column, lambda element: retyped(element, inner, wanted))
    if isinstance(have, MapType) and isinstance(want, MapType):
        value, asked = have.valueType, want.valueType
        return F.transform_values(column, lambda _, entry: retyped(entry, value, asked))
    return None


def _names(df: DataFrame) -> str:
    return ", ".join(name for name in df.columns if name != CORRUPT)
