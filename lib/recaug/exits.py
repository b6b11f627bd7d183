"""How a command ends: errors in one line on stderr, and the exit code of their kind."""

import contextlib
import logging
import subprocess
import sys
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark import SparkContext

from recaug.errors import RecaugError


def exit_code(run: Callable[[], None]) -> int:
    """Run a command to its exit code; an error that a user can meet becomes one line on stderr."""
    # py4j logs, to the root logger, the stack traces of errors that it raises as well
    logging.getLogger().addFilter(lambda record: "py4j" not in record.pathname)
    try:
        run()
    except RecaugError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except (Py4JError, ConnectionError):
        if not _java_died():
            raise
        died = "killed, or out of memory (spark.driver.memory)? Run it again with --resume"
        print(f"error: Spark's Java process died; {died}", file=sys.stderr)
        return 1
    return 0


def _java_died() -> bool:
    """Say whether the Java process that this one started has ended."""
    java = getattr(SparkContext._gateway, "proc", None)
    if java is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        java.wait(timeout=2)
    return java.poll() is not None
