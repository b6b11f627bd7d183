"""Which rows of which days a log's files hold, and so which files a night opens."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import EVENT
from recaug.clickstream.days import Days, IntakePlan
from recaug.clickstream.listing import File
from recaug.clickstream.mapping import map_events
from recaug.config import Log

FAR = dt.date(9999, 12, 31)  # stands for all days after it, which Python has not

ByDay = Mapping[dt.date | None, int]  # rows; None: without a time


class Seen(NamedTuple):
    """A file as a night has seen it first, with its rows by day; gone: the night to which it was so no more."""

    path: str
    size: int | None
    modified: int | None
    days: ByDay
    night: dt.date
    gone: dt.date | None = None

    def is_like(self, file: File) -> bool:
        """Say whether the file is still the same."""
        return (self.path, self.size, self.modified) == (file.path, file.size, file.modified)

    def holds(self, days: Days) -> bool:
        """Say whether it has a row of these days."""
        return any(day is not None and days.has(day) for day in self.days)


class Choice(NamedTuple):
    """A log's files as a night sees them.

    new: not counted yet. own: seen first by an earlier run of this night. again: known before, with rows of the new
    days. others: known before, without. gone: as they were before, of those that are so no more.
    """

    new: list[File]
    own: list[Seen]
    again: list[Seen]
    others: list[Seen]
    gone: list[Seen]


def choose(files: Sequence[File], known: Sequence[Seen], night: dt.date, plan: IntakePlan, all_listed: bool) -> Choice:
    """Sort the files that are listed by what is known of them.

    known: of this log. all_listed: a file that is not listed is there no more. Rows of late days, and those without a
    time, are taken by the night that sees their file first; one that is made again opens what was seen since as well.
    """

    def has_more(seen: Seen) -> bool:
        return seen.night > night and (seen.holds(plan.read) or None in seen.days)

    current = {seen.path: seen for seen in known if seen.gone is None}
    same = {
        file.path: current[file.path] for file in files if file.path in current and current[file.path].is_like(file)
    }
    own = [seen for seen in same.values() if seen.night == night]
    before: dict[bool, list[Seen]] = {True: [], False: []}
    for seen in (seen for seen in same.values() if seen.night != night):
        before[seen.holds(plan.new) or has_more(seen)].append(seen)
    there = {file.path for file in files}
    changed = (seen for path, seen in current.items() if path not in same and (all_listed or path in there))
    return Choice(
        new=[file for file in files if file.path not in same],
        own=own,
        again=before[True],
        others=before[False],
        gone=[seen for seen in (*changed, *(seen for seen in known if seen.gone == night)) if seen.night != night],
    )


def count_days(rows: DataFrame, log: Log, key: str) -> Mapping[str, ByDay]:
    """Count the rows of each file by day, by its address as Spark has it; a file without rows is not among them.

    rows: of source.read_source.
    """
    day = F.to_date(f"{EVENT}.event_time")
    of_files = map_events(rows, log, key).select(
        F.input_file_name().alias("file"), F.when(day > F.lit(FAR), F.lit(FAR)).otherwise(day).alias("day")
    )
    counted: dict[str, dict[dt.date | None, int]] = {}
    for file, its_day, number in of_files.groupBy("file", "day").count().collect():
        counted.setdefault(file, {})[its_day] = number
    return counted


def remembered(known: Iterable[Seen], choice: Choice, counted: Sequence[Seen], night: dt.date) -> list[Seen]:
    """Give what is known of a log's files after the newest night; of those that are gone until the next one."""
    gone = {seen.path for seen in choice.gone if seen.gone is None}
    changed = gone | {file.path for file in choice.new}
    kept = []
    for seen in known:
        if seen.gone is not None:
            kept += [seen] if seen.gone >= night else []
        elif seen.path not in changed:
            kept.append(seen)
        elif seen.night != night:
            kept.append(seen._replace(gone=night))
    return [*kept, *counted]


def total(files: Iterable[Seen]) -> Counter[dt.date | None]:
    """Rows of several files, by day."""
    rows: Counter[dt.date | None] = Counter()
    for seen in files:
        rows.update(seen.days)
    return rows


def behind(choice: Choice, counted: Sequence[Seen], plan: IntakePlan) -> dict[dt.date, int]:
    """Give the days before those that are read, and how many rows new files have more of them than those that are gone.

    counted: the new files. What was changed is compared with what it was, and files of new names with those that went
    away, as when a folder is written anew. A first night reads all days.
    """
    first = plan.read.first
    if first is None:
        return {}
    own, gone = [*counted, *choice.own], {seen.path: seen.days for seen in choice.gone}
    there = {seen.path for seen in own}
    changes = [Counter(seen.days) - Counter(gone[seen.path]) for seen in own if seen.path in gone]
    others = total(seen for seen in own if seen.path not in gone)
    others -= total(seen for seen in choice.gone if seen.path not in there)
    more = sum(changes, others)
    return {day: more[day] for day in sorted(day for day in more if day is not None and day < first)}
