"""Lifts and learning curves of arms. The column arm holds their names."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from recaug.config import Gate
from recaug.report.plots.canvas import FAINT, FULL, INK, Canvas, bounds, canvas
from recaug.report.series import Looks


def forest(lifts: pd.DataFrame, gate: Gate, looks: Looks) -> str:
    """Relative lifts with their intervals, one row a slice and arm; the gate's bounds as lines.

    lifts: slice, arm, window (`test` or `validation`), mean, low, high, all shares (.05 is 5 %).
    """
    rows = np.arange(len(lifts))[::-1]
    with canvas(FULL, 0.7 + 0.3 * len(lifts), looks) as drawing:
        axes = drawing.figure.subplots()
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.axvline(gate.min_lift, color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axes.axvline(-gate.max_harm, color=FAINT, linewidth=1, linestyle=(0, (1, 2)))
        for row, lift in zip(rows, lifts.to_dict("records"), strict=True):
            shade, tested = drawing.look(lift["arm"]).colour, lift["window"] == "test"
            axes.hlines(row, lift["low"], lift["high"], color=shade, linewidth=2 if tested else 1)
            fill = shade if tested else "none"
            axes.plot(lift["mean"], row, "o", markersize=6, markerfacecolor=fill, markeredgecolor=shade)
        labels = [drawing.look(arm).label for arm in lifts["arm"]]
        axes.set_yticks(rows, list(lifts["slice"] + ", " + labels + ", " + lifts["window"]))
        axes.set_xlabel(f"lift over no generated rows, {gate.confidence * 100:g} % interval")
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda lift, _: f"{round(lift * 100, 6):+g} %".replace("+0 %", "0 %"))
        )
        axes.set_ylim(-0.6, len(lifts) - 0.4)
        axes.grid(axis="y", visible=False)
        return drawing.svg()


def learning_curve(points: pd.DataFrame, looks: Looks) -> str:
    """NDCG@10 of each arm over the number of users. points: slice, arm, users, mean, low, high."""
    parts = list(dict.fromkeys(points["slice"]))
    with canvas(FULL, 3.4, looks) as drawing:
        panels = drawing.figure.subplots(1, len(parts), squeeze=False, sharey=True)[0]
        for axes, part in zip(panels, parts, strict=True):
            _over_users(axes, points[points["slice"] == part], drawing)
            axes.set_title(part)
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("NDCG@10 with its interval")
        panels[0].legend(loc="lower right")
        return drawing.svg()


def _over_users(axes: Axes, points: pd.DataFrame, drawing: Canvas) -> None:
    """One line an arm, points of the same number of users beside each other."""
    arms = drawing.series(points["arm"])
    for number, arm in enumerate(arms):
        line = points[points["arm"] == arm.name].sort_values("users")
        users = line["users"] * 1.03 ** (number - (len(arms) - 1) / 2)
        axes.plot(users, line["mean"], "o-", markersize=5, color=arm.colour, label=arm.label)
        axes.vlines(users, *bounds(line), color=arm.colour, linewidth=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(points["users"].unique())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda users, _: f"{users:,.0f}"))
    axes.set_xlabel("users that are tested, and as many learnt from")
