"""Which files a night opens, and what it remembers of them: the table source_files."""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pyspark.sql.types import StructType

from recaug.clickstream.census import Choice, Seen, behind, choose, count_days, remembered, total
from recaug.clickstream.days import Days, IntakePlan
from recaug.clickstream.failures import reading
from recaug.clickstream.listing import Listing, Named, day_named, decoded, list_files, list_table, plain
from recaug.clickstream.readers import locate
from recaug.clickstream.source import read_source
from recaug.config import Log
from recaug.config.dated import is_dated, named_after
from recaug.errors import NoRowsError
from recaug.lake.contracts import TABLES
from recaug.lake.tables import Lake
from recaug.night.context import Context

TABLE = "source_files"
DENSE = 250_000  # rows a file: a task reads a CSV, or a group of Parquet's rows, alone


class Look(NamedTuple):
    """What a night sees of a log's files.

    listing: those that it opens for rows. choice: how all are sorted; counted: the new ones. skipped: how many it
    leaves alone. behind: days before those that are read, of which `late` has rows, and how many more than before.
    """

    listing: Listing
    choice: Choice
    counted: list[Seen]
    skipped: int
    behind: dict[dt.date, int]
    late: Listing

    @property
    def own(self) -> list[Seen]:
        """The files that no other night has seen."""
        return [*self.counted, *self.choice.own]

    @property
    def looked(self) -> list[Seen]:
        """The files whose rows the night was given."""
        return [*self.own, *self.choice.again]

    @property
    def dense(self) -> bool:
        """Say whether its files have so many rows each that few tasks would do the work."""
        return total(self.looked).total() > DENSE * len(self.looked)


class Looked(NamedTuple):
    """What a night sees of all logs that are files, by key.

    known: what nights have seen before. missing: a line for each log that has nothing of the day.
    """

    known: dict[str, list[Seen]]
    logs: dict[str, Look]
    missing: list[str]

    @property
    def files(self) -> int:
        """How many files the night was given."""
        return sum(len(look.looked) for look in self.logs.values())

    @property
    def skipped(self) -> int:
        """How many files are left alone."""
        return sum(look.skipped for look in self.logs.values())

    def seen(self, days: Days) -> str:
        """Hash which files have rows of these days, or rows without a time: their names, sizes and times of change."""
        names = sorted(
            f"{key} {seen.path} {seen.size} {seen.modified}"
            for key, view in self.logs.items()
            for seen in view.looked
            if seen.holds(days) or None in seen.days
        )
        return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]

    @property
    def versions(self) -> dict[str, int]:
        """Versions of the Delta tables that are read, by the log's key."""
        return {key: view.listing.version for key, view in self.logs.items() if view.listing.version is not None}

    @property
    def rows(self) -> Counter[dt.date | None]:
        """Rows that the night was given, by day."""
        return total(seen for look in self.logs.values() for seen in look.looked)


def look(context: Context, plan: IntakePlan, columns: Mapping[str, StructType]) -> Looked:
    """Look at the files of each log, and count the rows of those that are new. Writes nothing.

    columns: those that each log had in earlier nights, by its key.
    Raises NoRowsError where no log has a file with rows of the night.
    """
    logs = context.config.source.events.logs
    looked, errors = Looked(_known(context.lake), {}, []), list[NoRowsError]()
    for key, log in logs.items():
        if log.path is None:
            continue
        try:
            with reading(log, key):
                looked.logs[key] = _look(context, key, plan, looked.known.get(key, []), columns.get(key))
        except NoRowsError as error:
            errors.append(error)
    if errors and len(errors) == len(logs):
        raise errors[0]
    if len(looked.logs) + len(errors) == len(logs) and not any(view.listing.files for view in looked.logs.values()):
        place, last = " and ".join(log.place for log in logs.values()), plan.new.last
        day = f"up to {last}" if plan.read.first is None else f"of {last}; give a date that the log covers"
        raise NoRowsError(f"source.events.path: {place} has no row {day}")
    looked.missing.extend(str(error) for error in errors)
    return looked


def remember(context: Context, looked: Looked) -> None:
    """Write what the newest night knows of the files of all logs, where it is not what was known before."""
    known = looked.known
    after = {
        key: remembered(known.get(key, []), view.choice, view.counted, context.date)
        for key, view in looked.logs.items()
    }
    if all(seen == known.get(key) for key, seen in after.items()):
        return
    rows = [
        (key, seen.path, seen.size, seen.modified, day, number, seen.night, seen.gone)
        for key, files in sorted({**known, **after}.items())
        for seen in files
        for day, number in (seen.days or {None: 0}).items()
    ]
    table = context.spark.createDataFrame(rows, TABLES[TABLE].columns).coalesce(1)
    context.lake.write(table, TABLE, {}, {"run_id": context.run_id})


