"""The page: one HTML file with everything in it, that opens from a folder without a network."""

import datetime as dt
import platform
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import jinja2
import pandas as pd

from recaug.config import Gate
from recaug.evaluate.ranking import RARE
from recaug.report import distributions, plots, tables

PACKAGES = (
    "recaug",
    "pyspark",
    "delta-spark",
    "torch",
    "horovod",
    "petastorm",
    "pyarrow",
    "numpy",
    "pandas",
    "scipy",
    "mlflow-skinny",
)
SHOWN_EVENTS = 12  # of an example's user

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


@dataclass(frozen=True)
class Night:
    """What the page shows of one night; what is missing is left out.

    stages: records by name. history: the decisions of the last nights (event_date, decision, reason). versions: of
    the tables, by name. The DataFrames are what distributions gives, as pandas; histories holds the events of the
    examples' users and of their source users.
    """

    date: dt.date
    run_id: str
    config_hash: str
    task: str
    gate: Gate
    stages: tables.Stages
    category: str | None = None
    popularity: pd.DataFrame | None = None
    lengths: pd.DataFrame | None = None
    gaps: pd.DataFrame | None = None
    categories: pd.DataFrame | None = None
    examples: pd.DataFrame | None = None
    histories: pd.DataFrame | None = None
    quarantine: pd.DataFrame | None = None
    history: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, int] = field(default_factory=dict)


def render(night: Night) -> str:
    """Write the page of a night as one HTML document without any outside reference."""
    counts = tables.counts(night.stages)
    evaluation = night.stages["evaluate"].metrics if "evaluate" in night.stages else {}
    return (
        templates()
        .get_template("page.html")
        .render(
            night=night,
            decision=tables.decision(night.stages),
            verdict=tables.verdict(night.stages, night.date),
            reasons=tables.reasons(night.stages),
            counts=counts,
            flows=tables.flows(night.stages, counts),
            training=training_figures(night.stages),
            likeness=likeness_figures(night),
            fidelity=tables.fidelity(evaluation, night.gate),
            policy=tables.policy(night.stages),
            metrics=[table for part in tables.SLICES if (table := tables.metric_table(evaluation, part))],
            seeds=evaluation.get("seeds"),
            exposure=tables.exposure(evaluation),
            lift=lift_figure(evaluation, night.gate),
            rare=RARE,
            lift_tables=[table for part in tables.SLICES if (table := tables.lift_table(evaluation, part))],
            examples=example_cards(night),
            costs=tables.costs(night.stages),
            worth=tables.lift_per_minute(night.stages),
            leaks=tables.leaks(evaluation),
            lists=tables.lists_told(night.stages),
            packages=package_versions(),
            platform=f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        )
    )


def templates() -> jinja2.Environment:
    """Give the report's templates, with their filters."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recaug.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": tables.seconds,
        "percent": tables.percent,
        "figure": tables.figure,
        "label": plots.name,
    }
    return environment


def training_figures(stages: tables.Stages) -> list[dict[str, str]]:
    """Losses and validation metrics of each kind of generator, then how varied its samples are: title and svg."""
    values = tables.curves(stages)
    varied = values["measure"].isin(COLLAPSE)
    figures = [
        {"title": plots.name(kind), "svg": plots.curves(values[~varied & (values["kind"] == kind)], MEASURES)}
        for kind in plots.ordered(values["kind"])
    ]
    if varied.any():
        title = "Collapse: five items sampled for each of the same contexts, after each epoch"
        figures.append({"title": title, "svg": plots.curves(values[varied], MEASURES)})
    return figures


def likeness_figures(night: Night) -> list[dict[str, str]]:
    """Real against generated distributions, those that there are: title and svg."""
    figures = []
    if night.popularity is not None:
        figures.append({"title": "Item popularity", "svg": plots.popularity(night.popularity)})
    if night.lengths is not None:
        figures.append({"title": "Length of a history", "svg": plots.lengths(night.lengths)})
    if night.gaps is not None and len(night.gaps):
        figures.append({"title": "Time between events", "svg": plots.gaps(night.gaps, distributions.gap_names())})
    if night.categories is not None:
        figures.append({"title": f"Mix of {night.category}", "svg": plots.categories(night.categories)})
    return figures


def lift_figure(evaluation: Mapping[str, Any], gate: Gate) -> str | None:
    """Forest plot of the lifts, or None where none was measured."""
    lifts = tables.lifts(evaluation)
    return plots.forest(lifts, gate.min_lift, gate.max_harm, gate.confidence) if len(lifts) else None


def example_cards(night: Night) -> list[dict[str, Any]]:
    """Generated users beside their source users: user, real (events by source user) and generated.

    An event has title, category and, beside a continuation, `next`: the titles generated to follow it.
    """
    if night.examples is None or night.histories is None:
        return []
    cards = []
    for user in night.examples.sort_values("series", key=_place, kind="stable").to_dict("records"):
        sources = {source: _events(night.histories, distributions.REAL, source) for source in user["source_users"]}
        real = {source: events[:SHOWN_EVENTS] for source, events in sources.items()}
        made = _events(night.histories, user["series"], user["user_id"])
        if not user["whole"]:
            for event in (event for events in real.values() for event in events):
                event["next"] = [one for one in made if one["parent_event_id"] == event["event_id"]]
        cards.append({"user": user, "real": real, "generated": made[:SHOWN_EVENTS]})
    return cards


def _place(generators: pd.Series) -> pd.Series:
    """The order of generators on the page."""
    return generators.map({generator: place for place, generator in enumerate(plots.ordered(generators))})


def _events(histories: pd.DataFrame, series: str, user: str) -> list[dict[Hashable, Any]]:
    """One user's events in order as dicts; pandas' missing values become None."""
    own = histories[(histories["series"] == series) & (histories["user_id"] == user)].astype(object)
    return own.where(own.notna(), None).to_dict("records")


def package_versions() -> dict[str, str]:
    """Versions of the packages that made the night, those that are installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
