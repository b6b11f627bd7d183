"""What a stage may meet that nobody raises in words: Spark's, Java's and the file system's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from recaug.causes import causes
from recaug.errors import ContractError, RecaugError, StorageError
from recaug.lake.failures import storage_error

# What Java and Spark call a value or a pattern with which an expression of the YAML cannot go on.
NOT_COMPUTED = (
    "java.lang.ArithmeticException",
    "java.lang.IllegalArgumentException",
    "java.time.DateTimeException",
    "org.apache.spark.SparkRuntimeException",
    "org.apache.spark.SparkUpgradeException",
)


@contextmanager
def one_line_errors(stage: str) -> Iterator[None]:
    """Turn what Spark, the JVM and the file system raise inside a stage into a RecaugError of one line."""
    try:
        yield
    except ConnectionError:  # of the Java process, to exits.py
        raise
    except OSError as error:
        raise StorageError(f"{stage}: {error.filename or 'artifacts'}: {error.strerror}") from error
    except (PySparkException, Py4JError) as error:
        in_one_line = storage_error(error, stage)
        if isinstance(in_one_line, RecaugError):
            raise in_one_line from error
        why = causes(error)
        if stage == "ingest" and why.has(*NOT_COMPUTED):
            said = " ".join(why.messages[0].split())[:300]
            raise ContractError(f"{stage}: what source says cannot be computed: {said}") from error
        raise
