"""Tells how lines of text are cut into fields: separator, quotes, header, or a user and its items a line."""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from recaug.propose.words import ideas

SEPARATORS = (",", ";", "\t", "|", "\x01", "::", "||", "~", "^", "¦", " | ", " ; ", ", ", " ")
EVEN = 20  # rows of one width that are no accident
ROWS = 600  # lines by which a separator is chosen
# What a field looks like that holds a value and not several: a number, or anything without a separator in it.
WHOLE = re.compile(r'[+-]?[\d., \u00a0]*\d|[^,;\t|\x01~^]*|".*"|\s*[\[{].*[}\]]\s*', re.DOTALL)
DATED = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\d{1,2}:\d\d.*")
csv.field_size_limit(min(sys.maxsize, 1 << 27))


class Cut(NamedTuple):
    """How a line is cut. quote: None where quotes are letters like others. escape: what stands before a quote."""

    sep: str
    quote: str | None = '"'
    escape: str = '"'
    comment: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """Of Spark's reader, beyond those that recaug sets by itself."""
        options = {} if self.sep == "," else {"sep": self.sep}
        if self.quote != '"':
            options["quote"] = self.quote or ""
        if self.escape != '"':
            options["escape"] = self.escape
        return options | ({"comment": self.comment} if self.comment else {})


class Fields(NamedTuple):
    """Lines of files cut into fields.

    headers: the names in the first line of each file; None where none has names. rows: of each file, all of them as
    wide as its names are. even: share of the lines that are so. evidence: of there being names.
    """

    cut: Cut
    headers: list[list[str]] | None
    rows: list[list[list[str]]]
    even: float
    evidence: str


def cut_lines(texts: Sequence[str]) -> Fields | None:
    """Cut the lines of files into fields; None where they have no common separator.

    texts: of each file, from its beginning. Raises ValueError for a title above the names.
    """
    start = max(texts, key=len)
    comment = "#" if _comments(start) else None
    tried = {sep: _score(start, Cut(sep, comment=comment)) for sep in SEPARATORS if sep in start}
    likely = sorted(tried, key=lambda sep: -tried[sep])
    best = next((sep for sep in likely if tried[sep] >= 0.2 or _is_even(start, Cut(sep, comment=comment))), None)
    if best is None:
        return None
    cut = _quotes(start, Cut(best, comment=comment))
    parts = [part for part in (split_rows(text, cut) for text in texts) if part]
    widths = [Counter(map(len, part)).most_common(1)[0][0] for part in parts]
    _refuse_title(parts[0], widths[0])
    named, evidence = _header(parts, widths)
    headers = [part[0] for part in parts] if named else None
    body = [part[named:] for part in parts]
    rows = [[row for row in part if len(row) == width] for part, width in zip(body, widths, strict=True)]
    return Fields(cut, headers, rows, sum(map(len, rows)) / max(sum(map(len, body)), 1), evidence)


def _is_even(text: str, cut: Cut) -> bool:
    """Whether many rows are all as wide as the names, as those of a table are whose cells hold lists."""
    rows = split_rows(text, cut, ROWS)
    widths = {len(row) for row in rows[:-1]}
    return len(rows) > EVEN and len(widths) == 1 and widths != {1}


def _refuse_title(rows: Sequence[Sequence[str]], width: int) -> None:
    """Raise ValueError for lines above the names, which no reader skips."""
    above = next((number for number, row in enumerate(rows[:20]) if len(row) == width), 0)
    names = rows[above] if above < len(rows) else []
    if above and len(names) > 1 and not any(map(_is_value, names)):
        raise ValueError(f"{above} line{'s' * (above > 1)} above the names ({', '.join(names)[:60]})")


def split_rows(text: str, cut: Cut, most: int = sys.maxsize) -> list[list[str]]:
    """Cut the lines of a text."""
    if len(cut.sep) > 1:
        lines = [
            line for line in text.splitlines()[:most] if line and not (cut.comment and line.startswith(cut.comment))
        ]
        rows = [[_bare(field) for field in line.split(cut.sep)] for line in lines]
        return rows
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=cut.sep,
        quotechar=cut.quote or '"',
        quoting=csv.QUOTE_MINIMAL if cut.quote else csv.QUOTE_NONE,
        doublequote=cut.escape == cut.quote,
        escapechar=None if cut.escape == cut.quote or not cut.quote else cut.escape,
    )
    rows = []
    with suppress(csv.Error):  # a text that ends within quotes, or has a NUL: the rows before it are looked at
        for row in reader:
            if row and not (cut.comment and row[0].startswith(cut.comment)):
                rows.append(row)
            if len(rows) >= most:
                break
    return rows


def _bare(field: str) -> str:
    return field[1:-1].replace('""', '"') if len(field) > 1 and field[0] == field[-1] == '"' else field


def _comments(text: str) -> bool:
    """Whether the text begins with lines of remarks, which the others are not."""
    lines = text.splitlines()[:ROWS]
    marked = [line for line in lines if line.startswith("#")]
    others = [line for line in lines if line and not line.startswith("#")]
    if not marked or not others or len(marked) > len(others):
        return False
    return not any(sep in marked[-1] and marked[-1].count(sep) == others[0].count(sep) for sep in SEPARATORS[:4])


