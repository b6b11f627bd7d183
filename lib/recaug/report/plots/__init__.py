"""Figures of the report as inline SVG that follows the page's colours, light or dark.

Each function takes a small pandas DataFrame and gives one `<svg>` element.
"""

from recaug.report.plots.canvas import labelled
from recaug.report.plots.evidence import learning_curve
from recaug.report.plots.likeness import categories, gaps, lengths, popularity
from recaug.report.plots.studies import cost, quality, reliability, ways
from recaug.report.plots.training import curves

__all__ = [
    "categories",
    "cost",
    "curves",
    "gaps",
    "labelled",
    "learning_curve",
    "lengths",
    "popularity",
    "quality",
    "reliability",
    "ways",
]
