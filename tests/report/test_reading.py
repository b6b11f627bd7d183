"""How the page reads: the order of its sections, without a mouse, without colour, in the dark and on paper."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from tests.report.nights import METRICS, by_hand

from recaug.generators.registry import KINDS, resolve
from recaug.report import page

CSS = (Path(page.__file__).parent / "style.css").read_text()
DARK = "@media screen and (prefers-color-scheme: dark)"
TEXT = ("--ink", "--faint", "--blue", "--orange", "--good", "--bad")  # what words are written in
Tag = tuple[str, dict[str, str]]


class Tags(HTMLParser):
    """A page's start tags with their attributes, in order, each with the tags around it."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[Tag] = []
        self.around: list[list[Tag]] = []
        self.open: list[Tag] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        this = (tag, {key: value or "" for key, value in attrs})
        self.all.append(this)
        self.around.append(list(self.open))
        if tag not in self.VOID:
            self.open.append(this)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag, f"</{tag}> closes another tag"

    def named(self, tag: str) -> list[dict[str, str]]:
        return [own for name, own in self.all if name == tag]


@pytest.fixture(scope="module", params=["publish", "hold"])
def tags(request: pytest.FixtureRequest) -> Tags:
    return Tags(page.render(by_hand(request.param)))


def colours(dark: bool) -> dict[str, str]:
    """The page's own variables and those of the generators, as the light or the dark page has them."""
    light, _, rest = CSS.partition(DARK)
    palette = dict(re.findall(r"(--[a-z]+): (#[0-9a-f]{6})", light))
    if dark:
        palette |= dict(re.findall(r"(--[a-z]+): (#[0-9a-f]{6})", rest[: rest.index("}\n}")]))
    return palette | {kind: resolve(kind).colour[dark] for kind in KINDS}


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances (WCAG 2.2): 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_stands_out_from_its_paper(dark: bool) -> None:
    palette = colours(dark)
    written = [*TEXT, *KINDS]
    ratios = {
        (ink, paper): contrast(palette[ink], palette[paper]) for ink in written for paper in ("--paper", "--card")
    }
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_decision_comes_first_then_for_whom_then_what_then_cost(tags: Tags) -> None:
    sections = [own["id"] for own in tags.named("section")]
    assert sections == ["lift", "likeness", "privacy", "users", "cost", "metrics", "training", "rows", "versions"]
    first = [name for name, _ in tags.all if name in ("h1", "h2", "table", "svg")][:3]
    assert first == ["h1", "h2", "table"]  # nothing between the decision and the lifts
    links = [own["href"][1:] for own in tags.named("a") if own["href"][1:] in sections]
    assert links == sections


@pytest.mark.parametrize(("decision", "word"), [("publish", "Published:"), ("hold", "Held:")])
def test_the_decision_is_a_word_and_beside_the_strongest_control(decision: str, word: str) -> None:
    html = page.render(by_hand(decision)).replace("\u00a0", " ")
    header = html[html.index("<header>") : html.index("</header>")]
    assert f'<span class="mark">{word}</span>' in header
    assert "Beside the same recommender without generated rows, NDCG@10 changes by +12.0 % [+4.0 %, +20.0 %]" in header
    assert "The strongest control is co-visitation alone" in header
    undecided = msgspec.structs.replace(METRICS["evaluate"], chosen=None)
    assert "strongest" not in page.render(by_hand(decision, evaluate=undecided))


def test_headings_go_down_a_step_at_a_time(tags: Tags) -> None:
    levels = [int(name[1]) for name, _ in tags.all if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_first_tab_skips_to_the_content(tags: Tags) -> None:
    reachable = [own for name, own in tags.all if name == "a" or "tabindex" in own]
    assert reachable[0]["href"] == "#content"
    assert {"id": "content", "tabindex": "-1"} in tags.named("main")
    assert re.search(r":focus-visible \{[^}]*outline: [1-9]", CSS)


def test_every_heading_of_a_table_says_what_it_heads(tags: Tags) -> None:
    cells = tags.named("th")
    assert len(cells) > 50
    assert {own.get("scope") for own in cells} == {"col", "row", "rowgroup"}
    assert tags.named("html")[0]["lang"] == "en"


def test_whatever_may_be_wide_scrolls_alone_and_from_the_keyboard(tags: Tags) -> None:
    named = zip(tags.all, tags.around, strict=True)
    wide = [around for (name, own), around in named if name == "table" or (name == "svg" and "role" in own)]
    assert len(wide) > 15
    for around in wide:
        region = next(own for _, own in reversed(around) if own.get("class") == "scroll")
        assert region["tabindex"] == "0"
        assert region["role"] == "region"
        assert region["aria-label"]
    labels = [own["aria-label"] for _, own in tags.all if own.get("class") == "scroll"]
    assert len(set(labels)) == len(labels)
    assert re.search(r"\.scroll \{[^}]*overflow-x: auto", CSS)


def test_a_figure_is_named_or_its_table_speaks_for_it(tags: Tags) -> None:
    drawn = tags.named("svg")
    assert len(drawn) > 10
    assert all(own.get("aria-label") or own.get("aria-hidden") == "true" for own in drawn)


def test_a_lift_says_in_words_what_its_mark_shows() -> None:
    html = page.render(by_hand()).replace("\u00a0", " ")
    shown = re.findall(
        r"<b>([^<]+)</b> <span class=\"between\">([^<]+)</span> <span class=\"word [a-z-]+\">([^<]+)<", html
    )
    assert ("+12.0 %", "+4.0 % to +20.0 %", "a gain") in shown
    assert ("-2.0 %", "-10.0 % to +6.0 %", "no proof") in shown


def test_what_misses_the_gate_s_bound_is_a_word_too() -> None:
    html = page.render(by_hand())
    missed = re.findall(r'<td class="n bad">[^<]+<small>(\w+)</small>', html)
    assert missed == ["missed"] * 3  # the GAN's coverage, entropy and duplicates


def test_paper_has_no_navigation_no_dark_and_nothing_cut() -> None:
    paper = CSS[CSS.index("@media print") :]
    assert "size: A4" in paper
    assert re.search(r"nav[^{]*\{ display: none", paper)
    assert re.search(r"figure[^{]*\{ break-inside: avoid", paper)
    assert re.search(r"\.scroll \{ overflow: visible", paper)
    schemes = re.findall(r"@media ([^{]*)\(prefers-color-scheme: dark\)", page.render(by_hand()))
    assert schemes == ["screen and "] * 2
