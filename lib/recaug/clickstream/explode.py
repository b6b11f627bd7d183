"""Makes each element of an array a row."""

import re
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StringType, StructField, StructType

from recaug.clickstream.columns import OURS, PLACE
from recaug.errors import ContractError

ELEMENT, NUMBER = "recaug_element", "recaug_number"


def exploded(df: DataFrame, path: str, key: str) -> DataFrame:
    """Make each element of the array at a dotted path a row, in which the array's name stands for the element.

    path: such as events, or properties.products, or orders.items; each array on its way is exploded, too. A row whose
    array is empty or null stays one row, without an element. Adds PLACE, which tells two alike elements apart.
    Raises ContractError where there is no such column, or where it is no array.
    """
    names: list[str] = []
    for part in _parts(path):
        here = f"{key}.explode: {'.'.join([*names, part])}"
        field = _field(df, names, part, here)
        names.append(field.name)
        if isinstance(field.dataType, ArrayType):
            df = _explode(df, names)
        elif not isinstance(field.dataType, StructType):
            raise ContractError(f"{here} is {_kind(field.dataType)}")
    if not isinstance(field.dataType, ArrayType):
        raise ContractError(f"{here} is a struct, no array; its fields are {_listed(field.dataType)}")
    return df


def _parts(path: str) -> list[str]:
    """The names on a dotted path; a name with a dot stands in backticks."""
    return [quoted or plain for quoted, plain in re.findall(r"`([^`]+)`|([^.`]+)", path)]


def _field(df: DataFrame, names: Sequence[str], part: str, here: str) -> StructField:
    """Find a column, or a field of the one at `names`, by its name in any case."""
    inside: DataType = df.schema if not names else df.select(_at(names)).schema.fields[0].dataType
    if not isinstance(inside, StructType):
        raise ContractError(f"{here}: {'.'.join(names)} is an array of {inside.simpleString()}, which has no fields")
    fields = [field for field in inside.fields if field.name not in OURS]
    match = next((field for field in fields if field.name == part), None)
    match = match or next((field for field in fields if field.name.lower() == part.lower()), None)
    if match is None:
        what = f"{'.'.join(names)} has no such field" if names else "the source has no such column"
        raise ContractError(f"{here}: {what}; it has {_listed(inside)}")
    return match


def _explode(df: DataFrame, names: Sequence[str]) -> DataFrame:
    """Explode the array at `names`; the element takes its place."""
    kept = (F.col(f"`{name}`") for name in df.columns)
    each = df.select(*kept, F.posexplode_outer(_at(names)).alias(NUMBER, ELEMENT))
    before = [PLACE] if PLACE in df.columns else []
    each = each.withColumn(PLACE, F.concat_ws(".", *before, F.col(NUMBER).cast("string"))).drop(NUMBER)
    element: Column = F.col(ELEMENT)
    top, *fields = names
    if fields:
        element = F.col(f"`{top}`").withField(".".join(f"`{name}`" for name in fields), element)
    return each.withColumn(top, element).drop(ELEMENT)


def _at(names: Sequence[str]) -> Column:
    return F.col(".".join(f"`{name}`" for name in names))


def _listed(inside: DataType) -> str:
    assert isinstance(inside, StructType)
    return ", ".join(name for name in inside.names if name not in OURS)


def _kind(kind: DataType) -> str:
    """Say what is no array, and what is to be done."""
    if isinstance(kind, StringType):
        return "text, no array; JSON gives text where it is an array in some rows and something else in others"
    if isinstance(kind, MapType):
        return "a map, no array; write its entries as an array"
    return f"{kind.simpleString()}, no array"
