"""README, its Chinese twin and docs/: what they name is there, and what they say twice they say alike."""

import re
import runpy
import shlex
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec import inspect as types
from tests.conftest import STAGES
from tests.markdown import (
    CHINESE,
    DOCS,
    PAGES,
    README,
    ROOT,
    anchors,
    code,
    commands,
    headings,
    links,
    prose,
    read,
    rows,
    sections,
)

from recaug.config import Config
from recaug.config.reference import sections as rooms
from recaug.lake.contracts import TABLES

IDS = [f"{part}{number}" for part, last in zip("ABCDE", (5, 12, 5, 7, 8), strict=True) for number in range(1, last + 1)]
STATES = {"works", "first form", "–"}
IMAGES = ROOT / "docs" / "images"
FEATURES, RESULTS, GLOSSARY = (ROOT / "docs" / f"{name}.md" for name in ("features", "results", "glossary"))
MADE_BY_THE_READER = {"conf/shop.yaml", "conf/search.yaml"}
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def features(page: Path) -> dict[str, str]:
    """State by id, in the order of README's table."""
    cells = [row for row in rows(read(page)) if row[0].startswith("[") and len(row) == 3]
    return {row[0][1:].partition("]")[0]: row[2] for row in cells}


def test_readme_fits_150_lines_of_120_columns() -> None:
    lines = read(README).splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []


# --- the Chinese README


def test_the_chinese_readme_has_the_same_headings() -> None:
    assert [heading.level for heading in headings(CHINESE)] == [heading.level for heading in headings(README)]
    assert all(re.search(r"[\u4e00-\u9fff]", heading.text) for heading in headings(CHINESE)[1:])


def test_the_chinese_readme_has_the_same_code() -> None:
    assert len(code(README)) == 4
    assert code(CHINESE) == code(README)


def test_the_chinese_readme_has_the_same_features_and_states() -> None:
    assert list(features(CHINESE).items()) == list(features(README).items())


def test_the_chinese_readme_has_the_same_links() -> None:
    assert links(CHINESE) == ["README.md" if link == "README.zh.md" else link for link in links(README)]


def test_the_chinese_readme_has_the_same_figures() -> None:
    def figures(page: Path) -> list[str]:
        return sorted(re.findall(r"[+-]?\d*\.?\d+%?", re.sub(r"\]\([^)]*\)", "]", prose(page))))

    assert figures(CHINESE) == figures(README)


# --- what the pages name


@by_name
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A page\n\n[x](b.md#no), [y](b.md#yes-there-1)\n")
    (tmp_path / "b.md").write_text("# B\n\n## Yes, there\n\n## Yes, there\n")
    assert anchors(tmp_path / "b.md") == ["b", "yes-there", "yes-there-1"]
    with pytest.raises(AssertionError, match=r"b\.md#no"):
        test_every_link_leads_somewhere(tmp_path / "a.md")


@by_name
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(re.findall(r"(?<![\w./-])(?:conf|docs|jobs|lib|notebooks|tests)/[\w./-]*\w", read(page)))
    missing = {name for name in named if not (ROOT / name).exists()} - MADE_BY_THE_READER
    assert {name for name in missing if not (page.parent / name).exists()} == set()


@by_name
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.M))
    named = re.findall(r"(?:^    |`)(?:[A-Z]+=\S+ )?make ([a-z][a-z-]*)", read(page), re.M)
    assert set(named) <= targets


