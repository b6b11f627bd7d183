"""Writes a proposal as YAML: short, each choice with its evidence as a comment, what is unsure marked."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from recaug.config.text import parse
from recaug.propose.draft import Draft
from recaug.propose.logs import Entry, Log

LINES = 40  # at most
WIDTH = 120  # of a line, where values allow
SHORT = 12  # letters of a comment that is worth its place


class Sections(NamedTuple):
    """What is proposed. events: the log of events and its path; items, search: the keys of these sections."""

    events: tuple[Draft, str] | None
    items: Mapping[str, Entry]
    search: Mapping[str, Entry]


def write(sections: Sections, out: Path, head: str) -> str:
    """Write the YAML. head: what was looked at."""
    for compact in range(3):
        lines = _lines(sections, out, head, compact)
        if len(lines) <= LINES:
            break
    return "\n".join(lines) + "\n"


def _lines(sections: Sections, out: Path, head: str, compact: int) -> list[str]:
    """Lay the keys out; the more compact, the more of them on a line."""
    folder = f"build/{re.sub(r'[^A-Za-z0-9_.-]', '_', out.stem)}"
    lines = [_cut(f"# {head}"), f"artifacts: {folder}/artifacts", f"lake: {{path: {folder}/lake}}"]
    if sections.search:
        lines += _line("", "tasks", Entry(["recommendation", "search"] if sections.events else ["search"]))
    lines.append("source:")
    if sections.events is not None:
        lines += _events(*sections.events, compact)
    for name in ("items", "search"):
        if keys := getattr(sections, name):
            lines.append(f"  {name}:")
            lines += [line for key, entry in keys.items() for line in _section("    ", key, entry)]
    return lines + (_prepare(sections.events[0], compact) if sections.events is not None else [])


def _section(indent: str, key: str, entry: Entry) -> list[str]:
    """Write a key; one of entries, each with its evidence, a line each."""
    if not isinstance(entry.value, dict) or not all(isinstance(value, Entry) for value in entry.value.values()):
        return _line(indent, key, entry)
    return [f"{indent}{key}:"] + [
        line for name, value in entry.value.items() for line in _line(f"{indent}  ", name, value)
    ]


def _events(draft: Draft, path: str, compact: int) -> list[str]:
    """Lay out the section events."""
    sample, lines = draft.sample, ["  events:"]
    lines += _line("    ", "path", Entry(path))
    lines += _line("    ", "format", Entry(sample.format, sample.evidence.get("format", "")))
    if sample.options:
        said, unsure = sample.evidence.get("options", ""), sample.unsure.get("options", "")
        lines += _line("    ", "options", Entry(sample.options, said, unsure))
    if sample.names:
        lines += _line("    ", "names", Entry([*sample.names], f"no header: {sample.evidence.get('names', '')}"))
    lines += _log("    ", draft.log, compact > 1)
    if draft.more:
        lines.append("    more:")
    for log in draft.more:
        place = _line("        ", "path", Entry(path)) + _line("        ", "format", Entry(sample.format))
        if sample.options:
            place += _line("        ", "options", Entry(sample.options))
        place[0] = "      - " + place[0].lstrip()
        lines += place + _log("        ", log, compact > 0)
    return lines + [line for key, entry in draft.keys.items() for line in _line("    ", key, entry)]


def _prepare(draft: Draft, compact: int) -> list[str]:
    if compact:
        why = next((entry.comment for entry in draft.prepare.values() if entry.comment), "")
        return _line("", "prepare", Entry({key: entry.value for key, entry in draft.prepare.items()}, why))
    return ["prepare:", *(line for key, entry in draft.prepare.items() for line in _line("  ", key, entry))]


def _log(indent: str, log: Log, compact: bool) -> list[str]:
    """Lay out the keys of a log: explode, columns, and what follows from them."""
    lines = [line for key in ("explode",) if key in log.keys for line in _line(indent, key, log.keys[key])]
    if compact:
        lines += _line(indent, "columns", Entry({role: entry.value for role, entry in log.columns.items()}))
    else:
        lines.append(f"{indent}columns:")
        lines += [line for role, entry in log.columns.items() for line in _line(indent + "  ", role, entry)]
    for key in ("event_types", "ignore_types", "unique_by", "order_by", "nulls"):
        if key in log.keys:
            lines += _line(indent, key, log.keys[key])
    lines += [f"{indent}rules:"] * bool(log.rules)
    return lines + [_cut(f"{indent}  - {flow(rule)} # {why}", len(indent + flow(rule)) + 4) for rule, why in log.rules]


def _line(indent: str, key: str, entry: Entry) -> list[str]:
    """Write a key; a value too long for a line is folded at its commas."""
    value = flow(entry.value)
    unsure = f"unsure: {key} {entry.unsure}" if entry.unsure else ""
    comment = "; ".join(part for part in (unsure, entry.comment) if part)
    line = f"{indent}{key}: {value}"
    if len(line) > WIDTH and (isinstance(entry.value, dict | list) or value == entry.value):  # no text in quotes
        return _folded(indent, line, comment)
    return [_cut(f"{line} # {comment}", len(line)) if comment else line]


def _folded(indent: str, line: str, comment: str) -> list[str]:
    """Break a list, a map or a plain text at its commas, which YAML joins by a blank."""
    lines, rest = [], line
    while len(rest) > WIDTH - 4 and ", " in rest[len(indent) + 8 : WIDTH - 4]:
        at = rest.rindex(", ", 0, WIDTH - 4) + 1
        lines.append(rest[:at])
        rest = f"{indent}    {rest[at:].strip()}"
    lines.append(_cut(f"{rest} # {comment}", len(rest)) if comment else rest)
    return lines


def _cut(line: str, least: int = 0) -> str:
    """Keep a line, with its comment, to the width."""
    line = re.sub(r"(\d)%", r"\1 %", re.sub(r"\s*\n\s*", " ", line))
    if len(line) <= WIDTH:
        return line
    room = WIDTH - least
    if least and room < SHORT:
        return line[:least] if "unsure" not in line[least:] else line[:least] + " # unsure"
    return line[: WIDTH - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"


def flow(value: Any, inside: bool = False) -> str:
    """Write a value on one line; inside: of a list or map."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name, True)}: {flow(inner, True)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(inner, True) for inner in value) + "]"
    return _text(value, inside) if isinstance(value, str) else json.dumps(value)


def _text(value: str, inside: bool) -> str:
    """Write a text, in quotes where YAML would read something else."""
    plain = {"a: {} # b": {"a": value}} | ({"{{a: [{}], {}: 1}}": {"a": [value], value: 1}} if inside else {})
    if value and value == value.strip() and value.isprintable() and (value[0].isalnum() or len(value) > 2):
        if all(_reads(form.format(*[value] * form.count("{}"))) == read for form, read in plain.items()):
            return value
        if "'" not in value and ("\\" in value or '"' in value):
            return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _reads(text: str) -> Any:
    """What the configuration's reader makes of a text; None where it is no YAML."""
    with suppress(ValueError):
        return parse(text)
    return None
