"""Curves of training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from recaug.report.plots.canvas import DASHES, FULL, Canvas, canvas, plain
from recaug.report.series import Looks


def curves(values: pd.DataFrame, labels: Mapping[str, str], looks: Looks) -> str:
    """Small multiples over the epochs: one panel a measure, one line a model.

    values: series (the generator), model, epoch, measure, value. labels: measure -> title with its unit; the panels
    come in its order, measures that it lacks at the end under their own name.
    """
    measured = set(values["measure"])
    measures = [measure for measure in labels if measure in measured] + sorted(measured - labels.keys())
    columns = 4 if len(measures) == 4 else 3
    rows = -(-len(measures) // columns)
    with canvas(FULL, 2.4 * rows, looks) as drawing:
        panels = drawing.figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, measure in zip(panels, measures, strict=False):
            _panel(axes, values[values["measure"] == measure], drawing)
            axes.set_title(plain(labels.get(measure, measure)))
            axes.set_xlabel("epoch")
        for axes in panels[len(measures) :]:
            axes.set_visible(False)
        return drawing.svg()


def _panel(axes: Axes, values: pd.DataFrame, drawing: Canvas) -> None:
    """Lines of one measure; the models of a generator share a colour and differ in dash, generators in marker too."""
    together = drawing.series(values["series"])
    for series in together:
        models = values[values["series"] == series.name]
        for number, (model, epochs) in enumerate(models.groupby("model", sort=True)):
            line = epochs.sort_values("epoch")
            dash = DASHES[number % len(DASHES)]
            marker = series.marker if len(together) > 1 or len(line) == 1 else ""
            axes.plot(
                line["epoch"],
                line["value"],
                color=series.colour,
                linestyle=dash,
                marker=marker,
                markersize=4,
                label=plain(str(model)),
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if values["value"].min() == 0:
        axes.set_ylim(0, max(float(values["value"].max()) * 1.1, 0.01))
    axes.legend(fontsize=7.5, handlelength=2.2, labelspacing=0.25)