@by_name
def test_every_key_that_a_page_names_is_one(page: Path) -> None:
    keys = {
        ".".join(filter(None, (room.path, field.encode_name)))
        for room in rooms("", types.type_info(Config))
        for field in room.struct.fields
    }
    top = {key for key in keys if "." not in key}
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?:: [^`]*)?`", prose(page)))
    assert {name for name in named if name.partition(".")[0] in top} <= keys


def options(job: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The options of a job, as its --help lists them."""
    monkeypatch.setattr(sys, "argv", [job, "--help"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / job), run_name="__main__")
    return set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def test_every_option_that_a_command_gives_is_one_of_its_job(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {line for page in PAGES for line in commands(page) if "jobs/" in line}
    jobs = {word for line in lines for word in shlex.split(line) if word.startswith("jobs/")}
    assert len(jobs) >= 7
    known = {job: options(job, capsys, monkeypatch) for job in sorted(jobs)}
    for line in lines:
        words = shlex.split(line)
        (place,) = (number for number, word in enumerate(words) if word.startswith("jobs/"))
        assert {word for word in words[place:] if word.startswith("--")} <= known[words[place]], line


# --- what is said twice


def test_readme_has_every_feature_with_its_state() -> None:
    assert list(features(README)) == IDS
    assert set(features(README).values()) <= STATES


def test_each_feature_links_to_its_own_place() -> None:
    cells = [row[0] for row in rows(read(README)) if row[0].startswith("[")]
    assert cells == [f"[{name}](docs/features.md#{name.lower()})" for name in IDS]


def test_features_says_the_same_states_at_length() -> None:
    said = {name: text for name, text in sections(FEATURES).items() if name in IDS}
    assert {name: text.strip().removeprefix("State: ").partition(".")[0] for name, text in said.items()} == features(
        README
    )


def test_readme_shortens_what_results_says_the_demo_printed() -> None:
    whole = sections(RESULTS)["The demo"].splitlines()
    (printed,) = (block for block in code(README) if "ingest " in block)
    for line in printed.splitlines():
        first, *rest = (part.strip() for part in line.split("..."))
        assert any(first in full and all(part in full for part in rest) for full in whole), line


def test_every_table_of_results_has_its_command_and_commit() -> None:
    parts = re.split(r"^## (.+)\n", read(RESULTS), flags=re.M)[1:]
    measured = {name: text for name, text in zip(parts[::2], parts[1::2], strict=True) if rows(text)}
    assert len(measured) >= 10
    for name, text in measured.items():
        assert re.search(r"commits?:?\s+[0-9a-f]{7}", text, re.I), f"{name} names no commit"
        assert re.search(r"^    (make|\.venv)|`make |`\.venv", text, re.M), f"{name} names no command"


def test_glossary_is_in_the_order_of_the_alphabet() -> None:
    words = [row[0] for row in rows(read(GLOSSARY))[1:]]
    assert words == sorted(set(words), key=str.lower)
    assert {"arm", "slice", "continuation", "fold", "blend", "fidelity", "gate", "lift"} <= set(words)
    assert all(all(row) and len(row) == 3 for row in rows(read(GLOSSARY)))


def test_glossary_names_headings_that_the_page_has() -> None:
    templates = [read(file) for file in (ROOT / "lib" / "recaug" / "report").rglob("*.html")]
    there = {text for template in templates for text in re.findall(r"<h[23][^>]*>([^<{]+)<", template)}
    named = set(re.findall(r"\*([A-Z][^*]+)\*", prose(GLOSSARY)))
    assert len(named) >= 5
    assert named <= there


# --- pictures


def words_of(picture: Path, kind: str | None = None) -> list[str]:
    """The texts that a drawing shows. kind: only those of this class."""
    texts = ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")
    return [element.text or "" for element in texts if kind is None or element.get("class") == kind]


@pytest.mark.parametrize("picture", sorted(IMAGES.glob("*.svg")), ids=lambda picture: picture.name)
def test_a_drawing_is_small_has_a_title_and_words(picture: Path) -> None:
    drawing = ElementTree.parse(picture).getroot()
    assert picture.stat().st_size < 20_000
    assert drawing.find("{http://www.w3.org/2000/svg}title") is not None
    assert len(words_of(picture)) > 5
    assert any(f"images/{picture.name}" in link for page in DOCS for link in links(page))


def test_the_picture_of_the_night_shows_every_stage_and_tables_that_are_there() -> None:
    names = [word.partition(":")[0] for word in words_of(IMAGES / "night.svg", "name")]
    assert [name for name in names if name in STAGES] == list(STAGES)
    tables = {name for word in words_of(IMAGES / "night.svg", "table") for name in re.findall(r"\w+", word)}
    assert tables <= {*TABLES}
    assert {"events", "candidate_events", "augmented_events", "recommendations", "runs"} <= tables


def test_the_screenshot_is_of_a_window_of_1280_by_800() -> None:
    head = (IMAGES / "page.png").read_bytes()
    assert struct.unpack(">II", head[16:24]) == (1280, 800)
    assert len(head) < 300_000
