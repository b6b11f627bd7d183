"""The command init: looks at a sample of a log, writes the YAML of its source, and shows what the night makes of it."""

import datetime as dt
import tempfile
from collections.abc import Callable
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
from recaug.propose.groups import Chosen, choose, kinds
from recaug.propose.logs import Entry
from recaug.propose.places import Place, day_form, look, pattern_of
from recaug.propose.preview import preview, sampled, write_sample
from recaug.propose.read import read_sample
from recaug.propose.writing import write
from recaug.session import build

Say = Callable[[str], Any]


class Proposal(NamedTuple):
    """What is proposed. text: the YAML. last_day: the last day of which the sample has all."""

    text: str
    place: Place
    chosen: Chosen
    sources: Sources
    last_day: dt.date


def make_proposal(events: str, items: str | None, out: Path) -> Proposal:
    """Look at the files and propose the YAML, without Spark. Raises ContractError where they are no event log."""
    place = look(events, "--events")
    chosen = choose(place, "--events")
    path = pattern_of(place, chosen.files, _is_by_day(chosen))
    catalogue = _items(items, chosen) if items else None
    rows = chosen.draft.sample.views[0].table.rows
    seen = f"{len(chosen.draft.sample.files)} of {len(chosen.files)} files" if len(chosen.files) > 1 else "1 file"
    head = f"Proposed by init from {rows:,} rows of {seen}; see what is marked unsure. What is not here has defaults."
    text = write(chosen.draft, path, out, head, catalogue)
    sources = msgspec.convert(parse(text)["source"], Sources)
    return Proposal(text, place, chosen, sources, chosen.draft.last_day)


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


def _items(path: str, chosen: Chosen) -> dict[str, Entry]:
    """Propose the section items: of the kind of files at the path whose column is most like the events' items."""
    place = look(path, "--items")
    files = kinds(place)[0]
    sample = read_sample(place, files, "--items", is_catalogue=True)
    known = [str(item) for item in chosen.draft.log.roles.item.counts.index]
    for log in chosen.draft.more:
        known += [str(item) for item in log.roles.item.counts.index]
    return propose_items(sample, pattern_of(place, files, False), known, f"--items: {path}")


def run_init(events: str, items: str | None, out: Path, force: bool, say: Say) -> None:
    """Write the YAML to `out`, and say what it makes of the sample.

    Raises ConfigError where the file is there and `force` is not, ContractError where there is no event log.
    """
    if out.exists() and not force:
        raise ConfigError(f"--out: {out} is there already; give another name, or --force")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {out.parent}")
    proposal = make_proposal(events, items, out)
    out.write_text(proposal.text, encoding="utf-8")
    say(f"wrote {out}, {len(proposal.text.splitlines())} lines:\n")
    say(proposal.text)
    for other in proposal.chosen.others:
        say(f"left aside: {other}")
    with tempfile.TemporaryDirectory(prefix="recaug-init-") as folder:
        show(proposal, Path(folder), say)
    say(f"\nnext: jobs/nightly.py --config {out} --date {proposal.last_day}")


def show(proposal: Proposal, folder: Path, say: Say, spark: SparkSession | None = None) -> None:
    """Say what the night makes of the sample; starts Spark where none is given."""
    write_sample(proposal.place, proposal.chosen.draft.sample, folder)
    events = sampled(proposal.sources.events, proposal.place, folder)
    session = spark or build(Spark(), "recaug init", time_zone=events.time_zone)
    try:
        for line in preview(session, events, proposal.last_day):
            say(line)
    finally:
        if spark is None:
            session.stop()
