"""What a Parquet file's footer says and Spark does not: what sets it apart, nanoseconds, and columns of nulls alone."""

import base64
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, NullType, StructField, StructType

from recaug.causes import causes
from recaug.clickstream.heads import short
from recaug.clickstream.unite import retyped
from recaug.errors import ContractError

ARROW = "ARROW:schema"  # where pandas, pyarrow and polars write the schema that they had


def layout_of(spark: SparkSession, file: str, key: str) -> str:
    """A file's schema, and which of its columns hold nulls alone. Raises ContractError where it is no Parquet.

    Empty where it cannot be opened, of which Spark says why when it reads it.
    """
    try:
        footer = _footer(spark, file)
    except Py4JJavaError as error:
        if causes(error).has("java.lang.RuntimeException"):  # what Parquet throws, without a class of its own
            raise ContractError(f"{key}.path: {short(file)} is damaged or no parquet") from error
        return ""
    arrow = _arrow(footer)
    nulls = ", ".join(str(field) for field in arrow or () if "null" in str(field.type))
    return f"{footer.getSchema()}{nulls}"


def as_written(df: DataFrame) -> DataFrame:
    """Turn TIMESTAMP(NANOS), which Spark reads as long, into timestamps (to the microsecond), and nulls into nulls.

    df: of files of one layout. A column that had no value when pandas wrote it has no type: Spark reads it as int.
    """
    if "int" not in df.schema.simpleString():  # nor bigint
        return df
    footer = _footer(df.sparkSession, df.inputFiles()[0])
    for field in footer.getSchema().getFields():
        if "TIMESTAMP(NANOS" in str(field.getLogicalTypeAnnotation()):
            name = field.getName()
            df = df.withColumn(name, F.timestamp_micros(F.floor(F.col(f"`{name}`") / 1000)))
    arrow = {field.name: field.type for field in _arrow(footer) or ()}
    for field in df.schema.fields:
        kind = _with_nulls(field.dataType, arrow.get(field.name))
        if kind != field.dataType:
            df = df.withColumn(field.name, retyped(F.col(f"`{field.name}`"), field.dataType, kind))
    return df


def _footer(spark: SparkSession, file: str) -> Any:
    """A file's metadata, of Java. Raises Py4JJavaError where it has none."""
    jvm = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(file)  # type: ignore[union-attr]
    read = jvm.org.apache.parquet.hadoop.ParquetFileReader.readFooter  # type: ignore[union-attr]
    return read(spark._jsc.hadoopConfiguration(), place).getFileMetaData()


def _arrow(footer: Any) -> pa.Schema | None:
    """The schema that Arrow had; None where another program wrote the file."""
    text = footer.getKeyValueMetaData().get(ARROW)
    return None if text is None else pa.ipc.read_schema(pa.BufferReader(base64.b64decode(text)))


def _with_nulls(kind: DataType, arrow: pa.DataType | None) -> DataType:
    """Spark's type of a column, without a type where Arrow had none; as it is where Arrow says nothing."""
    if arrow is None:
        return kind
    if pa.types.is_null(arrow):
        return NullType()
    if isinstance(kind, StructType) and pa.types.is_struct(arrow):
        names = {arrow.field(place).name: arrow.field(place).type for place in range(arrow.num_fields)}
        fields = ((field.name, field.dataType) for field in kind.fields)
        return StructType(
            [StructField(name, _with_nulls(there, names.get(name, pa.int32()))) for name, there in fields]
        )
    if isinstance(kind, ArrayType) and (pa.types.is_list(arrow) or pa.types.is_large_list(arrow)):
        return ArrayType(_with_nulls(kind.elementType, arrow.value_type))
    return kind
