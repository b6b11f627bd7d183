"""Figures of the studies: recommenders compared, attributes completed, pictures generated."""

import numpy as np
import pandas as pd

from recaug.report.plots.canvas import FAINT, FULL, INK, MARKERS, bounds, canvas, plain, short

PALETTE = ("--faint", "--teal", "--orange", "--violet", "--brown")  # of the ways beside the last
MAIN = "--blue"


def quality(rows: pd.DataFrame) -> str:
    """A metric of each model with its interval. rows: model, slice (`all users`, `cold users`), mean, low, high."""
    models = list(dict.fromkeys(rows["model"]))
    with canvas(FULL, 0.7 + 0.42 * len(models)) as drawing:
        axes = drawing.figure.subplots()
        blue = drawing.colour(MAIN)
        for part, shade, marker, offset in (("all users", INK, "o", 0.12), ("cold users", blue, "s", -0.12)):
            of_part = rows[rows["slice"] == part]
            places = np.array([len(models) - 1 - models.index(model) for model in of_part["model"]]) + offset
            axes.hlines(places, *bounds(of_part), color=shade, linewidth=2)
            axes.plot(of_part["mean"], places, marker, markersize=6, color=shade, label=part)
        axes.set_yticks(np.arange(len(models))[::-1], [plain(model) for model in models])
        axes.set_xlim(left=0)
        axes.set_xlabel("NDCG@10 with its interval")
        drawing.figure.legend(loc="outside upper right", ncols=2)
        axes.grid(axis="y", visible=False)
        return drawing.svg()


def ways(rows: pd.DataFrame) -> str:
    """How well each way tells each attribute. rows: attribute, way, mean, low, high."""
    attributes, names = list(dict.fromkeys(rows["attribute"])), list(dict.fromkeys(rows["way"]))
    with canvas(FULL, 0.8 + 0.45 * len(attributes)) as drawing:
        axes = drawing.figure.subplots()
        for place, way in enumerate(names):
            of_way = rows[rows["way"] == way]
            at = np.array([len(attributes) - 1 - attributes.index(attribute) for attribute in of_way["attribute"]])
            heights = at + 0.2 * ((len(names) - 1) / 2 - place)
            shade = drawing.colour(MAIN if way == names[-1] else PALETTE[place % len(PALETTE)])
            axes.hlines(heights, *bounds(of_way), color=shade, linewidth=2)
            marker = MARKERS[place % len(MARKERS)]
            axes.plot(of_way["mean"], heights, marker, markersize=6, color=shade, label=plain(way))
        axes.set_yticks(np.arange(len(attributes))[::-1], [plain(attribute) for attribute in attributes])
        axes.set_xlim(left=0)
        drawing.figure.legend(loc="outside upper right", ncols=len(names))
        axes.grid(axis="y", visible=False)
        return drawing.svg()


def reliability(bins: pd.DataFrame) -> str:
    """Share of right proposals against their probability. bins: attribute, probability, right, n."""
    attributes = list(dict.fromkeys(bins["attribute"]))
    rows = -(-len(attributes) // 4)
    with canvas(FULL, 0.3 + 2.3 * rows) as drawing:
        columns = min(len(attributes), 4)
        panels = drawing.figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
        for axes in panels[len(attributes) :]:
            axes.set_visible(False)
        for axes, attribute in zip(panels, attributes, strict=False):
            of_attribute = bins[bins["attribute"] == attribute]
            axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.7)
            sizes = 6 + 60 * np.sqrt(of_attribute["n"] / of_attribute["n"].max())
            axes.scatter(of_attribute["probability"], of_attribute["right"], s=sizes, color=drawing.colour(MAIN))
            axes.set_title(short(attribute))
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
        panels[0].set_xlabel("probability")
        panels[0].set_ylabel("right")
        return drawing.svg()


def cost(rows: pd.DataFrame) -> str:
    """A metric against the CPU seconds that each model took. rows: model, cpu_seconds, mean."""
    with canvas(FULL, 3.4) as drawing:
        axes = drawing.figure.subplots()
        seconds = rows["cpu_seconds"].clip(lower=1)
        axes.plot(seconds, rows["mean"], "o", markersize=7, color=drawing.colour(MAIN))
        for model, x, y in zip(rows["model"], seconds, rows["mean"], strict=True):
            axes.annotate(plain(model), (x, y), xytext=(7, 4), textcoords="offset points")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("CPU seconds of fitting, all settings and seeds")
        axes.set_ylabel("NDCG@10")
        axes.margins(x=0.15, y=0.15)
        return drawing.svg()
