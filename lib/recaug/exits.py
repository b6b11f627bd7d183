"""How a command ends: errors in one line on stderr, and the exit code of their kind."""

import contextlib
import logging
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from unicodedata import category

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkException

from recaug.causes import causes
from recaug.config.secrets import hide
from recaug.errors import RecaugError

OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's controls, marks of direction, ends of lines
LONGEST = 300  # characters of what an error says


def exit_code(run: Callable[[], int | None], trace: bool = False) -> int:
    """Run a command to its exit code; an error becomes one line on stderr, without the secrets of an address.

    run: gives its exit code; None is 0. trace: of an error that nobody has words for, raise it instead.
    """
    # py4j logs, to the root logger, the stack traces of errors that it raises as well
    logging.getLogger().addFilter(lambda record: "py4j" not in record.pathname)
    try:
        return run() or 0
    except RecaugError as error:
        _say(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, Py4JError | ConnectionError) and _java_died():
            died = "killed, or out of memory (spark.driver.memory)? Run it again with --resume"
            _say(f"Spark's Java process died; {died}")
            return 1
        if trace:
            raise
        _say(f"not expected: {unexpected(error)}; --trace shows where")
        return 1


@contextlib.contextmanager
def hiding(secrets: Collection[str]) -> Iterator[None]:
    """Hide values that are known to be secrets in what is raised within; a stack trace of it is lost with them."""
    try:
        yield
    except Exception as error:
        if not any(secret in str(error) for secret in secrets):
            raise
        words = hide(str(error), secrets)
        raise (type(error)(words) if isinstance(error, RecaugError) else RecaugError(words)) from None


def unexpected(error: Exception) -> str:
    """Say an error that has no words of its own in one line: its class, and the first line of what it says."""
    said = causes(error).messages[-1] if isinstance(error, Py4JError | PySparkException) else str(error)
    return f"{type(error).__name__}: {(said.strip().splitlines() or ['nothing more is said'])[0][:LONGEST]}"


def printable(text: str) -> str:
    """Show control and escape codes, which a terminal would obey, as what they are; a new line stays one.

    >>> printable("a" + chr(27) + "[2J")
    'a\\x1b[2J'
    """
    return "".join(ascii(letter)[1:-1] if category(letter) in OBEYED and letter != "\n" else letter for letter in text)


def _say(words: str) -> None:
    print(f"error: {printable(hide(' '.join(words.split())))}", file=sys.stderr)


def _java_died() -> bool:
    """Say whether the Java process that this one started has ended."""
    java = getattr(SparkContext._gateway, "proc", None)
    if java is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        java.wait(timeout=2)
    return java.poll() is not None
