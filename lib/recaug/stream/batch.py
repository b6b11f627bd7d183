"""A micro-batch: rows in, then what follows from them, then its commits."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.night.context import Context
from recaug.stream import generated, lists
from recaug.stream.commits import Commits
from recaug.stream.held import EARLIEST, NAMES, Held
from recaug.stream.intake import joined, take
from recaug.stream.people import Person, person
from recaug.stream.record import Batch, Clock, counted
from recaug.stream.serving import Lists, Published, newest_lists, newest_published
from recaug.stream.sources.base import Arrivals
from recaug.stream.watch import Seen, Watch

DAY = dt.timedelta(days=1)
Say = Callable[[str], None]


@dataclass
class Worker:
    """Takes one batch after the other, and keeps between them what the next one needs.

    work: the stream by its checkpoint. The tables decide: what is kept is read anew where another has written.
    """

    context: Context
    source: Arrivals
    work: str
    say: Say
    watch: Watch = field(init=False)
    runs: int | None = -1
    serving: Lists | None = None
    published: Published | None = None
    places: np.ndarray | None = None
    held: Held | None = None
    listed: tuple[dt.date | None, pd.DataFrame] = (None, pd.DataFrame(columns=lists.NAMES))

    def __post_init__(self) -> None:
        """Begin to watch the lake."""
        self.watch = Watch(self.context.lake)

    def run(self, rows: DataFrame, number: int) -> Batch:
        """Take a batch. Raises a RecaugError where it cannot; nothing of it is lost then, a restart takes it again."""
        began = time.monotonic()
        units = self.source.split(rows)
        while True:
            seen = self.watch.free()
            waited = time.monotonic() - began
            done = self._attempt(units, number, seen, waited)
            if done is not None:
                return done

    def _attempt(self, units: Any, number: int, seen: Seen, waited: float) -> Batch | None:
        """Compute a batch and commit it; None, with nothing written, where another job has begun meanwhile."""
        clock = Clock()
        self._renew(seen)
        held, commits = self.held, Commits(self.context.lake, self.work, number)
        assert held is not None
        clock.step("look")
        taken = take(self.context.lake, self.context.config, self.source, units, self._undated(seen))
        clock.step("intake")
        good, bad = after(taken.events, seen.floor), after(taken.bad, seen.floor)
        events = held.new(good)
        rows, refreshed, day = self._follow(events, commits.name, clock)
        if self.watch.look() != seen:
            return None
        commits.augmented(rows)
        clock.step("write generated")
        listed = joined(self._kept(day, set(refreshed["user_id"])), refreshed)
        if len(refreshed):
            commits.recommendations(listed, day)
            self.listed = (day, listed)
        clock.step("write lists")
        commits.quarantine(bad)
        clock.step("write quarantine")
        version = commits.events(events)
        clock.step("write events")
        if version is not None:
            held.add(events, seen.floor)
            alone = version == (0 if held.version is None else held.version + 1)
            held.version = version if alone else None  # another wrote beside: read anew
        return counted(number, taken, (events, bad, len(good)), (rows, refreshed), (clock, waited))

    def _follow(self, events: pd.DataFrame, name: str, clock: Clock) -> tuple[pd.DataFrame, pd.DataFrame, dt.date]:
        """Give the generated rows and the refreshed lists that follow from new events, and the day of the lists."""
        config, day = self.context.config, self._list_day(events)
        known = self.context.lake.pseudonyms.in_frame(events, NAMES)
        people = self._people(known)
        few = [one for one in people if one.n_events <= config.prepare.cold_events]
        drawn, refreshed = pd.DataFrame(columns=generated.NAMES), pd.DataFrame(columns=lists.NAMES)
        if self.published is not None and few:
            coded = few if self.places is None else [one.recoded(self.places) for one in few]
            drawn = generated.draw(self.published, coded, known, config, name)
        clock.step("generate")
        if self.serving is not None:
            shown = {"all": people, "few": few, "none": []}[config.stream.lists]
            refreshed = lists.refresh(self.serving, shown, config)
            owners = dict(zip(known["user_id"], events["user_id"], strict=True))  # lists name users as the shop does
            refreshed = refreshed.assign(user_id=refreshed["user_id"].map(owners))
        clock.step("list")
        return drawn, refreshed, day

    def _people(self, events: pd.DataFrame) -> list[Person]:
        """Put together the histories of the users of new events, these among them. events: with pseudonyms."""
        if self.serving is None or not len(events):
            return []
        assert self.held is not None
        serving, folds = self.serving, self.context.config.prepare.folds
        return [
            person(user, serving.people.get(user), (self.held.count(user), own), serving.vocabulary, folds)
            for user, own in sorted(self.held.beside(events).items())
        ]

    def _renew(self, seen: Seen) -> None:
        """Read anew what another has written since: records, models, events."""
        context, version = self.context, self.context.lake.version("runs")
        if version != self.runs:
            before = None if self.runs == -1 else self._served()
            self._look_for_models()
            self.runs = version
            if self._served() != before:
                self.say(self._served())
        base = self.serving.date if self.serving is not None else None
        held = self.held
        if held is None or held.version != context.lake.version("events") or held.base != base:
            source = context.config.source.events
            types = context.config.prepare.event_types
            self.held = Held(context.lake, base, seen.floor, types, source.session_gap_minutes)

    def _look_for_models(self) -> None:
        """Take the newest night's models, where they are others than before."""
        newest, published = newest_lists(self.context, self.serving), newest_published(self.context, self.published)
        self.serving, self.published, self.places = newest, published, None
        if newest is not None and published is not None:
            ids = newest.vocabulary.item_ids
            self.places = np.array([published.vocabulary.index.get(item, 0) for item in ids], dtype=np.int64)

    def _served(self) -> str:
        """Say which models are used."""
        lists_of = "no lists are refreshed, for no night of this configuration has made any"
        if self.serving is not None:
            lists_of = f"lists by the recommender of {self.serving.date}"
        if self.published is None:
            return f"no generator is published: events flow, no rows are generated; {lists_of}"
        names = ", ".join(entry.name for entry in self.published.generators)
        return f"rows by {names} of {self.published.date}; {lists_of}"

    def _undated(self, seen: Seen) -> dt.date:
        """The day of rows without a time: that of the next night at the earliest."""
        return seen.floor + DAY if seen.floor is not None else dt.datetime.now(dt.UTC).date()

    def _list_day(self, events: pd.DataFrame) -> dt.date:
        """The day whose lists are refreshed: the newest that has events, and none that a night has made lists of."""
        assert self.held is not None
        days = [max(events["event_date"])] if len(events) else []
        days += [self.held.newest] if self.held.newest is not None else []
        days += [self.serving.date + DAY] if self.serving is not None else []
        days += [self.held.floor + DAY] if self.held.floor is not None else []
        return max(days, default=EARLIEST)

    def _kept(self, day: dt.date, but: set[str]) -> pd.DataFrame:
        """The day's lists of all users but these."""
        if self.listed[0] != day:
            self.listed = (day, _lists_of(self.context, day))
        rows = self.listed[1]
        return rows[~rows["user_id"].isin(but)]


def after(rows: pd.DataFrame, floor: dt.date | None) -> pd.DataFrame:
    """Keep the rows of days that no night has taken."""
    return rows if floor is None or not len(rows) else rows[rows["event_date"] > floor]


def _lists_of(context: Context, day: dt.date) -> pd.DataFrame:
    """The lists of a day as the table has them, by lists.COLUMNS."""
    if not context.lake.exists("recommendations"):
        return pd.DataFrame(columns=lists.NAMES)
    rows = context.lake.own("recommendations").where(F.col("event_date") == F.lit(day))
    past, shares = F.col("because.item_id").alias("past"), F.col("because.weight").alias("shares")
    return rows.select("user_id", "item_id", "score", "rank", "reason", past, shares).toPandas()
