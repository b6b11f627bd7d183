"""Learning curves of arms. The column arm holds their names."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from recaug.report.plots.canvas import FULL, Canvas, bounds, canvas
from recaug.report.series import Looks


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
        axes.plot(users, line["mean"], arm.marker, linestyle=arm.dash, markersize=5, color=arm.colour, label=arm.label)
        axes.vlines(users, *bounds(line), color=arm.colour, linewidth=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(points["users"].unique())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda users, _: f"{users:,.0f}"))
    axes.set_xlabel("users that are tested, and as many learnt from")
