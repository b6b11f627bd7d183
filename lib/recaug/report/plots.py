"""Figures of the report as inline SVG that follows the page's colours, light or dark.

Each function takes a small pandas DataFrame and gives one `<svg>` element. Colours are drawn as sentinels and
replaced by CSS variables, text stays text: so the page decides how a figure looks.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from recaug.config import TOGETHER

# What is drawn -> the page's CSS variable.
INK, FAINT, GRID = "#010203", "#040506", "#070809"
COLOURS = {
    "real": "#0a0b0c",
    "vae": "#0d0e0f",
    "gan": "#101112",
    "counts": "#161718",
    "classic": "#191a1b",
    "rare_items": "#1c1d1e",
    "pseudo_prior": "#1f2021",
    "sasrec": "#131415",
    "none": "#0a0b0c",
}
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    GRID: "--grid",
    COLOURS["real"]: "--real",
    COLOURS["vae"]: "--vae",
    COLOURS["gan"]: "--gan",
    COLOURS["counts"]: "--counts",
    COLOURS["classic"]: "--classic",
    COLOURS["rare_items"]: "--rare-items",
    COLOURS["pseudo_prior"]: "--pseudo-prior",
    COLOURS["sasrec"]: "--sasrec",
}
NAMES = {
    "real": "real events",
    "vae": "VAE",
    "gan": "GAN",
    "policy": "policy",
    "counts": "counts",
    "classic": "classic",
    "rare_items": "rare items",
    "pseudo_prior": "pseudo-prior",
    "none": "no generated rows",
    "sasrec": "SASRec",
}
SHARE_TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
FULL, HALF = 10.0, 4.9  # inches; the page scales a figure to its column
STYLE: dict[Any, Any] = {
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
}


def name(series: str) -> str:
    """Name a series as a reader would."""
    return " and ".join(NAMES.get(one, one) for one in series.split(TOGETHER))


def colour(series: str) -> str:
    """Colour of a series."""
    return COLOURS.get("sasrec" if TOGETHER in series else series, INK)


@contextmanager
def _style() -> Iterator[None]:
    """Draw in the report's style without touching the process's."""
    with matplotlib.rc_context(STYLE):
        yield


def _svg(figure: Figure) -> str:
    """Write a figure as an `<svg>` element with CSS variables for colours and no ids but those it refers to."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "recaug"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    for sentinel, variable in VARIABLES.items():
        svg = svg.replace(sentinel, f"var({variable})")
    return svg.strip()


def ordered(series: Iterable[str]) -> list[str]:
    """Real first, then VAE and GAN, then whatever else there is by name."""
    known = list(NAMES)
    return sorted(set(series), key=lambda one: (known.index(one) if one in known else len(known), one))


def popularity(counts: pd.DataFrame) -> str:
    """Rank-frequency curves on log axes. counts: series, events (of one item), items (that occur so often)."""
    with _style():
        figure = Figure(figsize=(HALF, 3.2), layout="constrained")
        axes = figure.subplots()
        for series in ordered(counts["series"]):
            one = counts[counts["series"] == series].sort_values("events", ascending=False)
            last_rank = one["items"].cumsum().to_numpy()
            first_rank = last_rank - one["items"].to_numpy() + 1
            ranks = np.column_stack([first_rank, last_rank]).ravel()
            share = (one["events"] / (one["events"] * one["items"]).sum()).repeat(2)
            axes.plot(ranks, share, color=colour(series), label=name(series))
        axes.set(xscale="log", yscale="log", xlabel="item, by rank of popularity", ylabel="share of events")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:,.0f}"))
        axes.minorticks_off()
        axes.legend()
        return _svg(figure)


