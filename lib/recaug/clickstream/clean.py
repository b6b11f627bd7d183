"""Tells events from noise; whatever is no event says why, and nothing is lost."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recaug.clickstream.columns import CORRUPT, EVENT, FILE, OURS, POSITION, REASONS, UNPARSED
from recaug.clickstream.mapping import AMOUNTS, expression
from recaug.config import Log, Robots

FRACTION = "an id is a fraction"
ROBOTS = {f"recaug_robot_{span}": f"robot: too many events in a {span}" for span in ("day", "minute")}  # by column


PLACE = {"source": "string", "path": "bigint", "block": "bigint", "row": "bigint"}  # of a row, by its file


def mark(mapped: DataFrame, log: Log, robots: DataFrame | None = None, key: str = "source.events") -> DataFrame:
    """Give each row its event, and the reasons why it is none.

    mapped: the source's columns with FILE, POSITION, CORRUPT and EVENT, of mapping.map_events.
    robots: (user_id, day, minute) of find_robots, broadcast; null day or minute where the other counts.
    key: the YAML's section of the log.
    Gives user_id, item_id, event_type, event_time, price, quantity, query, session_id, event_id, ignored (whether its
    type is one of ignore_types), reasons (array<string>, empty for an event and where it is ignored), raw (the source's
    row as JSON; null for an event), source (file name), its_type (what the source calls its type), order (a struct
    that orders events of one user and time).
    Raises ContractError for a rule that names no column of the source.
    """
    event = {name: F.col(f"{EVENT}.{name}") for name in mapped.select(f"{EVENT}.*").columns}
    has = [name for name in mapped.columns if name not in OURS]
    its_type = event["event_type"]
    event["event_type"] = _our_type(its_type, log)
    ignored = F.col(CORRUPT).isNull() & F.coalesce(its_type.isin(*log.ignore_types), F.lit(False))
    faults = {why: ~ignored & fault for why, fault in _faults(mapped, event, log, key).items()}
    if robots is not None:
        mapped = _join_robots(mapped, robots)
        faults |= {reason: F.col(column) for column, reason in ROBOTS.items()}
    # array_remove, unlike filter, compiles.
    said = (F.when(fault, F.lit(name)).otherwise("") for name, fault in faults.items())
    reasons = F.array_remove(F.array(*said), "")
    given = (F.col(f"`{name}`") for name in has)
    raw = F.when(F.size(REASONS) > 0, F.to_json(F.struct(*given, F.col(CORRUPT).alias(UNPARSED))))
    names = ("user_id", "item_id", "event_type", "event_time", "price", "quantity", "query", "session_id")
    return mapped.withColumn(REASONS, reasons).select(
        *(event[name].alias(name) for name in names),
        event_id(event).alias("event_id"),
        F.col(REASONS).alias("reasons"),
        raw.alias("raw"),
        F.col(FILE).alias("source"),
        ignored.alias("ignored"),
        its_type.alias("its_type"),
        _order(event, log).alias("order"),
    )


def _order(event: dict[str, Column], log: Log) -> Column:
    """What order_by says, numbers by their value; without it the file and the place in it."""
    path, block, row = (F.col(f"{POSITION}.{part}") for part in ("path", "block", "row"))
    place = {"source": F.col(FILE), "path": F.xxhash64(path), "block": block, "row": row}
    by_file = {
        name: column if log.order_by is None else F.lit(None).cast(PLACE[name]) for name, column in place.items()
    }
    order = {"number": event["number"], "text": event["text"], **by_file}
    return F.struct(*(column.alias(name) for name, column in order.items()))


def _faults(mapped: DataFrame, event: dict[str, Column], log: Log, key: str) -> dict[str, Column]:
    """Give each reason why a row is no event, and whether it is so."""
    return {
        "malformed row": F.col(CORRUPT).isNotNull(),
        "no user_id": event["user_id"].isNull(),
        "no item_id": event["item_id"].isNull(),
        FRACTION: event["fraction"],
        "an id is a number too large to be exact": event["inexact"],
        "an id is an object or an array": event["nested"],
        "unreadable character in an id": _has_unreadable(event["user_id"]) | _has_unreadable(event["item_id"]),
        "unreadable event_time": event["event_time"].isNull() & ~event["early"],
        f"event_time before {log.earliest}": event["early"],
        "unknown event_type": event["event_type"].isNull(),
        **{f"{name} is not a number": _not_a_number(event, name) for name in AMOUNTS},
        "price is negative": event["price"] < 0,
        **{rule.name: expression(mapped, rule.when, f"{key}.rules.{rule.name}") for rule in log.rules},
    }


def suspect_robots(events: DataFrame, robots: Robots) -> list[str]:
    """Name the users with so many rows in a whole day that they may be above one of the bounds: mostly nobody.

    events: user_id, event_time.
    """
    bound = min(robots.max_events_per_day, robots.max_events_per_minute)
    days = _readable(events).groupBy("user_id", F.to_date("event_time")).count()
    return sorted(row[0] for row in days.where(F.col("count") > bound).select("user_id").distinct().collect())


def find_robots(events: DataFrame, robots: Robots) -> DataFrame:
    """Find the users with more distinct events in a day or a minute than a person can make.

    events: user_id, event_time, event_id. Gives (user_id, day date, minute long): each row one day or one minute
    (epoch minutes) of one user, the other null. Exact copies of a row count once, so that a log delivered twice makes
    no robots.
    """
    distinct = _readable(events).select("user_id", "event_time", "event_id").distinct()
    minutes = distinct.groupBy("user_id", F.floor(F.unix_seconds("event_time") / 60).alias("minute")).count()
    days = minutes.groupBy("user_id", F.to_date(F.timestamp_seconds(F.col("minute") * 60)).alias("day")).agg(
        F.sum("count").alias("count")
    )
    by_day = days.where(F.col("count") > robots.max_events_per_day)
    by_minute = minutes.where(F.col("count") > robots.max_events_per_minute)
    return by_day.select("user_id", "day", F.lit(None).cast("long").alias("minute")).unionByName(
        by_minute.select("user_id", F.lit(None).cast("date").alias("day"), "minute")
    )


def deduplicate(events: DataFrame) -> DataFrame:
    """Keep one of the rows with the same event_id: the same one wherever they lie.

    events: event_id with the columns that mark gives. The rows that go are copies in all that makes the event_id;
    of those the one with the lowest price, then quantity, then session_id, then `order` stays.
    """
    # Copies have one user and one time, so this order puts them side by side; sessions use the same order.
    order = ("event_time", "event_id", "price", "quantity", "session_id", "order")
    before = F.lag("event_id").over(Window.partitionBy("user_id").orderBy(*order))
    return events.withColumn("_before", before).where("_before IS NULL OR _before != event_id").drop("_before")


def order_events(events: DataFrame) -> DataFrame:
    """Number a user's events of one time by `order`, then event_id: event_order, from 1."""
    by_order = Window.partitionBy("user_id", "event_time").orderBy("order", "event_id")
    return events.withColumn("event_order", F.row_number().over(by_order)).drop("order")


