"""Sections lake, spark and source: where the data come from and where the tables lie."""

import datetime as dt
import re
from typing import Annotated, Literal

from msgspec import Meta

from recaug.config.base import Positive, Share, Strict


class Lake(Strict, kw_only=True):
    """Where the tables are: a folder (`path`) or a schema of a catalogue (`catalog`), one of both."""

    path: str | None = None
    catalog: str | None = None

    def __post_init__(self) -> None:
        """Check that it is one place, whose path readers do not take for shorter."""
        if (self.path is None) == (self.catalog is None):
            raise ValueError("set one of lake.path and lake.catalog, the other null")
        if self.path is not None and (cut := re.search("[#?]", self.path)):
            raise ValueError(
                f"path {self.path} has a {cut[0]}, at which readers of its files end it; rename the folder"
            )


class Spark(Strict, kw_only=True):
    """How the session is built where the job builds it (local mode); spark-submit's own settings win.

    master: e.g. `local[2]`; null takes spark-submit's, or local[*].
    settings: any `spark.*` key, passed on as it is.
    """

    master: str | None = None
    shuffle_partitions: Positive = 2
    settings: dict[str, str] = {}


class Source(Strict, kw_only=True):
    """One file, folder or glob.

    format: one that Spark reads, or `sequences`: text lines `user item item ...` in order of time, which give the
        columns user, item and position (from 0); or `json_object`: files of one JSON object each, whose entries give
        the columns key and values (an array of texts); or `npz`: NumPy archives with the arrays images (n, height,
        width, channels), labels and split (codes) and classes and splits (what the codes mean), which give the columns
        position, image (PNG), label and split.
    path: `package://NAME/inside` names a file of an installed Python package.
    options: passed to Spark's reader, e.g. header, sep.
    nulls: texts that mean that nothing is said, as a blank does.
    """

    path: str
    format: Literal["csv", "json", "parquet", "delta", "binaryFile", "sequences", "json_object", "npz"]
    options: dict[str, str] = {}
    nulls: tuple[str, ...] = ("NA", "N/A", "null", "NULL", "None", "nan", "NaN", "\\N")


class Rule(Strict, kw_only=True):
    """Rows for which the SQL expression `when` is true are quarantined under `name`."""

    name: str
    when: str


class Robots(Strict, kw_only=True):
    """Users out of all proportion: their events of that day (or minute) are quarantined."""

    max_events_per_day: Positive
    max_events_per_minute: Positive


class Events(Source, kw_only=True):
    """The event log. Each column is a Spark SQL expression over the source's columns.

    columns: user_id, item_id, event_time (timestamp, UTC) are required; event_type, price, quantity, query,
        session_id are optional. A plain column name is the usual expression; a constant is `'purchase'`.
    event_types: the source's value of event_type -> ours; another value is quarantined.
    unique_by: more columns of the source that tell two events apart (an invoice number, say).
    late_days: so many days before a night are read again, for rows that came after their own night.
    earliest: a time before this day is none; 1970-01-01 is what 0 means.
    max_quarantine: share of a night's rows, of 100 or more, that are no events though neither `rules` nor `robots`
        say so; above it the night ends.
    """

    columns: dict[
        Literal["user_id", "item_id", "event_time", "event_type", "price", "quantity", "query", "session_id"], str
    ]
    event_types: dict[str, str] = {}
    unique_by: list[str] = []
    rules: list[Rule] = []
    robots: Robots
    session_gap_minutes: Positive
    late_days: Annotated[int, Meta(ge=0)] = 0
    earliest: dt.date = dt.date(1990, 1, 1)
    max_quarantine: Share = 0.05

    @property
    def our_types(self) -> tuple[str, ...]:
        """What types events may have; none where they are the source's own, which nobody knows before it is read."""
        if "event_type" not in self.columns:
            return ("event",)
        return tuple(dict.fromkeys(self.event_types.values()))


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
        names = [*self.categorical, *self.multi_valued, *self.numeric, *self.vectors, *self.pictures, *self.sounds]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two attributes are called {', '.join(twice)}")


class Sources(Strict, kw_only=True):
    """Where the data come from; without `items` the catalogue is what the events name."""

    events: Events
    items: Items | None = None
