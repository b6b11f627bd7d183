"""The page: one HTML file with everything in it, that opens from a folder without a network."""

import datetime as dt
import platform
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from recaug.config import Gate
from recaug.evaluate.ranking import RARE
from recaug.exits import printable
from recaug.report import distributions, evidence, flows, lift, numbers, plots, records, searches, tables
from recaug.report.privacy import Protection, privacy
from recaug.report.series import Look, Series, look_of, ordered, series_looks
from recaug.report.training import Drawing, training_figures
from recaug.results import Prepare, Trial

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
LONGEST = 1000  # letters of a text of the data
SHOWN_EVENTS = 12  # of an example's user


class PastNight(NamedTuple):
    """How a night ended. reason: of the decision, in one line."""

    event_date: dt.date
    decision: str
    reason: str


class Card(NamedTuple):
    """A generated user beside the source users: real: events by source user.

    An event has title, category and, beside a continuation, `next`: the titles generated to follow it.
    """

    user: dict[Hashable, Any]
    look: Look
    real: dict[str, list[dict[Hashable, Any]]]
    generated: list[dict[Hashable, Any]]


@dataclass(frozen=True)
class Night:
    """What the page shows of one night; what is missing is left out.

    stages: records by name; order: of all that it has. generators: in the order of the page. history: the decisions of
    the last nights. versions: of the tables, by name. The DataFrames are what distributions gives, as pandas; histories
    holds the events of the examples' users and of their source users.
    """

    date: dt.date
    run_id: str
    config_hash: str
    task: str
    gate: Gate
    stages: records.Stages
    order: Sequence[str]
    generators: Sequence[Series] = ()
    category: str | None = None
    popularity: pd.DataFrame | None = None
    lengths: pd.DataFrame | None = None
    gaps: pd.DataFrame | None = None
    categories: pd.DataFrame | None = None
    examples: pd.DataFrame | None = None
    histories: pd.DataFrame | None = None
    quarantine: pd.DataFrame | None = None
    history: Sequence[PastNight] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    protection: Protection = field(default_factory=Protection)


def render(night: Night) -> str:
    """Write the page of a night as one HTML document without any outside reference."""
    stages, generators, trial = night.stages, night.generators, records.result_of(night.stages, Trial)
    parts, attacks, chosen = (tables.SLICES, trial.privacy, trial.generators) if trial is not None else ((), None, ())
    shown = {
        "night": night,
        "generators": generators,
        "decision": records.decision(stages),
        "verdict": records.verdict(stages, night.date, generators, night.order),
        "search": searches.shown(stages),
        "reasons": records.reasons(stages),
        "warnings": records.warnings(stages),
        "counts": (counts := records.counts(stages)),
        "flows": flows.flows(stages, counts),
        "training": training_figures(stages, generators),
        "likeness": likeness_figures(night),
        "fidelity": evidence.fidelity(trial, night.gate, generators),
        "privacy": privacy(attacks, night.gate.max_attack_auc, night.protection, generators, chosen),
        "policy": evidence.policy(trial),
        "metrics": [table for part in parts if (table := tables.metric_table(trial, part, generators))],
        "base": lift.base_title(trial, generators) if trial is not None else "",
        "seeds": trial.seeds if trial is not None else None,
        "by_seed": tables.by_seed(trial, generators),
        "exposure": tables.exposure(trial, generators),
        "groups": tables.groups(trial),
        "forest": lift.forest(trial, night.gate, generators),
        "controls": lift.beside_controls(trial, generators),
        "metric": tables.METRICS.get(night.gate.metric, night.gate.metric),
        "mixed": trial is not None and any(result.blend_lifts for result in trial.arms.values()),
        "lift_tables": [lifts for part in parts if (lifts := evidence.lift_table(trial, part, generators))],
        "examples": example_cards(night),
        "costs": records.costs(stages),
        "worth": evidence.lift_per_minute(stages, generators),
        "leaks": evidence.leaks(trial),
        "counted": evidence.counted(records.result_of(stages, Prepare)),
        "lists": records.lists(stages),
        "packages": package_versions(),
    }
    return templates().get_template("page.html").render(shown)


def templates() -> jinja2.Environment:
    """Give the report's templates, with their filters."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recaug.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printed,
    )
    environment.filters |= {"seconds": numbers.seconds, "percent": numbers.percent, "figure": numbers.figure}
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    environment.globals |= {"rare": RARE, "platform": machine}
    environment.filters |= {"between": _between, "labelled": plots.labelled, "axis": numbers.tick}
    return environment


def _printed(value: Any) -> Any:
    """Cut what a shop's text has beyond LONGEST letters, and show control codes; HTML that we made stays."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return printable(value if len(value) <= LONGEST else value[: LONGEST - 1] + "…")


def _between(value: Any) -> str:
    """The bounds of an interval (low, high) as HTML, below its mean; nothing where it has not both."""
    low, high = (value["low"], value["high"]) if isinstance(value, Mapping) else (value.low, value.high)
    if low is None or high is None:
        return ""
    return f'<span class="between">{numbers.figure(low)} to {numbers.figure(high)}</span>'


def likeness_figures(night: Night) -> list[Drawing]:
    """Real against generated distributions, those that there are."""
    figures, looks = [], series_looks(night.generators)
    if night.popularity is not None:
        figures.append(Drawing("Item popularity", plots.popularity(night.popularity, looks)))
    if night.lengths is not None:
        figures.append(Drawing("Length of a history", plots.lengths(night.lengths, looks)))
    if night.gaps is not None and len(night.gaps):
        svg = plots.gaps(night.gaps, distributions.gap_names(), looks)
        figures.append(Drawing("Time between events", svg))
    if night.categories is not None:
        figures.append(Drawing(f"Mix of {night.category}", plots.categories(night.categories, looks)))
    return figures


def example_cards(night: Night) -> list[Card]:
    """Generated users beside their source users, those of a generator together."""
    if night.examples is None or night.histories is None:
        return []
    looks = series_looks(night.generators)
    places = {series: place for place, series in enumerate(ordered(night.examples["series"], looks))}
    cards = []
    by_place = night.examples.sort_values("series", key=lambda series: series.map(places), kind="stable")
    for user in by_place.to_dict("records"):
        sources = {source: _events(night.histories, distributions.REAL, source) for source in user["source_users"]}
        real = {source: events[:SHOWN_EVENTS] for source, events in sources.items()}
        generated = _events(night.histories, user["series"], user["user_id"])
        if not user["whole"]:
            for event in (event for events in real.values() for event in events):
                event["next"] = [made for made in generated if made["parent_event_id"] == event["event_id"]]
        cards.append(Card(user, look_of(user["series"], looks), real, generated[:SHOWN_EVENTS]))
    return cards


def users_on(night: Night) -> list[str]:
    """The real users whom the page names, sorted."""
    cards = example_cards(night)
    continued = {card.user["user_id"] for card in cards if not card.user["whole"]}
    return sorted(continued.union(*(card.real for card in cards)))


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
