"""YAML text as nested values: numbers as YAML 1.2 writes them, and no key twice."""

import datetime as dt
import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

from recaug.errors import ConfigError

FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
INT = re.compile(r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+")


MOST = 100_000  # values of a text


class _Loader(yaml.SafeLoader):
    """YAML 1.1, as PyYAML reads it, but for numbers: 1e-3 is one there only with a point, 010 is 8, and 1:30 is 90."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("int", "float")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice, of which PyYAML takes the last."""
        lines: dict[str, int] = {}
        for name in (name for name, _ in node.value if isinstance(name, yaml.ScalarNode)):
            line = name.start_mark.line + 1
            if name.value in lines:
                before = lines[name.value]
                raise ValueError(f"line {line}: the key {name.value} stands twice, first in line {before}; remove one")
            lines[name.value] = line
        return super().construct_mapping(node, deep)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """Read a whole number."""
        return int(node.value, 0 if node.value[:2] in ("0o", "0x") else 10)


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"^({INT.pattern})$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^({FLOAT.pattern})$"), list("-+0123456789."))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)


def _bounded(values: Any) -> Any:
    """Give the values; raise ValueError where aliases make more of them than anybody writes, or one holds itself."""
    left, waiting = MOST, [values]
    while waiting:
        value = waiting.pop()
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
        left -= 1
        if left < 0:
            raise ValueError(f"more than {MOST:,} values: an alias (*name) holds itself, or aliases of aliases")
    return values


def parse(text: str) -> Any:
    """Read YAML text. Raises ValueError of one line that says in which line of the text something is wrong."""
    try:
        return _bounded(yaml.load(text, _Loader))  # nosec B506: a SafeLoader
    except RecursionError as error:
        raise ValueError("not YAML: it is nested too deep") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise ValueError(f"not YAML: {line}{error.problem or error.context}") from error
    except yaml.YAMLError as error:  # a character that no YAML has
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error


def refuse_infinite(values: Any, path: str) -> None:
    """Raise ValueError that names the path of a number that is not finite."""
    if isinstance(values, dict):
        for key, value in values.items():
            refuse_infinite(value, f"{path}.{key}")
    elif isinstance(values, list):
        for number, value in enumerate(values):
            refuse_infinite(value, f"{path}[{number}]")
    elif isinstance(values, float) and not math.isfinite(values):
        raise ValueError(f"Expected a finite number, got {values} - at `{path}`")


def parse_date(text: str, name: str) -> dt.date:
    """Read an ISO date of the command line; a scheduler's unfilled {{template}} arrives as text, so say so."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}, not a date like 2017-03-04") from error
