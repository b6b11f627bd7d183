"""Reads the project's Markdown: headings, code, links, tables; no more of its syntax than the project uses."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
README, CHINESE = ROOT / "README.md", ROOT / "README.zh.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, CHINESE, ROOT / "CONTRIBUTING.md", *DOCS]

CODE = re.compile(r"(?:^    .*\n)+|^```.*\n(?:.*\n)*?^```$", re.M)  # indented, or between fences
COMMAND = re.compile(r"^    ((?:make|\.venv/bin/python|spark-submit) [^#\n]*)", re.M)  # what follows # is a comment


class Heading(NamedTuple):
    """level: of 1, the page's title, to 6."""

    level: int
    text: str


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code(page: Path) -> list[str]:
    """The blocks of code, in order."""
    return [block.rstrip() for block in CODE.findall(read(page))]


def prose(page: Path) -> str:
    """All but the blocks of code and the comments."""
    return re.sub(r"<!--.*?-->", "", CODE.sub("", read(page)), flags=re.S)


def commands(page: Path) -> list[str]:
    """The lines that start with a command, without their comments."""
    return [line.strip() for line in COMMAND.findall(read(page))]


def headings(page: Path) -> list[Heading]:
    return [Heading(len(marks), text.strip()) for marks, text in re.findall(r"^(#{1,6}) (.+)$", prose(page), re.M)]


def anchors(page: Path) -> list[str]:
    """What a link may name behind #, as GitHub makes it from the headings; of two alike the second has -1."""
    made: list[str] = []
    for heading in headings(page):
        slug = re.sub(r"[^\w\- ]", "", heading.text.lower()).replace(" ", "-")
        doubled = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in made)
        made.append(f"{slug}-{doubled}" if doubled else slug)
    return made


def links(page: Path) -> list[str]:
    """What links and pictures refer to, in order."""
    return re.findall(r"\]\(([^()\s]+)\)", prose(page))


def rows(text: str) -> list[list[str]]:
    """The cells of each row of a text's tables, those of the heads too."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of a page, up to the next one."""
    parts = re.split(r"^#{1,6} (.+)\n", read(page), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))
