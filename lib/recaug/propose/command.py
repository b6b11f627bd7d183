"""The command init: looks at a sample of a log, writes the YAML of its source, and shows what the night makes of it."""

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd
from pyspark.sql import SparkSession

from recaug.config import Spark
from recaug.config.sources import Sources
from recaug.config.text import parse
from recaug.errors import ConfigError
from recaug.propose.catalogue import propose_items
from recaug.propose.groups import Chosen, choose
from recaug.propose.joined import Sampled, Searched, look_for_searches, sampled_of
from recaug.propose.logs import Entry
from recaug.propose.places import day_form, look, pattern_of
from recaug.propose.preview import preview, preview_searches, sampled, sampled_searches, write_sample
from recaug.propose.searches import candidates, propose_searches, time_of
from recaug.propose.writing import Sections, write
from recaug.session import build

Say = Callable[[str], Any]


class Paths(NamedTuple):
    """What init is given: files, folders or globs of the log of events, of the catalogue, and of the searches."""

    events: str | None = None
    items: str | None = None
    search: str | None = None


class Proposal(NamedTuple):
    """What is proposed. text: the YAML. chosen: the log of events. last_day: the last day of which the sample has all.

    events, searches: what was looked at of either, None where none is given.
    """

    text: str
    sources: Sources
    last_day: dt.date
    chosen: Chosen | None
    events: Sampled | None
    searches: Searched | None


def make_proposal(paths: Paths, out: Path) -> Proposal:
    """Look at the files and propose the YAML, without Spark.

    Raises ContractError where they are no log of events, no catalogue of its items or no searches.
    """
    chosen = events = None
    if paths.events is not None:
        place = look(paths.events, "--events")
        chosen = choose(place, "--events")
        events = Sampled(place, chosen.files, chosen.draft.sample)
    searches = None if paths.search is None else look_for_searches(paths.search, "--search")
    items, found = _catalogue(paths.items, chosen, searches)
    asked = _searches(paths.search, searches, chosen, found)
    log = None if chosen is None or events is None else (chosen.draft, _pattern(events, chosen))
    seen = " and ".join(each.said for each in (events, searches) if each is not None)
    head = f"Proposed by init from {seen}; see what is marked unsure. What is not here has defaults."
    text = write(Sections(log, items, asked), out, head)
    sources = msgspec.convert(parse(text)["source"], Sources)
    return Proposal(text, sources, _last_day(chosen, searches), chosen, events, searches)


def _pattern(events: Sampled, chosen: Chosen) -> str:
    return pattern_of(events.place, events.files, _is_by_day(chosen))


def _last_day(chosen: Chosen | None, searches: Searched | None) -> dt.date:
    """The last whole day of the events; else the last one of the searches, or today, where they have no times."""
    if chosen is not None:
        return chosen.draft.last_day
    time = None if searches is None else time_of(searches.sample)
    last = None if time is None else time.moments.max()
    return dt.datetime.now(dt.UTC).date() if last is None or pd.isna(last) else last.date()


def _is_by_day(chosen: Chosen) -> bool:
    """Whether the files' names are the days of their rows."""
    form, time = day_form(chosen.files), chosen.draft.log.roles.time
    if form is None or len(set(form[1])) < 2 or time is None:
        return False
    table = chosen.draft.log.roles.table
    days = dict(zip((file.inside for file in chosen.files), form[1], strict=True))
    of_files = [days[file.inside] for file in chosen.draft.sample.files]
    off = [
        abs((moment.date() - of_files[place]).days)
        for moment, place in zip(time.moments, table.places, strict=True)
        if not pd.isna(moment)
    ]
    return sum(distance <= 1 for distance in off) >= 0.95 * len(off)


def _catalogue(
    path: str | None, chosen: Chosen | None, searches: Searched | None
) -> tuple[dict[str, Entry], list[str]]:
    """Propose the section items, of the files whose column is most like the items that are known; and give its items.

    Without a catalogue, give the items of the events.
    """
    logs = [] if chosen is None else [chosen.draft.log, *chosen.draft.more]
    known = [str(item) for log in logs for item in log.roles.item.counts.index]
    if path is None:
        return {}, known
    known = known or ([] if searches is None else candidates(searches.sample))
    catalogue = sampled_of(path, "--items")
    keys, item = propose_items(catalogue.sample, catalogue.keys(), known, f"--items: {path}")
    return keys, [str(value) for value in item.counts.index]


def _searches(
    path: str | None, searches: Searched | None, chosen: Chosen | None, items: Sequence[str]
) -> dict[str, Entry]:
    """Propose the section search."""
    if searches is None:
        return {}
    types = () if chosen is None else chosen.draft.log.ours
    return propose_searches(searches.sample, searches.keys(), items, types, f"--search: {path}")


def run_init(paths: Paths, out: Path, force: bool, say: Say) -> None:
    """Write the YAML to `out`, and say what it makes of the sample.

    Raises ConfigError where the file is there and `force` is not, and where neither events nor a catalogue with
    searches are given; ContractError where they are none.
    """
    if paths.events is None and (paths.items is None or paths.search is None):
        raise ConfigError("--events is missing; without events give --items and --search, of a shop's search alone")
    if out.exists() and not force:
        raise ConfigError(f"--out: {out} is there already; give another name, or --force")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {out.parent}")
    proposal = make_proposal(paths, out)
    out.write_text(proposal.text, encoding="utf-8")
    say(f"wrote {out}, {len(proposal.text.splitlines())} lines:\n")
    say(proposal.text)
    for other in () if proposal.chosen is None else proposal.chosen.others:
        say(f"left aside: {other}")
    with tempfile.TemporaryDirectory(prefix="recaug-init-") as folder:
        show(proposal, Path(folder), say)
    say(f"\nnext: jobs/nightly.py --config {out} --date {proposal.last_day}")


def show(proposal: Proposal, folder: Path, say: Say, spark: SparkSession | None = None) -> None:
    """Say what the night makes of the samples; starts Spark where none is given."""
    session = spark or build(Spark(), "recaug init", time_zone=proposal.sources.time_zone)
    try:
        for line in _previews(proposal, folder, session):
            say(line)
    finally:
        if spark is None:
            session.stop()


def _previews(proposal: Proposal, folder: Path, spark: SparkSession) -> Iterator[str]:
    """What either log's sample becomes."""
    if (looked := proposal.events) is not None:
        write_sample(looked.place, looked.sample, folder / "events")
        events = sampled(proposal.sources.events, looked.place, folder / "events")
        yield from preview(spark, events, proposal.last_day)
    if proposal.searches is not None and proposal.sources.search is not None:
        parts = {name: part.place for name, part in proposal.searches.parts.items()}
        for part in proposal.searches.parts.values():
            write_sample(part.place, part.sample, folder / "search")
        yield from preview_searches(spark, sampled_searches(proposal.sources.search, parts, folder / "search"))
