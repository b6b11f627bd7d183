"""What Java says of an error that reached Python: the classes of its causes and Spark's names for them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from py4j.java_gateway import is_instance_of
from pyspark import SparkContext


class Causes(NamedTuple):
    """An error and what caused it.

    classes: full names of the classes of the error and of each of Java's causes, superclasses too. conditions: Spark's
    error classes, such as PATH_NOT_FOUND. messages: of each cause, outermost first.
    """

    classes: frozenset[str]
    conditions: frozenset[str]
    messages: tuple[str, ...]

    def has(self, *classes: str) -> bool:
        """Say whether any cause is of one of these classes."""
        return not self.classes.isdisjoint(classes)

    def says(self, *texts: str) -> bool:
        """Say whether a message contains any of these; for causes that Java gives no class of their own."""
        return any(text in message for message in self.messages for text in texts)


def causes(error: BaseException) -> Causes:
    """Read the causes of a Py4JJavaError or of a PySparkException; of another error there is only its message."""
    classes = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    conditions: set[str] = set()
    messages: list[str] = []
    for cause in _chain(error):
        kind = cause.getClass()
        while kind is not None:
            classes.add(str(kind.getName()))
            kind = kind.getSuperclass()
        messages.append(str(cause.getMessage()))
        if is_instance_of(SparkContext._gateway, cause, "org.apache.spark.SparkThrowable") and cause.getErrorClass():
            conditions.add(str(cause.getErrorClass()))
    return Causes(frozenset(classes), frozenset(conditions), tuple(messages) or (str(error),))


def _chain(error: BaseException) -> Iterator[Any]:
    """Walk Java's exceptions from the outermost to the first cause."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None:
        yield cause
        cause = cause.getCause()
