"""Secrets of a configuration, hidden wherever it leaves the process: files, MLflow, `runs`, the page, the console."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

HIDDEN = "***"
FREE = ("options", "settings")  # sections whose keys are not ours, and may be anything
NAMES = re.compile(r"secret|passw|pwd|token|credential|key|sas\b|signature|auth", re.IGNORECASE)  # of such a key
WHOLE = ("webhook",)  # keys of ours whose address lets whoever has it in
SHORTEST = 4  # characters of a value that is looked for in a text; a shorter one is part of any word

_NAME = r"secret|passw(?:or)?d|pwd|token|access[._-]?key|account[._-]?key|api[._-]?key|credential|signature"
TEXTS = (
    (re.compile(r"(?<=://)[^/\s@:\"'<>]*:[^/\s@\"'<>]+(?=@)"), HIDDEN),  # scheme://user:password@host
    (re.compile(r"(?<=http://)[^/\s@\"'<>]+(?=@)|(?<=https://)[^/\s@\"'<>]+(?=@)"), HIDDEN),  # https://token@host
    (re.compile(rf"\b((?:[\w.-]*(?:{_NAME})[\w.-]*|sig|sas)=)[^\s&;,\"'<>\\]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic) [\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), HIDDEN),  # the form of AWS's access keys
)


def hide(text: str, known: Collection[str] = ()) -> str:
    """Hide what is a secret by its form, and the values that are known to be secrets, in a text.

    >>> hide("https://me:pw@host/a?sv=1&sig=abc")
    'https://***@host/a?sv=1&sig=***'
    """
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for form, instead in TEXTS:
        text = form.sub(instead, text)
    return text


def hidden(values: Any, free: bool = False) -> Any:
    """Give nested values, such as msgspec.to_builtins gives, without their secrets. free: keys are of a FREE section.

    >>> hidden({"settings": {"spark.hadoop.fs.s3a.secret.key": "X", "spark.cores.max": "4"}})
    {'settings': {'spark.hadoop.fs.s3a.secret.key': '***', 'spark.cores.max': '4'}}
    """
    if isinstance(values, Mapping):
        return {
            key: HIDDEN if _is_secret(key, value, free) else hidden(value, key in FREE) for key, value in values.items()
        }
    if isinstance(values, list | tuple):
        return [hidden(value) for value in values]
    return hide(values) if isinstance(values, str) else values


def secrets(values: Any, free: bool = False) -> set[str]:
    """Collect the values that `hidden` hides by their keys, where they are long enough to be told in a text."""
    return {value for value in _secrets(values, free) if len(value) >= SHORTEST}


def _secrets(values: Any, free: bool) -> Iterator[str]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            if _is_secret(key, value, free):
                yield value
            else:
                yield from _secrets(value, key in FREE)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _secrets(value, False)


def _is_secret(key: Any, value: Any, free: bool) -> bool:
    return isinstance(value, str) and (key in WHOLE or (free and NAMES.search(str(key)) is not None))


def has_credentials(address: str) -> bool:
    """Say whether an address names a user with a password, or has a token among its parameters."""
    return hide(address) != address
