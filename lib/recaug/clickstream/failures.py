"""What Spark raises while it reads a source, in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from recaug.causes import causes
from recaug.config import Files
from recaug.errors import ContractError

# What Java calls a damaged file, and Spark one that it cannot read (2064: of Spark 3.5, without a name).
DAMAGED = ("java.io.EOFException", "java.util.zip.ZipException", "org.apache.hadoop.fs.ChecksumException")
NO_HEADER = ("not a gzip file",)  # of which Hadoop raises a plain IOException
FOREIGN = {  # a type of a column that Spark lacks (1172 to 1174: of Spark 3.5, without a name)
    *(f"_LEGACY_ERROR_TEMP_117{digit}" for digit in (2, 3, 4)),
    "PARQUET_TYPE_ILLEGAL",
    "PARQUET_TYPE_NOT_SUPPORTED",
}
UNREADABLE = {
    "CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE.NO_HINT",
    "_LEGACY_ERROR_TEMP_2064",
}


@contextmanager
def reading(source: Files, key: str) -> Iterator[None]:
    """Turn what Spark raises while it reads a source into a ContractError; errors of another kind stay as they are."""
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        raise unreadable(error, source, key) from error


def unreadable(error: Exception, source: Files, key: str) -> ContractError | Exception:
    """Say in one line why a source could not be read; an error of another kind comes back as it is."""
    why, place = causes(error), source.place
    at = f"{key}.{source.place_key}:"
    denied = why.has("java.nio.file.AccessDeniedException", "org.apache.hadoop.security.AccessControlException")
    gone = why.has("java.io.FileNotFoundException", "java.nio.file.NoSuchFileException")
    broken = why.has(*DAMAGED) or why.says(*NO_HEADER) or not why.conditions.isdisjoint(UNREADABLE)
    cases = {
        f"{at} a name at {place} has a colon, which Hadoop takes for the end of a scheme; rename the file": why.has(
            "java.net.URISyntaxException"
        ),
        f"{at} nothing at {place}": "PATH_NOT_FOUND" in why.conditions,
        f"{at} {place} has no readable {source.format} file": "UNABLE_TO_INFER_SCHEMA" in why.conditions,
        f"{at} {place} may not be read; check its permissions": denied or why.says("Permission denied"),
        f"{at} a file of {place} went away while it was read": gone,
        f"{at} an object of {place} has the same name twice; give each value a name of its own": "COLUMN_ALREADY_EXISTS"
        in why.conditions,
        f"{at} a file of {place} has a column of a type that Spark does not read, such as a time of day; write it as "
        "text, or leave it out": not why.conditions.isdisjoint(FOREIGN),
        f"{at} a file of {place} is damaged or no {source.format or 'table'}": broken,
    }
    return next((ContractError(words) for words, is_so in cases.items() if is_so), error)
