"""The catalogue: what is known of each item; what is missing stays missing."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import POSITION
from recaug.clickstream.images import picture_vectors
from recaug.clickstream.mapping import as_id, as_text, expression
from recaug.clickstream.sounds import sound_vectors
from recaug.config import Items
from recaug.errors import ContractError


def catalogue(rows: DataFrame, items: Items) -> DataFrame:
    """Make one row an item of a source's rows, each attribute at its last known value.

    rows: the source's columns and POSITION, of source.number_rows. Attributes that are null, blank or no number
    are left out of the maps, and so is an array without a value. Gives the columns of the table items.
    Raises ContractError that names the key of a column that the source lacks.
    """
    text = {"title": items.title} | ({"text": items.text} if items.text else {})
    columns = {f"t_{name}": text_of(rows, sql, f"source.items.{name}", items.nulls) for name, sql in text.items()}
    for name, sql in items.categorical.items():
        columns[f"c_{name}"] = text_of(rows, sql, f"source.items.categorical.{name}", items.nulls)
    for name, sql in items.numeric.items():
        number = single_value(rows, sql, f"source.items.numeric.{name}")[0].cast("double")
        columns[f"n_{name}"] = F.when(~F.isnan(number), number)
    for name, sql in items.multi_valued.items():
        texts = _many(rows, sql, f"source.items.multi_valued.{name}", "array<string>")
        given = F.array_distinct(F.filter(F.transform(texts, F.trim), lambda value: value != ""))
        columns[f"m_{name}"] = F.when(F.size(given) > 0, given)
    for name, sql in items.vectors.items():
        vector = _many(rows, sql, f"source.items.vectors.{name}", "array<float>")
        whole = (F.size(vector) > 0) & F.forall(vector, lambda value: value.isNotNull() & ~F.isnan(value))
        columns[f"v_{name}"] = F.when(whole, vector)
    for name, sql in items.pictures.items():
        picture = expression(rows, sql, f"source.items.pictures.{name}")
        columns[f"v_{name}"] = picture_vectors(picture, items.picture_size)
    for name, sql in items.sounds.items():
        columns[f"v_{name}"] = sound_vectors(expression(rows, sql, f"source.items.sounds.{name}"))
    known = rows.select(
        as_id(*single_value(rows, items.item_id, "source.items.item_id"), items.nulls).alias("item_id"),
        POSITION,
        *(column.alias(name) for name, column in columns.items()),
    ).where("item_id IS NOT NULL")
    last = known.groupBy("item_id").agg(
        *(F.max_by(F.col(f"`{n}`"), F.when(F.col(f"`{n}`").isNotNull(), F.col(POSITION))).alias(n) for n in columns)
    )
    return last.select(
        "item_id",
        F.col("t_title").alias("title"),
        map_of(items.categorical, "c", "string").alias("categorical"),
        map_of(items.numeric, "n", "double").alias("numeric"),
        (F.col("t_text") if items.text else F.lit(None).cast("string")).alias("text"),
        map_of({**items.vectors, **items.pictures, **items.sounds}, "v", "array<float>").alias("vectors"),
        map_of(items.multi_valued, "m", "array<string>").alias("multi_valued"),
    )


def named_by_events(events: DataFrame) -> DataFrame:
    """Make a catalogue of what the events name, without any attribute. Columns as catalogue gives."""
    return (
        events.select("item_id")
        .distinct()
        .select(
            "item_id",
            F.lit(None).cast("string").alias("title"),
            F.create_map().cast("map<string,string>").alias("categorical"),
            F.create_map().cast("map<string,double>").alias("numeric"),
            F.lit(None).cast("string").alias("text"),
            F.create_map().cast("map<string,array<float>>").alias("vectors"),
            F.create_map().cast("map<string,array<string>>").alias("multi_valued"),
        )
    )


def single_value(rows: DataFrame, sql: str, key: str) -> tuple[Column, str]:
    """Read an expression of one value; gives its type, too. Raises ContractError for an array, a map or a struct."""
    column = expression(rows, sql, key)
    ((_, kind),) = rows.select(column).dtypes
    if (whole := kind.split("<")[0]) in ("array", "map", "struct"):
        raise ContractError(f"{key}: {sql} is {whole}, not one value; name a field or an element of it")
    return column, kind


def text_of(rows: DataFrame, sql: str, key: str, nulls: Sequence[str]) -> Column:
    """Read an expression as text; blank and `nulls` are null."""
    return as_text(*single_value(rows, sql, key), nulls)


def _many(rows: DataFrame, sql: str, key: str, kind: str) -> Column:
    """Read an expression as an array. Raises ContractError where it is none."""
    column = expression(rows, sql, key)
    ((_, there),) = rows.select(column).dtypes
    if not there.startswith("array<") or there.startswith(("array<array", "array<map", "array<struct")):
        raise ContractError(f"{key}: {sql} is {there}, not {kind}")
    return column.cast(kind)


def map_of(names: dict[str, str], prefix: str, kind: str) -> Column:
    """Make a map of the columns that are not null."""
    pairs = [part for name in names for part in (F.lit(name), F.col(f"`{prefix}_{name}`"))]
    whole = F.create_map(*pairs).cast(f"map<string,{kind}>")
    return F.map_filter(whole, lambda _, value: value.isNotNull())