def _score(text: str, cut: Cut) -> float:
    """How well a separator cuts: into rows of one width, and into fields that hold a value each."""
    rows = split_rows(text, cut, ROWS)[: ROWS - 1]
    if not rows:
        return 0.0
    width, often = Counter(map(len, rows)).most_common(1)[0]
    if width < 2:
        return 0.0
    even = [row for row in rows if len(row) == width]
    whole = sum(WHOLE.fullmatch(field.strip()) is not None for row in even for field in row) / (len(even) * width)
    penalty = 0.9 if cut.sep in (" ", "~", "^") else 1.0  # letters of texts, too
    longer = 1.01 if len(cut.sep) > 1 else 1.0  # ", " cuts what "," cuts, and cleaner
    return (often / len(rows)) ** 3 * (1 - 1 / (2 * width)) * whole**4 * penalty * longer


def _quotes(text: str, cut: Cut) -> Cut:
    """Choose what quotes fields, by what leaves rows of one width."""
    if len(cut.sep) > 1:
        return cut
    cuts = [cut]
    if re.search(r'\\"', text):
        cuts.append(cut._replace(escape="\\"))
    if '"' in text:
        cuts.append(cut._replace(quote=None))
    elif re.search(rf"(^|{re.escape(cut.sep)})'[^'\n]*'({re.escape(cut.sep)}|$)", text, re.MULTILINE):
        cuts.append(cut._replace(quote="'", escape="'"))
    if len(cuts) == 1:
        return cut
    scores = []
    for number, choice in enumerate(cuts):
        rows = split_rows(text, choice)
        _, often = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        shown = sum('"' in field[:1] + field[-1:] or "'" == field[:1] == field[-1:] for row in rows for field in row)
        clean = 1 - shown / max(sum(map(len, rows)), 1)
        scores.append((round(often / max(len(rows), 1), 3), round(clean, 2), -number))
    return cuts[scores.index(max(scores))]


def _header(parts: Sequence[list[list[str]]], widths: Sequence[int]) -> tuple[bool, str]:
    """Tell whether the first line of each file names the columns, and by what."""
    first, body = parts[0][0], [row for row in parts[0][1:] if len(row) == widths[0]][:3000]
    as_others = False, "the first line is as the others"
    if len(first) != widths[0] or not body:
        return as_others
    if value := next((cell for part in parts for cell in part[0] if _is_value(cell)), None):
        return False, f"{value[:20]!r} in a first line is a value"
    if len(parts) > 1 and all(part[0] == first for part in parts):
        return True, "each file begins with the same names"
    columns = [*zip(*body, strict=True)]
    if why := next((why for cell, column in zip(first, columns, strict=True) if (why := _names(cell, column))), None):
        return True, why
    again = sum(cell in column for cell, column in zip(first, columns, strict=True))
    named = sum(bool(ideas(cell)) for cell in first)
    if not again and named:
        return True, f"{named} of {len(first)} words of the first line name columns"
    return as_others


def _names(cell: str, column: Sequence[str]) -> str | None:
    """Say how a cell differs from all values below it; None where it does not."""
    given, name = [value for value in column if value.strip()], cell.strip()
    if not name or not given:
        return None
    with_digits = sum(any(map(str.isdigit, value)) for value in given) > 0.9 * len(given)
    if with_digits and not re.search(r"\d", name):
        return f"{name[:20]!r} has no digit, and the values below have"
    values = sum(map(_is_value, given)) > 0.9 * len(given)
    return f"{name[:20]!r} is no number or time, and the values below are" if values else None


def _is_value(cell: str) -> bool:
    """Whether a cell is a number, a time or a code, as no name is."""
    text = cell.strip()
    return bool(re.fullmatch(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?", text) or DATED.fullmatch(text)) or bool(
        re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\\N", text)
    )


def spark_names(header: Sequence[str]) -> list[str]:
    """Name the columns as Spark's reader does: without a name _c0, and names that come twice by their place."""
    small = Counter(name.lower() for name in header)
    return [
        f"_c{place}" if not name else f"{name}{place}" if small[name.lower()] > 1 else name
        for place, name in enumerate(header)
    ]


def sequence_lines(text: str) -> list[list[str]] | None:
    """Cut lines `user item item ...` into words; None where the lines are no such."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    tabs = Counter(line.count("\t") for line in text.splitlines() if line.strip())
    if len(tabs) == 1 and 0 not in tabs:
        return None
    if len(lines) < 2 or any(re.search(r'[,;|"{]', word) for line in lines[:50] for word in line):
        return None
    users, items = [line[0] for line in lines], Counter(item for line in lines for item in line[1:])
    varied = Counter(map(len, lines)).most_common(1)[0][1] < 0.9 * len(lines)
    again = sum(times for times in items.values() if times > 1) / max(sum(items.values()), 1)
    return lines if varied and len(set(users)) > 0.95 * len(users) and again > 0.2 else None
