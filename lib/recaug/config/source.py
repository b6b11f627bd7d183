"""Section source: where the data come from, and what they mean."""

import datetime as dt
import zoneinfo
from typing import Annotated, Literal

from msgspec import Meta

from recaug.config.base import NonNegative, Positive, PositiveFloat, Share, Strict, twins
from recaug.config.dated import check_dated, is_dated


class Files(Strict, kw_only=True):
    """A table: files at a path, or a table or view of the catalogue.

    path: one file, folder or glob. `{date:%Y-%m-%d}` in it stands for a day, in any strftime form: a night opens what
        is named after its days alone, of a catalogue the last. `package://NAME/inside` is of a Python package.
    format: one that Spark reads, or `sequences`: text lines `user item item ...` in order of time, which give the
        columns user, item and position (from 0); or `json_object`: files of one JSON object each, whose entries give
        the columns key and values (an array of texts); or `npz`: NumPy archives with the arrays images (n, height,
        width, channels), labels and split (codes) and classes and splits (what the codes mean), which give the columns
        position, image (PNG), label and split.
    options: passed to Spark's reader, e.g. header, sep, encoding.
    names: of the columns of a CSV without a header.
    table: of the catalogue, such as main.web.events, in place of path and format.
    """

    path: str | None = None
    format: Literal["csv", "json", "parquet", "delta", "binaryFile", "sequences", "json_object", "npz"] | None = None
    options: dict[str, str] = {}
    names: tuple[str, ...] = ()
    table: str | None = None

    def __post_init__(self) -> None:
        """Check that it is at one place, which can be read."""
        self.check_place({"path": self.path, "table": self.table})
        if self.path is not None and self.format is None:
            raise ValueError(f"path {self.path} has no format; set one, such as format: csv")
        if self.path is None and (self.format or self.options or self.names):
            raise ValueError("format, options and names are of files; set path, or leave them out")
        if self.names:
            self._check_names()
        check_dated(self.path or "", self.format)

    def _check_names(self) -> None:
        """Raise ValueError unless the columns have no names but these, each another."""
        if self.format != "csv":
            raise ValueError(f"names are of a CSV without a header; {self.format} has names")
        given = {name.lower(): value for name, value in self.options.items()}
        if given.get("header", "false").lower() == "true":
            raise ValueError("names are of a CSV without a header; leave out names, or options.header")
        if twice := twins(self.names):
            raise ValueError(f"names has both {twice[0]} and {twice[1]}; give each column a name of its own")

    def check_place(self, places: dict[str, str | None]) -> None:
        """Raise ValueError unless exactly one of these is given."""
        given = [name for name, place in places.items() if place is not None]
        for name in (name for name in given if name != "path" and is_dated(places[name])):
            raise ValueError(f"{name} has {{date}}, which stands for a day in a path of files alone")
        if len(given) != 1:
            raise ValueError(f"set one of {', '.join(places)}; {' and '.join(given) or 'none'} is set")

    @property
    def place(self) -> str:
        """What errors call it."""
        return self.path or self.table or "the query"

    @property
    def place_key(self) -> str:
        """The key that says where it is."""
        return "path" if self.path is not None else "table" if self.table is not None else "sql"


class Source(Files, kw_only=True):
    """Files, a table, or what a query makes of several.

    sql: a query over `inputs`, each of which it calls by its name, such as SELECT * FROM orders JOIN lines USING (id).
    explode: an array in which each element is a row: its name then means the element, as in events.aid. A dotted path
        explodes each array on its way. A row whose array is empty stays one row, in which nothing is said; two
        alike elements of one array are two rows, no copies.
    nulls: texts that mean that nothing is said, as a blank does.
    """

    sql: str | None = None
    inputs: dict[str, Files] = {}
    explode: str | None = None
    nulls: tuple[str, ...] = ("NA", "N/A", "null", "NULL", "None", "nan", "NaN", "\\N")

    def __post_init__(self) -> None:
        """Check that a query has its inputs."""
        if (self.sql is None) != (not self.inputs):
            raise ValueError("sql and inputs go together: the query, and the tables that it reads by name")
        for name in (name for name, files in self.inputs.items() if is_dated(files.path)):
            raise ValueError(f"inputs.{name} has {{date}} in its path; a query reads whole inputs: write * there")
        if twice := twins(self.inputs):
            raise ValueError(f"inputs has both {twice[0]} and {twice[1]}, which SQL takes for one; rename one")
        super().__post_init__()

    def check_place(self, places: dict[str, str | None]) -> None:
        """Do as Files.check_place, with the query as one more place."""
        super().check_place({**places, "sql": self.sql})


class Rule(Strict, kw_only=True):
    """Rows for which the SQL expression `when` is true are quarantined under `name`."""

    name: str
    when: str


class Robots(Strict, kw_only=True):
    """Users out of all proportion: their events of that day (or minute) are quarantined."""

    max_events_per_day: Positive = 1000
    max_events_per_minute: Positive = 100


