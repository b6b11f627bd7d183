"""Where each value of a configuration comes from: the YAML, --set or a default; and the configuration written so."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import yaml

from recaug.config.text import parse

GIVEN, SET, DEFAULT = "given", "--set", "default"
HEAD = f"# What ran. Behind each value: {GIVEN} in the YAML, by {SET} on the command line, or its {DEFAULT}.\n"
PART = r"[^.\[\]]+"  # of a place
PYTHON = "# What ran, as a program made it.\n"


def places(values: Any, place: str = "") -> Iterator[str]:
    """Name each value of nested dicts, such as augment.generators[0].draw.weight; a list of plain values is one."""
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from places(value, f"{place}.{key}" if place else str(key))
    elif isinstance(values, list) and any(isinstance(value, dict) for value in values):
        for number, value in enumerate(values):
            yield from places(value, f"{place}[{number}]")
    else:
        yield place


def overlay(values: Any, settings: Iterable[str]) -> dict[str, str]:
    """Put settings such as `sasrec.dim=32` into a YAML's values, and give the origin of each value by its place.

    The last of two settings of a key counts. Raises ValueError for one that is no setting or whose place cannot be.
    """
    origins = dict.fromkeys(places(values), GIVEN)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not re.findall(PART, key):
            raise ValueError(f"{setting} is no setting; write it as key=value, such as sasrec.dim=32")
        value = parse(text)
        _put(values, key, value)
        within = re.compile(rf"{re.escape(key)}(\W|$)")
        others = {place: origin for place, origin in origins.items() if not within.match(place)}
        origins = others | dict.fromkeys(places(value, key), SET)
    return origins


def _put(values: Any, key: str, value: Any) -> None:
    """Set a dotted key; sections that the YAML leaves out, or sets to null, are made on the way."""
    *sections, last = re.findall(PART, key)
    at = values
    for section in sections:
        inner = at[_index(at, section, key)] if isinstance(at, list) else at.get(section)
        if inner is None:
            inner = at[section] = {}
        if not isinstance(inner, dict | list):
            raise ValueError(f"{section} is {inner!r} and no section, so there is no {key}")
        at = inner
    at[_index(at, last, key) if isinstance(at, list) else last] = value


def _index(entries: list[Any], number: str, key: str) -> int:
    if not number.isdecimal() or int(number) >= len(entries):
        raise ValueError(f"{key}: {number} is none of the {len(entries)} entries that the YAML gives, from 0")
    return int(number)


def resolved(values: Mapping[str, Any], origins: Mapping[str, str] | None) -> str:
    """Write nested values as YAML, with the origin of each as its comment; None: made by a program, without."""
    head = PYTHON if origins is None else HEAD
    return head + "".join(f"{line}\n" for line in _lines(values, "", "", origins))


def _lines(values: Any, place: str, indent: str, origins: Mapping[str, str] | None) -> Iterator[str]:
    """The lines of a dict, or of a list of dicts."""
    if isinstance(values, list):
        for number, value in enumerate(values):
            first, *others = _lines(value, f"{place}[{number}]", indent + "  ", origins)
            yield from (f"{indent}- {first.lstrip()}", *others)
        return
    for key, value in values.items():
        below = f"{place}.{key}" if place else str(key)
        if (isinstance(value, dict) and value) or list(places(value, below)) != [below]:
            yield f"{indent}{in_yaml(key)}:"
            yield from _lines(value, below, indent + "  ", origins)
        else:
            comment = "" if origins is None else f" # {origins.get(below, DEFAULT)}"
            yield f"{indent}{in_yaml(key)}: {in_yaml(value)}{comment}"


def in_yaml(value: Any) -> str:
    """Write a value on one line, so that the YAML means it."""
    plain = msgspec.json.decode(msgspec.json.encode(value))  # a tuple is a list there
    text = _dumped(plain)
    return text if "\n" not in text and parse(text) == plain else _dumped(plain, style='"')


def _dumped(value: Any, style: str | None = None) -> str:
    written = yaml.safe_dump(value, default_flow_style=True, default_style=style, width=10**6, allow_unicode=True)
    return str(written).removesuffix("\n").removesuffix("\n...")
