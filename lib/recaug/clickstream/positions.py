"""Where a row comes from: its file, and its place among the rows."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import FILE, OURS, POSITION


def number_rows(df: DataFrame) -> DataFrame:
    """Add POSITION: a struct (path, block, row) that orders rows as the files have them, and files by their path.

    Rows of `unordered` keep theirs. Filter first: Spark filters no file behind this.
    """
    if POSITION in df.columns:
        return df
    # The id's low 33 bits count within a task, which reads the blocks of a file in their order.
    row = F.monotonically_increasing_id().bitwiseAND(F.lit((1 << 33) - 1))
    place = {"path": F.input_file_name(), "block": F.expr("input_file_block_start()"), "row": row}
    return df.withColumn(POSITION, F.struct(*(column.alias(name) for name, column in place.items())))


def name_files(df: DataFrame) -> DataFrame:
    """Add FILE, the name of the file that a row comes from. Filter first, as for number_rows."""
    if FILE in df.columns:
        return df
    return df.withColumn(FILE, F.substring_index(F.input_file_name(), "/", -1))


def unordered(df: DataFrame, name: str) -> DataFrame:
    """Add FILE and POSITION to rows that lie in no order, such as a table's: the name, and a hash of the row.

    Spark names no file behind a join, and numbers rows behind one anew each time; the hash is always the same.
    """
    hashed = (
        F.to_json(F.struct(f"`{column}`")) if "map<" in kind else F.col(f"`{column}`")  # maps have no hash
        for column, kind in df.dtypes
        if column not in OURS
    )
    place = {"path": F.lit(""), "block": F.lit(0).cast("bigint"), "row": F.xxhash64(*hashed)}
    position = F.struct(*(column.alias(part) for part, column in place.items()))
    return df.withColumns({FILE: F.lit(name), POSITION: position})
