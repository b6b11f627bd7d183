"""What the lake holds of the days that no night has made yet, kept in this process between batches."""

import datetime as dt
from typing import NamedTuple

import pandas as pd
from pyspark.sql import functions as F

from recaug.lake.tables import Lake

COLUMNS = ("event_id", "user_id", "item_id", "event_type", "session_id", "event_date", "event_order")
NAMES = ("event_id", "user_id")  # that histories have pseudonyms for
EARLIEST = dt.date(1900, 1, 1)  # before any event; Java has no first day of Python's


class Event(NamedTuple):
    """An event of a user's history; they are in the order of time."""

    micros: int
    order: int
    event_id: str
    item_id: str


class Held:
    """Events of the days after a night: ids, and each user's; some 300 bytes an event.

    The log is met by its own names; histories have pseudonyms, as those of the night that they go on from.
    base: the last day that models' histories hold; floor: the last day that a night has taken, or is taking.
    Of days up to `floor` the events are histories' alone.
    """

    def __init__(self, lake: Lake, base: dt.date | None, floor: dt.date | None, types: list[str], gap: int) -> None:
        self.types, self.gap = frozenset(types), gap * 60_000_000
        self.ids: set[str] = set()
        self.users: dict[str, list[Event]] = {}
        self.last: dict[str, tuple[int, str]] = {}
        self.base, self.floor, self.pseudonyms = base, floor, lake.pseudonyms
        self.newest: dt.date | None = floor
        self.version = lake.version("events")
        if self.version is None:
            return
        since = min(base or EARLIEST, floor or EARLIEST)
        table = lake.own("events", self.version)
        rows = table.where(F.col("event_date") > F.lit(since))
        self.add(rows.select(*COLUMNS, F.unix_micros("event_time").alias("micros")).toPandas(), floor)
        if floor is not None:  # whose sessions may go on
            days = 1 + gap // 1440
            ends = table.where(F.col("event_date").between(floor - dt.timedelta(days=days), floor))
            micros = F.unix_micros("event_time")
            last = ends.groupBy("user_id").agg(F.max(micros), F.max_by("session_id", micros)).toPandas()
            for user, when, session in last.itertuples(index=False):
                if user not in self.last or self.last[user][0] < when:
                    self.last[user] = (when, session)

    def new(self, events: pd.DataFrame) -> pd.DataFrame:
        """Leave out the events that are held, and let sessions go on that were begun in earlier batches."""
        left = events[~events["event_id"].isin(self.ids)].sort_values(["user_id", "micros", "event_id"])
        named, sessions = set(events["event_id"]), left["session_id"].to_numpy(dtype=object).copy()
        firsts: dict[str, tuple[str, str]] = {}  # user -> the first session's name here, and that which it goes on with
        columns = ("user_id", "micros", "session_id")
        for place, (user, micros, session) in enumerate(zip(*(left[name] for name in columns), strict=True)):
            if user not in firsts:
                before = self.last.get(user)
                goes_on = before is not None and session in named and 0 <= micros - before[0] <= self.gap
                firsts[user] = (session, before[1] if goes_on and before is not None else session)
            if session == firsts[user][0]:
                sessions[place] = firsts[user][1]
        return left.assign(session_id=sessions)

    def add(self, events: pd.DataFrame, floor: dt.date | None = None) -> None:
        """Take events in. events: COLUMNS and micros. floor: up to which their ids are not looked for."""
        of_days = events if floor is None else events[events["event_date"] > floor]
        self.ids.update(of_days["event_id"])
        if len(of_days):
            newest = max(of_days["event_date"])
            self.newest = newest if self.newest is None else max(self.newest, newest)
        for user, micros, session in zip(*(events[name] for name in ("user_id", "micros", "session_id")), strict=True):
            if user not in self.last or self.last[user][0] <= micros:
                self.last[user] = (micros, session)
        for user, own in self._histories(self.pseudonyms.in_frame(events, NAMES)).items():
            self.users[user] = sorted([*self.users.get(user, []), *own])

    def beside(self, events: pd.DataFrame) -> dict[str, list[Event]]:
        """What the users of new events did after the night that histories end with, these events among it.

        events: with pseudonyms, by which the users are given.
        """
        return {user: sorted([*self.users.get(user, []), *own]) for user, own in self._histories(events).items()}

    def _histories(self, events: pd.DataFrame) -> dict[str, list[Event]]:
        """Put events of the types that count to their users."""
        fresh: dict[str, list[Event]] = {}
        columns = ("user_id", "micros", "event_order", "event_id", "item_id", "event_type")
        for user, micros, order, event_id, item, kind in zip(*(events[name] for name in columns), strict=True):
            if not self.types or kind in self.types:
                fresh.setdefault(user, []).append(Event(int(micros), int(order), event_id, item))
        return fresh

    def count(self, user: str) -> int:
        """How many events of a user's history are held."""
        return len(self.users.get(user, ()))
