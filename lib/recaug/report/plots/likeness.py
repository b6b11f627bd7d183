"""Real and generated behaviour under each other. The column series names `real` and the generators."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, PercentFormatter

from recaug.report.plots.canvas import GRID, HALF, canvas, legend_above, short
from recaug.report.series import Looks, ordered

SHARE_TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)


def popularity(counts: pd.DataFrame, looks: Looks) -> str:
    """Rank-frequency curves on log axes. counts: series, events (of one item), items (that occur so often)."""
    with canvas(HALF, 3.2, looks) as drawing:
        axes = drawing.figure.subplots()
        for series in drawing.series(counts["series"]):
            items = counts[counts["series"] == series.name].sort_values("events", ascending=False)
            last_rank = items["items"].cumsum().to_numpy()
            first_rank = last_rank - items["items"].to_numpy() + 1
            ranks = np.column_stack([first_rank, last_rank]).ravel()
            share = (items["events"] / (items["events"] * items["items"]).sum()).repeat(2)
            axes.plot(ranks, share, color=series.colour, linestyle=series.dash, label=series.label)
        axes.set(xscale="log", yscale="log", xlabel="item, by rank of popularity", ylabel="share of events")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:,.0f}"))
        axes.minorticks_off()
        axes.legend()
        return drawing.svg()


def lengths(counts: pd.DataFrame, looks: Looks) -> str:
    """Share of histories at least so long, on a log axis. counts: series, events (of one user), users."""
    with canvas(HALF, 3.2, looks) as drawing:
        axes = drawing.figure.subplots()
        for series in drawing.series(counts["series"]):
            users = counts[counts["series"] == series.name].sort_values("events")
            at_least = users["users"][::-1].cumsum()[::-1] / users["users"].sum()
            axes.step(
                users["events"],
                at_least,
                where="pre",
                color=series.colour,
                linestyle=series.dash,
                label=series.label,
            )
        axes.set(xscale="log", ylim=(0, 1.02), xlabel="events of a history", ylabel="histories at least so long")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda events, _: f"{events:,.0f}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.minorticks_off()
        axes.legend()
        return drawing.svg()


def gaps(counts: pd.DataFrame, names: Sequence[str], looks: Looks) -> str:
    """Share of silences between a user's events by their length. counts: series, bucket (index into names), gaps."""
    wide = counts.pivot_table(index="bucket", columns="series", values="gaps", aggfunc="sum")
    wide = wide.reindex(range(len(names))).fillna(0)
    return _shares(wide.set_axis(list(names), axis=0), "share of the gaps between two events", looks)


def categories(counts: pd.DataFrame, looks: Looks, most: int = 12) -> str:
    """Share of events by category, the most frequent first, the rest together. counts: series, category, events."""
    counts = counts.assign(category=counts["category"].fillna("(missing)"))
    wide = counts.pivot_table(index="category", columns="series", values="events", aggfunc="sum").fillna(0)
    wide = wide.sort_values(ordered(wide.columns, looks)[:1], ascending=False)
    shown, rest = wide.iloc[:most], wide.iloc[most:]
    if len(rest):
        shown = pd.concat([shown, rest.sum().to_frame(f"{len(rest)} others").T])
    return _shares(shown, "share of events", looks)


def _shares(counts: pd.DataFrame, label: str, looks: Looks) -> str:
    """Dots of shares: one row an index value from top to bottom, one colour and marker a column."""
    shares = counts / counts.sum()
    rows = np.arange(len(shares))[::-1]
    with canvas(HALF, 0.9 + 0.24 * len(shares), looks) as drawing:
        axes = drawing.figure.subplots()
        axes.hlines(rows, shares.min(axis=1), shares.max(axis=1), color=GRID, linewidth=3)
        for series in drawing.series(shares.columns):
            axes.plot(
                shares[series.name],
                rows,
                series.marker,
                markersize=5,
                color=series.colour,
                label=series.label,
                alpha=0.9,
                clip_on=False,
            )
        axes.set_yticks(rows, [short(str(row)) for row in shares.index])
        most = float(shares.to_numpy().max()) * 1.05
        axes.set_xscale("function", functions=(np.sqrt, np.square))  # shows 1 % and 80 % on one axis, and 0
        axes.set_xticks([tick for tick in SHARE_TICKS if tick <= most])
        axes.set(xlabel=f"{label}, square-root scale", xlim=(0, most), ylim=(-0.6, len(shares) - 0.4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
        axes.grid(axis="y", visible=False)
        legend_above(axes)
        return drawing.svg()
