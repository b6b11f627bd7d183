"""The page's figures of training: what each generator lost and gained by epoch."""

from collections.abc import Sequence
from typing import NamedTuple

from recaug.report import plots, records
from recaug.report.series import Series, look_of, ordered, series_looks

MEASURES = {
    "loss": "loss, nats an item",
    "loss_likelihood": "likelihood warm-up, nats an item",
    "loss_generator": "generator's loss, nats",
    "loss_discriminator": "discriminator's loss, nats",
    "gradient": "gradient's norm",
    "gradient_likelihood": "gradient's norm in the warm-up",
    "gradient_generator": "generator's gradient's norm",
    "gradient_discriminator": "discriminator's gradient's norm",
    "validation_ndcg@10": "NDCG@10 on validation users",
    "distinct_items": "distinct items",
    "entropy": "entropy of the items, nats",
    "duplicates": "share of samples equal to another",
}
COLLAPSE = frozenset({"distinct_items", "entropy", "duplicates"})


class Drawing(NamedTuple):
    """A figure of the page."""

    title: str
    svg: str


def training_figures(stages: records.Stages, generators: Sequence[Series]) -> list[Drawing]:
    """Losses and validation metrics of each generator that was trained, then how varied its samples are."""
    values, looks = records.curves(stages), series_looks(generators)
    varied = values["measure"].isin(COLLAPSE)
    figures = [
        Drawing(
            look_of(series, looks).label,
            plots.curves(values[~varied & (values["series"] == series)], MEASURES, looks),
        )
        for series in ordered(values["series"], looks)
    ]
    if varied.any():
        title = "Collapse: five items sampled for each of the same contexts, after each epoch"
        figures.append(Drawing(title, plots.curves(values[varied], MEASURES, looks)))
    return figures