def lengths(counts: pd.DataFrame) -> str:
    """Share of histories at least so long, on a log axis. counts: series, events (of one user), users."""
    with _style():
        figure = Figure(figsize=(HALF, 3.2), layout="constrained")
        axes = figure.subplots()
        for series in ordered(counts["series"]):
            one = counts[counts["series"] == series].sort_values("events")
            at_least = one["users"][::-1].cumsum()[::-1] / one["users"].sum()
            axes.step(one["events"], at_least, where="pre", color=colour(series), label=name(series))
        axes.set(xscale="log", ylim=(0, 1.02), xlabel="events of a history", ylabel="histories at least so long")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda events, _: f"{events:,.0f}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.minorticks_off()
        axes.legend()
        return _svg(figure)


def gaps(counts: pd.DataFrame, names: Sequence[str]) -> str:
    """Share of silences between a user's events by their length. counts: series, bucket (index into names), gaps."""
    wide = counts.pivot_table(index="bucket", columns="series", values="gaps", aggfunc="sum")
    wide = wide.reindex(range(len(names))).fillna(0)
    return _shares(wide.set_axis(list(names), axis=0), "share of the gaps between two events")


def categories(counts: pd.DataFrame, most: int = 12) -> str:
    """Share of events by category, the most frequent first, the rest together. counts: series, category, events."""
    counts = counts.assign(category=counts["category"].fillna("(missing)"))
    wide = counts.pivot_table(index="category", columns="series", values="events", aggfunc="sum").fillna(0)
    first = ordered(wide.columns)[0]
    wide = wide.sort_values([first], ascending=False)
    shown, rest = wide.iloc[:most], wide.iloc[most:]
    if len(rest):
        shown = pd.concat([shown, rest.sum().to_frame(f"{len(rest)} others").T])
    return _shares(shown, "share of events")