def _known(lake: Lake) -> dict[str, list[Seen]]:
    """What nights have seen of the files of each log, by its key."""
    if not lake.exists(TABLE):
        return {}
    days: dict[str, dict[tuple[Any, ...], dict[dt.date | None, int]]] = {}
    for log, path, size, modified, day, number, night, gone in lake.read(TABLE).collect():
        of_file = days.setdefault(log, {}).setdefault((path, size, modified, night, gone), {})
        of_file |= {day: number} if number else {}
    return {
        log: [
            Seen(path, size, modified, rows, night, gone) for (path, size, modified, night, gone), rows in files.items()
        ]
        for log, files in days.items()
    }


def _look(context: Context, key: str, plan: IntakePlan, known: Sequence[Seen], columns: StructType | None) -> Look:
    """Look at a log's files."""
    log = context.config.source.events.logs[key]
    listed = _list(context, key, log, plan, known)._replace(columns=columns)
    choice = choose(listed.files, known, context.date, plan, all_listed=not is_dated(log.path))
    counted, choice, addresses = _count(context, key, choice, listed)
    own = [*counted, *choice.own]
    late = behind(choice, counted, plan)

    def listing(files: Iterable[Seen]) -> Listing:
        names = {seen.path for seen in files}
        chosen = listed.of(file for file in listed.files if file.path in names)
        return chosen._replace(files=[file._replace(path=addresses.get(file.path, file.path)) for file in chosen.files])

    paths = {file.path for file in listed.files}
    if is_dated(log.path):
        paths |= {seen.path for seen in known if seen.gone is None}
    return Look(
        listing([*(seen for seen in own if seen.holds(plan.read) or None in seen.days), *choice.again]),
        choice,
        counted,
        len(paths) - len(own) - len(choice.again),
        late,
        listing(seen for seen in own if not late.keys().isdisjoint(seen.days)),
    )


def _list(context: Context, key: str, log: Log, plan: IntakePlan, known: Sequence[Seen]) -> Listing:
    """List a log's files; where the path names days, those of the days that are read.

    Raises NoRowsError where nothing is named after the night.
    """
    path = locate(str(log.path), key)
    if log.format == "delta":
        return list_table(context.spark, path)
    if not is_dated(path):
        return Listing(list_files(context.spark, log, path, key))
    holding = {day_named(path, seen.path) for seen in known if seen.gone is None and seen.holds(plan.new)}
    others = {day for day in holding if day is not None} | _beside(plan, context.config.source.events.time_zone)
    files = list_files(context.spark, log, path, key, Named(plan.read, frozenset(others)))
    its_own = named_after(path, plan.new.last)
    if not any(file.day is None or named_after(path, file.day) == its_own for file in files):
        raise NoRowsError(f"{key}.path: nothing at {its_own}")
    return Listing(files)


def _beside(plan: IntakePlan, time_zone: str) -> set[dt.date]:
    """The days beside those that are read, whose folders hold some of their rows if they are cut in UTC."""
    if not dt.datetime.combine(plan.new.last, dt.time(12), ZoneInfo(time_zone)).utcoffset():
        return set()
    day = dt.timedelta(days=1)
    return {plan.read.last + day} | ({plan.read.first - day} if plan.read.first else set())


def _count(context: Context, key: str, choice: Choice, listed: Listing) -> tuple[list[Seen], Choice, dict[str, str]]:
    """Count the rows of new files; of a table those of all that are opened, for rows may leave a file that stays.

    Gives the new ones, the choice with its files as they are, and the addresses of a table's files by their paths.
    """
    log, version = context.config.source.events.logs[key], listed.version
    if not choice.new and version is None:
        return [], choice, {}
    names = {file.path for file in choice.new}
    if version is not None:
        names |= {seen.path for seen in (*choice.own, *choice.again)}
    listing = listed.of(file for file in listed.files if file.path in names)
    if version is not None:
        listing = listing._replace(files=[])  # by their folders: how Spark writes their addresses is not known yet
    counted = count_days(read_source(context.spark, log, key, listing), log, key)
    name = plain if version is None else decoded
    addresses = {name(address): address for address in counted}
    if unlisted := addresses.keys() - {file.path for file in listed.files}:
        raise AssertionError(f"rows of {min(unlisted)}, which is not among the files of {key}")
    of_files = {path: counted[address] for path, address in addresses.items()}
    new = [Seen(file.path, file.size, file.modified, of_files.get(file.path, {}), context.date) for file in choice.new]
    if version is None:
        return new, choice, {}
    own, again = (
        [seen._replace(days=of_files.get(seen.path, {})) for seen in files] for files in (choice.own, choice.again)
    )
    return new, choice._replace(own=own, again=again), addresses
