"""docs/configuration.md: every key with its type, default and meaning, made from the structs by `make docs`."""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import inspect as types

from recaug.config.base import Strict
from recaug.config.generators import REGISTRY, Entry
from recaug.config.origins import in_yaml
from recaug.config.run import Config

PAGE = Path("docs") / "configuration.md"
HEAD = """# Configuration

Every key of a run's YAML, with its type, its default and what it means. `artifacts`, `lake` and `source` are required;
all else has a default and is said where it should differ. An unknown, doubled or wrong key is an error that names its
place. `--set sasrec.dim=32` changes a value for one run, and may be given several times. What a night ran with lies
beside its report, in `<artifacts>/<date>/config.yaml`, each value with where it comes from.

This page is made from the docstrings of `lib/recaug/config/` and `lib/recaug/generators/` by `make docs`.
"""
GENERATORS = """## Generators

An entry of `augment.generators` is one of these, by its `kind`, or a shop's own class, by its path.
"""


class Section(NamedTuple):
    """A mapping of the YAML. path: such as sasrec.optimiser; an entry of a list has [] behind its name."""

    path: str
    struct: types.StructType


def write(folder: Path) -> None:
    """Write the page into a checkout."""
    (folder / PAGE).parent.mkdir(exist_ok=True)
    (folder / PAGE).write_text(page(), encoding="utf-8")


def page() -> str:
    """Give the page, as Markdown."""
    parts = [HEAD, *map(table, sections("", types.type_info(Config))), GENERATORS]
    for kind, generator in importlib.import_module(REGISTRY).classes().items():
        parts += map(table, sections(f"kind: {kind}", types.type_info(generator)))
    return "\n".join(parts)


def sections(path: str, info: types.Type) -> Iterator[Section]:
    """Walk through a type's mappings, outermost first."""
    match info:
        case types.StructType():
            yield Section(path, info)
            for field in info.fields:
                yield from sections(_below(path, field.encode_name), field.type)
        case types.UnionType(types=several):
            for each in several:
                yield from sections(path, each)
        case types.ListType(item_type=inner) | types.VarTupleType(item_type=inner):
            yield from sections(f"{path}[]", inner)
        case types.DictType(value_type=inner):
            yield from sections(f"{path}.*", inner)


def table(section: Section) -> str:
    """Give a section's heading, what its docstring says of it as a whole, and a row for each key."""
    prose, keys = said(section.struct.cls)
    level = "###" if "." in section.path or section.path.startswith("kind: ") else "##"
    rows = [_row(section.path, field, keys.get(field.encode_name, "")) for field in section.struct.fields]
    head = ["| key | type | default | |", "|---|---|---|---|"]
    return "\n".join([f"{level} {section.path or 'The whole'}", "", prose, "", *head, *rows, ""])


def _row(path: str, field: types.Field, text: str) -> str:
    name = field.encode_name
    return f"| `{name}` | {in_words(field.type)} | {default(field, _below(path, name))} | {text} |"


def said(struct: type) -> tuple[str, dict[str, str]]:
    """Split the docstrings of a struct, and of those that it derives from, into prose and a text for each key."""
    prose, keys = "", dict[str, str]()
    for base in (base for base in struct.__mro__ if issubclass(base, Strict) and base is not Strict):
        names = {name for field in msgspec.structs.fields(base) for name in (field.name, field.encode_name)}
        own, of_keys = split_at_keys(inspect.getdoc(base) or "", names)
        prose = prose or own
        keys = of_keys | keys
    renamed = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    return prose, {renamed.get(name, name): text for name, text in keys.items()}


def split_at_keys(docstring: str, names: set[str]) -> tuple[str, dict[str, str]]:
    """Split paragraphs such as `epochs: of all rounds. first_epochs, last: ...` at the names; the rest is prose."""
    either = "|".join(sorted(names, key=len, reverse=True))
    prose, keys = [], dict[str, str]()
    for paragraph in docstring.split("\n\n"):
        text = " ".join(paragraph.split()).replace("|", "\\|")
        before, *named = re.split(rf"(?:^|(?<=[.;] ))((?:{either})(?:, (?:{either}))*): ", text)
        prose.append(before.rstrip(" ;"))
        for listed, meaning in zip(named[::2], named[1::2], strict=True):
            keys |= dict.fromkeys(listed.split(", "), meaning.rstrip(" ;"))
    return "\n\n".join(text for text in prose if text), keys


def default(field: types.Field, path: str) -> str:
    """Say what a key is where it is left out."""
    if field.required:
        return "required"
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return f"[as below](#{re.sub(r'[^a-z0-9_ -]', '', path).replace(' ', '-')})"
    if isinstance(value, list) and value and isinstance(value[0], Entry):
        value = [{"kind": entry.kind} for entry in value]
    return f"`{in_yaml(value)}`"


def in_words(info: types.Type) -> str:
    """Say what values a type has."""
    match info:
        case types.Metadata(type=inner):
            words = in_words(inner)
        case types.UnionType(types=several):
            first, *others = map(in_words, several)
            words = (", or " if "," in first else " or ").join([first, *others])
        case types.LiteralType(values=values):
            words = ", ".join(f"`{value}`" for value in values)
        case types.IntType() | types.FloatType():
            words = _number(info)
        case types.ListType(item_type=inner) | types.VarTupleType(item_type=inner):
            words = f"list of {in_words(inner)}"
        case types.DictType(key_type=key, value_type=inner):
            words = f"mapping of {in_words(key)} to {in_words(inner)}"
        case _:
            words = NAMES[type(info)]
    return words


NAMES: Mapping[type, str] = {
    types.BoolType: "true or false",
    types.StrType: "text",
    types.DateType: "date",
    types.NoneType: "null",
    types.StructType: "section",
    types.CustomType: "generator",
}


def _number(info: types.IntType | types.FloatType) -> str:
    kind = "whole number" if isinstance(info, types.IntType) else "number"
    if info.ge is not None and info.le is not None:
        return f"{kind} from {info.ge} to {info.le}"
    least = [f"{info.ge} or more"] if info.ge is not None else [f"above {info.gt}"] if info.gt is not None else []
    most = [f"at most {info.le}"] if info.le is not None else [f"below {info.lt}"] if info.lt is not None else []
    return ", ".join([kind, *least, *most])


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


if __name__ == "__main__":
    write(Path.cwd())
