"""Opening the files that a night chooses gives the lake that opening all of them gives."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from recaug.clickstream.census import Seen, behind, choose, remembered, total
from recaug.clickstream.days import IntakePlan, plan_days
from recaug.clickstream.listing import File

START = dt.date(2017, 1, 1)
Row = tuple[int, dt.date | None]  # a number of its own, and its day
Log = dict[str, list[Row]]


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


class Shop:
    """A log and the nights over it, once with the files that they choose and once with all of them."""

    def __init__(self, late_days: int) -> None:
        self.late_days, self.nights = late_days, set[dt.date]()
        self.log: Log = {}
        self.changed: dict[str, int] = {}  # when a file was written last
        self.rows, self.moved, self.lost = 0, False, set[Row]()
        self.known: list[Seen] = []
        self.chosen, self.whole = dict[dt.date | str, set[Row]](), dict[dt.date | str, set[Row]]()

    def change(self, kind: str, name: str, days: Iterable[dt.date | None]) -> None:
        """Append rows of these days to a file, copy it to another, move it, or touch it."""
        rows = [(self.rows + number, day) for number, day in enumerate(days)]
        self.rows += len(rows) + 1
        now = f"{name}{self.rows}" if kind in ("copy", "move") else name
        self.log[now] = self.log.get(name, []) + rows
        self.changed[now] = self.rows
        if kind == "move":
            self.log.pop(name, None)
            self.moved = True

    def is_lost(self, row: Row, plan: IntakePlan) -> bool:
        """Say whether it is of a day before those that are read, and no night has taken it."""
        _, its_day = row
        behind = its_day is not None and plan.read.first is not None and its_day < plan.read.first
        return behind and row not in self.chosen.get(its_day or START, set())

    def night(self, date: dt.date) -> None:
        plan = plan_days(max((night for night in self.nights if night < date), default=None), date, self.late_days)
        files = [File(name, "", len(rows), self.changed[name]) for name, rows in sorted(self.log.items())]
        choice = choose(files, self.known, date, plan, all_listed=True)
        counted = [
            Seen(file.path, file.size, file.modified, Counter(day for _, day in self.log[file.path]), date)
            for file in choice.new
        ]
        given = [*counted, *choice.own, *choice.again]
        late = behind(choice, counted, plan)
        if date == max([date, *self.nights]):
            self.known = remembered(self.known, choice, counted, date)
        take(self.chosen, {seen.path: self.log[seen.path] for seen in given}, plan)
        take(self.whole, self.log, plan)
        self.nights.add(date)
        self.check_counts(plan, given, late)
        lost = {row for seen in (*counted, *choice.own) for row in self.log[seen.path] if self.is_lost(row, plan)}
        if date == max(self.nights) and not self.moved:  # of those that are too late now, each is told
            assert {day for _, day in lost - self.lost} <= late.keys()
            self.lost |= lost

    def check_counts(self, plan: IntakePlan, given: list[Seen], late: dict[dt.date, int]) -> None:
        assert total(given) == Counter(day for seen in given for _, day in self.log[seen.path])
        for day_, rows in late.items():
            assert not plan.read.has(day_)
            assert 0 < rows <= sum(its_day == day_ for seen in given for _, its_day in self.log[seen.path])


def take(lake: dict[dt.date | str, set[Row]], log: Log, plan: IntakePlan) -> None:
    """Do with the rows of these files as ingest does: new days anew, late ones and undated ones what is not held."""
    rows = {row for of_file in log.values() for row in of_file}
    own = f"undated {plan.new.last}"
    for day_ in [day_ for day_ in lake if isinstance(day_, dt.date) and plan.new.has(day_)]:
        del lake[day_]
    held = {row for key, of_key in lake.items() if isinstance(key, str) and key != own for row in of_key}
    lake[own] = {row for row in rows if row[1] is None} - held
    for row in rows:
        if row[1] is not None and plan.read.has(row[1]):
            lake.setdefault(row[1], set()).add(row)


days = st.lists(st.one_of(st.none(), st.integers(0, 7).map(day)), max_size=3)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abc"), days),
        st.tuples(st.sampled_from(["copy", "move", "touch"]), st.sampled_from("abc"), st.just([])),
    ),
    max_size=3,
)
nights = st.lists(st.tuples(changes, st.integers(1, 6)), min_size=1, max_size=8)


@given(nights, st.integers(0, 2))
@settings(max_examples=500)
def test_what_a_night_leaves_closed_it_does_not_need(nights: list[tuple[list, int]], late_days: int) -> None:
    """In any order of nights, made once or again, with files that grow or are touched between them."""
    shop = Shop(late_days)
    for changes, night in nights:
        for kind, name, rows in changes:
            shop.change(kind, name, rows)
        shop.night(day(night))
        assert shop.chosen == shop.whole