def _shares(counts: pd.DataFrame, label: str) -> str:
    """Dots of shares: one row an index value from top to bottom, one colour a column."""
    shares = counts / counts.sum()
    rows = np.arange(len(shares))[::-1]
    with _style():
        figure = Figure(figsize=(HALF, 0.9 + 0.24 * len(shares)), layout="constrained")
        axes = figure.subplots()
        axes.hlines(rows, shares.min(axis=1), shares.max(axis=1), color=GRID, linewidth=3)
        for series in ordered(shares.columns):
            axes.plot(shares[series], rows, "o", markersize=5, color=colour(series), label=name(series), alpha=0.9)
        axes.set_yticks(rows, [_short(str(row)) for row in shares.index])
        most = float(shares.to_numpy().max()) * 1.05
        axes.set_xscale("function", functions=(np.sqrt, np.square))  # shows 1 % and 80 % on one axis, and 0
        axes.set_xticks([tick for tick in SHARE_TICKS if tick <= most])
        axes.set(xlabel=f"{label}, square-root scale", xlim=(0, most), ylim=(-0.6, len(shares) - 0.4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
        axes.grid(axis="y", visible=False)
        _legend_above(axes)
        return _svg(figure)


def _short(text: str, longest: int = 24) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _legend_above(axes: Axes) -> None:
    """Put the legend in one line above the axes, out of the data's way."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0, handletextpad=0.5, columnspacing=1.4
    )


def curves(values: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Small multiples over the epochs: one panel a measure, one line a model.

    values: kind (which gives the colour), model, epoch, measure, value. labels: measure -> title with its unit; the
    panels come in its order, measures that it lacks at the end under their own name.
    """
    measured = set(values["measure"])
    measures = [measure for measure in labels if measure in measured] + sorted(measured - labels.keys())
    columns = 4 if len(measures) == 4 else 3
    rows = -(-len(measures) // columns)
    with _style():
        figure = Figure(figsize=(FULL, 2.4 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, measure in zip(panels, measures, strict=False):
            _panel(axes, values[values["measure"] == measure])
            axes.set_title(labels.get(measure, measure))
            axes.set_xlabel("epoch")
        for axes in panels[len(measures) :]:
            axes.set_visible(False)
        return _svg(figure)


def _panel(axes: Axes, values: pd.DataFrame) -> None:
    """Lines of one measure; the models of one kind share a colour and differ in dash, and are named at the end."""
    dashes = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
    for kind in ordered(values["kind"]):
        models = values[values["kind"] == kind]
        for number, (model, epochs) in enumerate(models.groupby("model", sort=True)):
            line = epochs.sort_values("epoch")
            dash = dashes[number % len(dashes)]
            axes.plot(line["epoch"], line["value"], color=colour(kind), linestyle=dash, label=model)
            if len(line) == 1:
                axes.plot(line["epoch"], line["value"], "o", markersize=4, color=colour(kind))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if values["value"].min() == 0:
        axes.set_ylim(0, max(float(values["value"].max()) * 1.1, 0.01))
    axes.legend(fontsize=7.5, handlelength=2.2, labelspacing=0.25)


def quality(rows: pd.DataFrame) -> str:
    """A metric of each model with its interval. rows: model, slice (`all users`, `cold users`), mean, low, high."""
    models = list(dict.fromkeys(rows["model"]))
    with _style():
        figure = Figure(figsize=(FULL, 0.7 + 0.42 * len(models)), layout="constrained")
        axes = figure.subplots()
        for part, shade, offset in (("all users", INK, 0.12), ("cold users", COLOURS["vae"], -0.12)):
            of_part = rows[rows["slice"] == part]
            places = np.array([len(models) - 1 - models.index(model) for model in of_part["model"]]) + offset
            axes.hlines(places, of_part["low"], of_part["high"], color=shade, linewidth=2)
            axes.plot(of_part["mean"], places, "o", markersize=6, color=shade, label=part)
        axes.set_yticks(np.arange(len(models))[::-1], models)
        axes.set_xlim(left=0)
        axes.set_xlabel("NDCG@10 with its interval")
        figure.legend(loc="outside upper right", ncols=2)
        axes.grid(axis="y", visible=False)
        return _svg(figure)


def ways(rows: pd.DataFrame) -> str:
    """How well each way tells each attribute. rows: attribute, way, mean, low, high."""
    attributes, told = list(dict.fromkeys(rows["attribute"])), list(dict.fromkeys(rows["way"]))
    palette = (FAINT, *(COLOURS[one] for one in ("counts", "gan", "sasrec", "classic")))
    shades = {way: palette[place % len(palette)] for place, way in enumerate(told)} | {told[-1]: COLOURS["vae"]}
    with _style():
        figure = Figure(figsize=(FULL, 0.8 + 0.45 * len(attributes)), layout="constrained")
        axes = figure.subplots()
        for place, way in enumerate(told):
            of_way = rows[rows["way"] == way]
            at = np.array([len(attributes) - 1 - attributes.index(one) for one in of_way["attribute"]])
            heights = at + 0.2 * ((len(told) - 1) / 2 - place)
            axes.hlines(heights, of_way["low"], of_way["high"], color=shades[way], linewidth=2)
            axes.plot(of_way["mean"], heights, "o", markersize=6, color=shades[way], label=way)
        axes.set_yticks(np.arange(len(attributes))[::-1], attributes)
        axes.set_xlim(left=0)
        figure.legend(loc="outside upper right", ncols=len(told))
        axes.grid(axis="y", visible=False)
        return _svg(figure)


def reliability(bins: pd.DataFrame) -> str:
    """Share of right proposals against their probability. bins: attribute, probability, right, n."""
    attributes = list(dict.fromkeys(bins["attribute"]))
    rows = -(-len(attributes) // 4)
    with _style():
        figure = Figure(figsize=(FULL, 0.3 + 2.3 * rows), layout="constrained")
        panels = figure.subplots(rows, min(len(attributes), 4), squeeze=False, sharex=True, sharey=True).flatten()
        for axes in panels[len(attributes) :]:
            axes.set_visible(False)
        for axes, attribute in zip(panels, attributes, strict=False):
            of_it = bins[bins["attribute"] == attribute]
            axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.7)
            sizes = 6 + 60 * np.sqrt(of_it["n"] / of_it["n"].max())
            axes.scatter(of_it["probability"], of_it["right"], s=sizes, color=COLOURS["vae"])
            axes.set_title(_short(attribute))
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
        panels[0].set_xlabel("probability")
        panels[0].set_ylabel("right")
        return _svg(figure)


def learning_curve(points: pd.DataFrame) -> str:
    """NDCG@10 of each arm over the number of users. points: slice, arm, users, mean, low, high."""
    parts = list(dict.fromkeys(points["slice"]))
    with _style():
        figure = Figure(figsize=(FULL, 3.4), layout="constrained")
        panels = figure.subplots(1, len(parts), squeeze=False, sharey=True)[0]
        for axes, part in zip(panels, parts, strict=True):
            of_part = points[points["slice"] == part]
            arms = ordered(of_part["arm"])
            for number, arm in enumerate(arms):
                line = of_part[of_part["arm"] == arm].sort_values("users")
                users = line["users"] * 1.03 ** (number - (len(arms) - 1) / 2)  # beside each other
                axes.plot(users, line["mean"], "o-", markersize=5, color=colour(arm), label=name(arm))
                axes.vlines(users, line["low"], line["high"], color=colour(arm), linewidth=2)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(sorted(of_part["users"].unique())))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda users, _: f"{users:,.0f}"))
            axes.set_title(part)
            axes.set_xlabel("users that are tested, and as many learnt from")
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("NDCG@10 with its interval")
        panels[0].legend(loc="lower right")
        return _svg(figure)


def cost(rows: pd.DataFrame) -> str:
    """A metric against the CPU seconds that each model took. rows: model, cpu_seconds, mean."""
    with _style():
        figure = Figure(figsize=(FULL, 3.4), layout="constrained")
        axes = figure.subplots()
        seconds = rows["cpu_seconds"].clip(lower=1)
        axes.plot(seconds, rows["mean"], "o", markersize=7, color=COLOURS["vae"])
        for model, x, y in zip(rows["model"], seconds, rows["mean"], strict=True):
            axes.annotate(model, (x, y), xytext=(7, 4), textcoords="offset points")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("CPU seconds of fitting, all settings and seeds")
        axes.set_ylabel("NDCG@10")
        axes.margins(x=0.15, y=0.15)
        return _svg(figure)


def forest(lifts: pd.DataFrame, min_lift: float, max_harm: float, confidence: float) -> str:
    """Relative lifts with their intervals, one row a slice and generator; the gate's bounds as lines.

    lifts: slice, generator, window (`test` or `validation`), mean, low, high, all shares (.05 is 5 %).
    """
    rows = np.arange(len(lifts))[::-1]
    with _style():
        figure = Figure(figsize=(FULL, 0.7 + 0.3 * len(lifts)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.axvline(min_lift, color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axes.axvline(-max_harm, color=FAINT, linewidth=1, linestyle=(0, (1, 2)))
        for row, lift in zip(rows, lifts.to_dict("records"), strict=True):
            shade, tested = colour(lift["generator"]), lift["window"] == "test"
            axes.hlines(row, lift["low"], lift["high"], color=shade, linewidth=2 if tested else 1)
            fill = shade if tested else "none"
            axes.plot(lift["mean"], row, "o", markersize=6, markerfacecolor=fill, markeredgecolor=shade)
        labels = lifts["slice"] + ", " + lifts["generator"].map(name) + ", " + lifts["window"]
        axes.set_yticks(rows, list(labels))
        axes.set_xlabel(f"lift over no generated rows, {confidence * 100:g} % interval")
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda lift, _: f"{round(lift * 100, 6):+g} %".replace("+0 %", "0 %"))
        )
        axes.set_ylim(-0.6, len(lifts) - 0.4)
        axes.grid(axis="y", visible=False)
        return _svg(figure)
