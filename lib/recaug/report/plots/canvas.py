"""What all figures share: the page's style, and colours that the page decides.

Colours are drawn as sentinels and replaced by CSS variables, text stays text.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any, NamedTuple

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recaug.report.series import Looks, look_of, ordered

INK, FAINT, GRID = "#010203", "#040506", "#070809"
OWN = {"--ink": INK, "--faint": FAINT, "--grid": GRID}  # what the style itself draws with
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
FULL, HALF = 10.0, 4.9  # inches; the page scales a figure to its column
STYLE: Mapping[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "recaug",
}


def bounds(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Both ends of intervals (low, high); nan, which is not drawn, where there is none."""
    return rows["low"].astype(float), rows["high"].astype(float)


Dash = str | tuple[int, tuple[float, ...]]


class Drawn(NamedTuple):
    """A series as matplotlib draws it; dash and marker tell it from others where colours do not."""

    name: str
    label: str
    colour: str
    dash: Dash
    marker: str


class Canvas:
    """A figure whose colours are the page's CSS variables. looks: of the series that it draws."""

    def __init__(self, width: float, height: float, looks: Looks) -> None:
        self.figure = Figure(figsize=(width, height), layout="constrained")
        self._looks = looks
        self._sentinels = dict(OWN)

    def colour(self, variable: str) -> str:
        """Give what to draw with for a CSS variable of the page."""
        return self._sentinels.setdefault(variable, f"#{0x010203 + 0x030303 * len(self._sentinels):06x}")

    def look(self, name: str) -> Drawn:
        """Label, colour, dash and marker of a series."""
        look = look_of(name, self._looks)
        place = next((place for place, known in enumerate(self._looks) if known == name), len(self._looks))
        dash, marker = DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)]
        return Drawn(name, plain(look.label), self.colour(look.colour), dash, marker)

    def series(self, names: Iterable[str]) -> list[Drawn]:
        """These, each once, in the page's order."""
        return [self.look(name) for name in ordered(names, self._looks)]

    def svg(self) -> str:
        """Write the figure as an `<svg>` element with CSS variables for colours and no ids but those it refers to."""
        text = io.StringIO()
        self.figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        svg = text.getvalue()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
        svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
        for variable, sentinel in self._sentinels.items():
            svg = svg.replace(sentinel, f"var({variable})")
        return svg.strip()


@contextmanager
def canvas(width: float, height: float, looks: Looks | None = None) -> Iterator[Canvas]:
    """Draw in the report's style without touching the process's. Sizes in inches."""
    with matplotlib.rc_context(dict(STYLE)):
        yield Canvas(width, height, looks or {})


def plain(text: str) -> str:
    """Keep matplotlib from reading a text of the data as a formula."""
    return text.replace("$", r"\$")


def short(text: str, longest: int = 24) -> str:
    """Cut a text that is too long for an axis; plain."""
    return plain(text if len(text) <= longest else text[: longest - 1].rstrip() + "…")


def labelled(svg: str, title: str) -> str:
    """Name a figure for those who do not see it."""
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


def legend_above(axes: Axes) -> None:
    """Put the legend in one line above the axes, out of the data's way."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0, handletextpad=0.5, columnspacing=1.4
    )