def event_id(event: dict[str, Column]) -> Column:
    """Name an event by what it is: the first 32 hex digits of SHA-256 over user, item, time, type, query, unique_by."""
    parts = [
        event["user_id"],
        event["item_id"],
        F.unix_micros(event["event_time"]).cast("string"),
        event["event_type"],
        event["query"],
        event["unique"],
    ]
    return F.substring(F.sha2(F.concat_ws("\x1e", *(F.coalesce(part, F.lit("\x00")) for part in parts)), 256), 1, 32)


def _our_type(source_type: Column, log: Log) -> Column:
    """Translate the source's event type; null where it is unknown."""
    if not log.event_types:
        return source_type
    pairs = [F.lit(text) for pair in log.event_types.items() for text in pair]
    return F.create_map(*pairs)[source_type]


def _has_unreadable(text: Column) -> Column:
    """Say whether a text holds U+FFFD: what a reader puts for bytes that the encoding has not, in all ids alike."""
    return F.coalesce(F.contains(text, F.lit("\ufffd")), F.lit(False))


def _not_a_number(event: dict[str, Column], name: str) -> Column:
    """Say whether the source gives a value that is no finite number."""
    infinite = F.isnan(event[name]) | (F.abs(event[name]) == F.lit(float("inf")))
    return event[f"{name}_given"] & (event[name].isNull() | infinite)


def _join_robots(mapped: DataFrame, robots: DataFrame) -> DataFrame:
    """Add the columns ROBOTS."""
    time, user = F.col(f"{EVENT}.event_time"), F.col(f"{EVENT}.user_id")
    by_day, by_minute = ROBOTS
    days = robots.where("day IS NOT NULL").select(
        F.col("user_id").alias("recaug_user"), F.col("day").alias("recaug_day"), F.lit(True).alias(by_day)
    )
    minutes = robots.where("minute IS NOT NULL").select(
        F.col("user_id").alias("recaug_user"), F.col("minute").alias("recaug_minute"), F.lit(True).alias(by_minute)
    )
    on_day = (user == F.col("recaug_user")) & (F.to_date(time) == F.col("recaug_day"))
    on_minute = (user == F.col("recaug_user")) & (F.floor(F.unix_seconds(time) / 60) == F.col("recaug_minute"))
    return (
        mapped.join(F.broadcast(days), on=on_day, how="left")
        .drop("recaug_user", "recaug_day")
        .join(F.broadcast(minutes), on=on_minute, how="left")
        .drop("recaug_user", "recaug_minute")
    )


def _readable(events: DataFrame) -> DataFrame:
    """Keep the rows with a user and a time."""
    return events.where("user_id IS NOT NULL AND event_time IS NOT NULL")