class Log(Source, kw_only=True):
    """Rows that say what somebody did. Each column is a Spark SQL expression over the source's columns.

    columns: user_id, item_id, event_time (timestamp) are required; event_type, price, quantity, query, session_id are
        optional. A plain column name is the usual expression; a constant is `'purchase'`.
    event_types: the source's value of event_type -> ours; another value is quarantined.
    ignore_types: values of event_type that are no events of an item, which are counted and left out.
    unique_by: more columns of the source that tell two events apart (an invoice number, say).
    order_by: what orders a user's events of the same time; without it they keep the order of their file, and a constant
        such as `0` leaves them in none (that of a hash).
    earliest: a time before this day is none; 1970-01-01 is what 0 means.
    """

    columns: dict[
        Literal["user_id", "item_id", "event_time", "event_type", "price", "quantity", "query", "session_id"], str
    ]
    event_types: dict[str, str] = {}
    ignore_types: tuple[str, ...] = ()
    unique_by: list[str] = []
    order_by: str | None = None
    rules: list[Rule] = []
    earliest: dt.date = dt.date(1990, 1, 1)

    def __post_init__(self) -> None:
        """Check that the columns that every event has are there, and that types are those of a column."""
        super().__post_init__()
        if missing := {"user_id", "item_id", "event_time"} - set(self.columns):
            raise ValueError(f"columns lacks {', '.join(sorted(missing))}")
        if (self.event_types or self.ignore_types) and "event_type" not in self.columns:
            raise ValueError("event_types and ignore_types need columns.event_type, whose values they are")
        if both := sorted(set(self.event_types) & set(self.ignore_types)):
            raise ValueError(f"{', '.join(both)} is both in event_types and in ignore_types; leave it in one")

    @property
    def our_types(self) -> tuple[str, ...]:
        """What types events may have; none where they are the source's own, which nobody knows before it is read."""
        if "event_type" not in self.columns:
            return ("event",)
        return tuple(dict.fromkeys(self.event_types.values()))


class UsualRows(Strict, kw_only=True):
    """How many rows a day has, next to the mean of the last `nights`: fewer or more by these factors is told.

    otherwise: `warn`, or `end` the night.
    """

    at_least: NonNegative = 0.1
    at_most: PositiveFloat = 10.0
    nights: Positive = 7
    otherwise: Literal["warn", "end"] = "warn"


class Events(Log, kw_only=True):
    """The event log: one, or several united.

    more: further logs, each with its own mapping.
    time_zone: the shop's, such as Europe/Berlin: it cuts the days, and a time that names no zone is of it.
    late_days: so many days before a night are read again, for rows that came after their own night.
    max_quarantine: share of a night's rows, of 100 or more, that are no events though neither `rules` nor `robots`
        say so; above it the night ends.
    """

    more: list[Log] = []
    robots: Robots = Robots()
    session_gap_minutes: Positive = 30
    time_zone: str = "UTC"
    late_days: Annotated[int, Meta(ge=0)] = 1
    max_quarantine: Share = 0.05
    usual_rows: UsualRows = UsualRows()

    def __post_init__(self) -> None:
        """Check that the zone is one."""
        super().__post_init__()
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValueError(f"time_zone {self.time_zone} is none of IANA's names, such as Europe/Berlin or UTC")

    @property
    def logs(self) -> dict[str, Log]:
        """The logs, by the keys that errors name."""
        return {"source.events": self, **{f"source.events.more[{place}]": log for place, log in enumerate(self.more)}}

    @property
    def all_types(self) -> tuple[str, ...]:
        """What types events of any log may have; none where one has the source's own."""
        types = [log.our_types for log in self.logs.values()]
        return tuple(dict.fromkeys(name for of_log in types for name in of_log)) if all(types) else ()


class Users(Source, kw_only=True):
    """What the shop knows of its users, for fairness alone: nothing learns from it. SQL expressions over its columns.

    attributes: one text each, such as an age band; several rows of one user give the last known values.
    """

    user_id: str
    attributes: dict[str, str]


class Items(Source, kw_only=True):
    """The catalogue: SQL expressions over its columns; several rows of one item give its last known values.

    categorical: one text each; multi_valued: an array of texts; numeric: a number, so that a package size such as
    `22 LB` is read by an expression; vectors: an array of numbers, such as an encoder gives. pictures, sounds: bytes of
    a picture, or of a WAV clip, or the path of a file that the executors see; pictures are cut to picture_size x
    picture_size, of sounds the log-mel energies are taken. What cannot be read is missing.
    """

    item_id: str
    title: str
    categorical: dict[str, str] = {}
    multi_valued: dict[str, str] = {}
    numeric: dict[str, str] = {}
    text: str | None = None
    vectors: dict[str, str] = {}
    pictures: dict[str, str] = {}
    picture_size: Literal[28, 32] = 32
    sounds: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        super().__post_init__()
        names = [*self.categorical, *self.multi_valued, *self.numeric, *self.vectors, *self.pictures, *self.sounds]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two attributes are called {', '.join(twice)}")
