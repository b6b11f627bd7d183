"""What the shop knows of its users beside what they did."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import POSITION
from recaug.clickstream.items import map_of, single_value, text_of
from recaug.clickstream.mapping import as_id
from recaug.config import Users


def user_attributes(rows: DataFrame, users: Users) -> DataFrame:
    """Make one row a user of a source's rows, each attribute at its last known value.

    rows: the source's columns and POSITION, of source.number_rows. What is null or blank is left out. Gives user_id and
    attributes. Raises ContractError that names the key of a column that the source lacks.
    """
    names, key = users.attributes, "source.users"
    texts = {f"a_{name}": text_of(rows, sql, f"{key}.attributes.{name}", users.nulls) for name, sql in names.items()}
    known = rows.select(
        as_id(*single_value(rows, users.user_id, f"{key}.user_id"), users.nulls).alias("user_id"),
        POSITION,
        *(column.alias(name) for name, column in texts.items()),
    ).where("user_id IS NOT NULL")
    last = (F.max_by(F.col(f"`{n}`"), F.when(F.col(f"`{n}`").isNotNull(), F.col(POSITION))).alias(n) for n in texts)
    return known.groupBy("user_id").agg(*last).select("user_id", map_of(names, "a", "string").alias("attributes"))
