"""The command that plans a larger shop's night: its arguments, checked, and what it prints."""

import argparse
import math
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import msgspec

from recaug.config.capacity import load_clusters
from recaug.errors import ConfigError
from recaug.report.capacity import text
from recaug.results.growth import Load
from recaug.studies.capacity import load_growth, plan

FOLDER = Path("conf/capacity")
DAYS = 57  # of the demo's windows


def parser() -> argparse.ArgumentParser:
    """Give the arguments that the command takes."""
    asked = argparse.ArgumentParser(description="Foretells hours, memory, shuffle and cost of a larger shop's night.")
    for name, help_ in (
        ("users", "with an event in the windows"),
        ("items", "likewise"),
        ("events-per-day", "of the log"),
    ):
        asked.add_argument(f"--{name}", type=float, required=True, help=help_)
    asked.add_argument("--cluster", required=True, help="a name in the file of --clusters")
    asked.add_argument("--days", type=float, default=DAYS, help="of the windows (%(default)s): train, validation, test")
    asked.add_argument("--hours", type=float, help="that the night may take: says how many executors that needs")
    asked.add_argument("--clusters", type=Path, default=FOLDER / "clusters.yaml", help="YAML file (%(default)s)")
    asked.add_argument("--measured", type=Path, default=FOLDER / "measured.json", help="of make scale (%(default)s)")
    return asked


def run(given: Namespace, say: Callable[[str], None]) -> None:
    """Print the plan. Raises ConfigError for what cannot be planned."""
    for name in ("users", "items", "events_per_day", "days", "hours"):
        value = getattr(given, name)
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"--{name.replace('_', '-')} is {value:g}; give a number above 0")
    clusters = load_clusters(given.clusters)
    if given.cluster not in clusters:
        raise ConfigError(f"--cluster {given.cluster} is not in {given.clusters}, which has {', '.join(clusters)}")
    growth, cluster = load_growth(given.measured), clusters[given.cluster]
    events = given.events_per_day * given.days
    load = Load(taken=given.events_per_day, events=events, users=given.users, items=given.items)
    planned = plan(growth, load, given.cluster, cluster)
    say(text(planned))
    if given.hours is None:
        return
    endless = plan(growth, load, given.cluster, msgspec.structs.replace(cluster, executors=10**12)).hours
    if endless >= given.hours:
        say(f"\n{given.hours:g} hours: no number of executors is enough, for {endless:,.2f} hours are one core's alone")
    else:
        needed = math.ceil(cluster.executors * (planned.hours - endless) / (given.hours - endless))
        say(f"\n{given.hours:g} hours: {needed:,} executors")
