"""Makes a proposal of what was read: the keys of the YAML, each with its evidence."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.propose.actions import PASSIVE
from recaug.propose.clock import times_of
from recaug.propose.columns import NULLS, Column, Table, tie
from recaug.propose.read import Sample
from recaug.propose.roles import Roles, find_roles, marks_of, same_events, types_of
from recaug.propose.times import offset_of
from recaug.propose.words import ideas

ORDER_ONLY = dt.date(2020, 1, 1)  # the day that stands for a log that knows the order alone
GUESTS = 0.02  # share of rows without a user, from which a rule names them
ROLES = ("user_id", "item_id", "event_time", "event_type", "price", "quantity", "query", "session_id")


class Entry(NamedTuple):
    """A key of the YAML. comment: its evidence. unsure: what it could be else."""

    value: Any
    comment: str = ""
    unsure: str = ""


@dataclass
class Log:
    """A log's keys, in the order of the YAML. roles: what they come of. explode: of the view that was chosen."""

    roles: Roles
    explode: str | None
    columns: dict[str, Entry] = field(default_factory=dict)
    keys: dict[str, Entry] = field(default_factory=dict)
    ours: tuple[str, ...] = ()


@dataclass
class Draft:
    """A proposal. moments: when the sample's rows happened. score: how sure it is to be an event log."""

    sample: Sample
    log: Log
    more: list[Log]
    keys: dict[str, Entry]
    prepare: dict[str, Entry]
    last_day: dt.date
    score: float


def propose(sample: Sample, is_part: bool = False) -> Draft | str:
    """Propose what a sample is; in words, what it lacks that is no event log.

    is_part: whether there are more files than were looked at.
    """
    tried = [(view, find_roles(view.table)) for view in sample.views]
    good = [
        (roles.score - 0.5 * (view.explode is not None), view, roles)
        for view, roles in tried
        if isinstance(roles, Roles)
    ]
    if not good:
        return next(roles for _, roles in tried if isinstance(roles, str))
    score, view, roles = max(good, key=lambda each: each[0])
    log = make_log(roles, view.explode, view.records)
    more = _more(sample, view.records, roles, log) if len(sample.views) > 1 else []
    moments = _local(roles)
    keys = {"time_zone": _zone(roles)} | _robots(roles, log)
    types = tuple(dict.fromkeys((*log.ours, *(name for other in more for name in other.ours))))
    last_day = _last_day(moments, roles, sample)
    return Draft(sample, log, more, keys, _prepare(moments, types, sample.is_whole and not is_part), last_day, score)


def make_log(roles: Roles, explode: str | None, records: NDArray[np.int64]) -> Log:
    """Write the roles of a table as the keys of a log. records: number of the record of each row."""
    log = Log(roles, explode)
    if explode is not None:
        log.keys["explode"] = Entry(explode, "each element of this array is a row")
    for role in ROLES:
        if choice := roles.choices.get(role):
            log.columns[role] = Entry(choice.sql, choice.evidence, choice.unsure)
    if roles.time is None:
        log.columns["event_time"] = _order_only(roles.table)
    _types(roles, log)
    log.columns = {role: log.columns[role] for role in ROLES if role in log.columns}
    _tell_apart(roles, log, records)
    if marks := marks_of(roles):
        log.keys["nulls"] = Entry([*NULLS, *marks], f"{', '.join(marks)} mean that nothing is said")
    if rules := _rules(roles):
        log.keys["rules"] = Entry([({"name": name, "when": when}, why) for name, when, why in rules])
    return log


def _order_only(table: Table) -> Entry:
    """Make a time of what orders the rows of a user."""
    day = f"timestamp '{ORDER_ONLY}'"
    if any(column.name == "position" and column.sql == "position" for column in table.columns):
        return Entry(f"timestamp_seconds(unix_seconds({day}) + position)", "no time is known, only the order")
    return Entry(day, "no column is a time: the rows keep the order of their file", "may be in another file")


def _types(roles: Roles, log: Log) -> None:
    """Set the event type: of the column that says what was done, or what all rows are."""
    types = types_of(roles)
    if not types:
        ours, why, unsure = default_type(roles)
        log.columns["event_type"] = Entry(f"'{ours}'", why, unsure)
        log.keys["event_types"] = Entry({ours: ours})
        log.ours = (ours,)
        return
    ignored = [value for value, (*_, share) in types.items() if share < 0.02]
    kept = {value: ours for value, (ours, *_) in types.items() if value not in ignored}
    strange = [value for value, (_, sure, *_) in types.items() if not sure and value in kept]
    unsure = f"do not say what {', '.join(strange[:6])} mean{'s' if len(strange) == 1 else ''}" if strange else ""
    log.keys["event_types"] = Entry(kept, "" if strange else "by their words", unsure)
    if ignored:
        rows = sum(types[value][2] for value in ignored)
        log.keys["ignore_types"] = Entry(ignored, f"{rows:,} rows, none of which has an item")
    log.ours = tuple(dict.fromkeys(kept.values()))


def default_type(roles: Roles) -> tuple[str, str, str]:
    """Say what rows are that name no type: (ours, why, what it could be else)."""
    table = roles.table
    heard = [ideas(column.name) for column in table.columns]

    def speaks(idea: str) -> list[str]:
        return [
            column.name
            for column, ideas_of in zip(table.columns, heard, strict=True)
            if ideas_of.get(idea, 0.0) >= 0.9  # type: ignore[call-overload]
        ]

    graded = [
        column.name
        for column, ideas_of in zip(table.columns, heard, strict=True)
        if ideas_of.get("rating", 0.0) > 0.4 and column.is_number and column.distinct <= 21
    ]
    if graded and "quantity" not in roles.choices:
        prose = any(column.is_prose and column.name not in roles.taken for column in table.columns)
        return ("review" if prose else "rating"), f"no column is a type; {graded[0]} grades", ""
    if grades := next((column.name for column in table.columns if _is_grade(column, roles)), None):
        return "rating", f"no column is a type; {grades} grades", "may be review"
    if "session" in ideas(roles.user.name) and "quantity" not in roles.choices:
        return "view", "no column is a type; rows of sessions are views", "may be purchase"
    if "quantity" in roles.choices or speaks("order"):
        why = roles.choices["quantity"].names[0] if "quantity" in roles.choices else speaks("order")[0]
        return "purchase", f"no column is a type; {why} is of purchases", ""
    if "session_id" in roles.choices:
        return "view", "no column is a type; rows of sessions are views", "may be purchase"
    if roles.time is None:
        return "view", "nothing says what was done", "may be purchase or review"
    if "price" in roles.choices or (roles.time is not None and not roles.time.has_clock):
        return "purchase", "no column is a type; a price, or a day without a time, is of purchases", "may be view"
    return "view", "no column says what was done", "may be purchase"


def _is_grade(column: Column, roles: Roles) -> bool:
    """Whether a column without a name holds grades: few numbers up to 10, high ones more often than low ones."""
    if ideas(column.name) or column.name in roles.taken or not column.is_number or not 3 <= column.distinct <= 21:
        return False
    numbers = column.numbers[~np.isnan(column.numbers)]
    within = bool((numbers >= 0).all() and (numbers <= 10).all())
    apart = max(tie(roles.item.codes, column.codes), tie(roles.user.codes, column.codes)) < 0.5
    return within and apart and float(np.median(numbers)) > (numbers.min() + numbers.max()) / 2


def _tell_apart(roles: Roles, log: Log, records: NDArray[np.int64]) -> None:
    """Set what tells events apart that agree in user, item, time and type, and what orders those of one time."""
    table, taken = roles.table, roles.taken
    timed = set() if roles.time is None else set(roles.time.names)
    free = [column for column in table.columns if column.name not in taken | timed]
    rows = {column.name: column for column in free if _is_row_id(column, log, records)}
    baskets = [column for column in free if ideas(column.name).get("order", 0) >= 0.9 and not column.has_fractions]
    baskets = [column for column in baskets if column.distinct > 1 and tie(column.codes, roles.user.codes) > 0.8]
    same = same_events(roles)
    unique = [next(iter(rows.values()))] if rows else [column for column in baskets[:1] if column.filled > 0.5]
    if not rows and same and unique and (left := same_events(roles, unique)):
        quantity = [roles.amounts["quantity"].column] if "quantity" in roles.amounts else []
        unique += [column for column in quantity if same_events(roles, [*unique, column]) < left]
    order = _order_by(roles, free, log)
    if not unique and same and order is not None:  # a place in the session, say, tells two events of one day apart
        unique = [next(column for column in free if column.sql in order.value)]
    if unique:
        left = same_events(roles, unique)
        why = f"{same} rows agree in user, item, time and type, {left} with it" if same else "tells rows apart"
        log.keys["unique_by"] = Entry([column.sql for column in unique], why)
    elif same:
        log.keys["unique_by"] = Entry([], f"{same} rows agree in user, item, time and type: copies, counted once")
    if order is not None:
        log.keys["order_by"] = order


def _is_row_id(column: Column, log: Log, records: NDArray[np.int64]) -> bool:
    """Whether a column names each row, or each record whose array is exploded."""
    if column.filled < 0.98 or column.name.startswith("_c") or not column.is_code or len(column.given) < 3:
        return False
    if log.explode is not None and column.name.startswith(f"{log.explode}."):
        return False
    own = column.distinct >= 0.995 * len(np.unique(records[column.codes >= 0]))
    return (
        own
        and not column.has_fractions
        and not ideas(column.name).keys() & {"time", "price", "label", "order"} - {"order"}
    )


def _order_by(roles: Roles, free: Sequence[Column], log: Log) -> Entry | None:
    """Find what orders rows of the same time, where times are days alone: a count within the user, or over the file."""
    time = roles.time
    if time is not None and time.has_clock or "position" in log.columns["event_time"].value:
        return None
    for column in free:
        if not column.is_integer or column.filled < 0.98 or column.name.startswith("_c"):
            continue
        sql = column.sql if column.native == "integer" else f"cast({column.sql} AS bigint)"
        heard = ideas(column.name)
        if heard.keys() & {"rank", "order"} and _counts_up(column, roles.user):
            return Entry(sql, f"grows by 1 from row to row of a {roles.user.name}")
        if column.is_unique and column.ascends:
            return Entry(sql, "unique, and grows from row to row")
    return None


def _counts_up(column: Column, user: Column) -> bool:
    """Whether numbers grow by 1 within a user, mostly."""
    frame = pd.DataFrame({"user": user.codes, "number": column.numbers})
    steps = frame.groupby("user")["number"].diff().dropna()
    return len(steps) > 0 and float((steps == 1).mean()) > 0.7


def _rules(roles: Roles) -> list[tuple[str, str, str]]:
    """Rules for rows that are no events though nothing is wrong with them: (name, when, why)."""
    rules = []
    user, item = roles.user, roles.item
    there = item.codes >= 0
    missing = float((user.codes[there] < 0).mean()) if there.any() else 0.0
    if missing > GUESTS:
        rules.append(("guest", _is_null(user), f"{missing:.0%} have no {user.name}"))
    elif (nobody := _nobody(user)) is not None:
        value, share = nobody
        rules.append(("guest", f"{user.sql} = '{value}'", f"{share:.0%} have {user.name} {value}, nobody's"))
    if "quantity" in roles.amounts:
        amount = roles.amounts["quantity"]
        negative = int((amount.numbers < 0).sum())
        sql = (
            amount.sql
            if amount.column.native in ("integer", "real") or "cast" in amount.sql
            else f"cast({amount.sql} AS double)"
        )
        if negative:
            why = f"{negative:,} rows of negative {amount.column.name}: cancellations, no events"
            rules.append(("cancelled", f"{sql} < 0", why))
        if (amount.numbers == 0).any():
            rules.append(("nothing bought", f"{sql} = 0", f"{int((amount.numbers == 0).sum()):,} of quantity 0"))
    return rules


def _is_null(column: Column) -> str:
    """Say in SQL that nothing stands in a column, or a mark of that."""
    marks = ", ".join("'" + mark.replace("\\", "\\\\") + "'" for mark in sorted(column.marks))
    return f"{column.sql} IS NULL OR {column.sql} IN ({marks})" if marks else f"{column.sql} IS NULL"


def _nobody(user: Column) -> tuple[str, float] | None:
    """A value that stands for nobody: far more rows than any other, and named so."""
    counts = user.counts
    if len(counts) < 3 or counts.iloc[0] < max(5 * counts.iloc[1], 0.02 * user.rows):
        return None
    value = str(counts.index[0])
    named = re.fullmatch(
        r"-?[019]|0+|(?i:anon\w*|guest|gast|invite|unknown|unbekannt|null|none|nobody|invitado|гость|游客)", value
    )
    return (value, float(counts.iloc[0] / user.rows)) if named else None


def _more(sample: Sample, records: NDArray[np.int64], roles: Roles, log: Log) -> list[Log]:
    """A further log for records without an item so, which have one in another array, or in none."""
    covered = np.zeros(len(sample.records), dtype=bool)
    covered[records[roles.item.codes >= 0]] = True
    if covered.mean() > 0.98:
        return []
    best: tuple[int, Any] | None = None
    for view in sample.views:
        rows = ~covered[view.records]
        if view.explode == log.explode or not rows.any():
            continue
        part = view.table.only(rows)
        item = _like(part, roles.item)
        if item is not None and (best is None or len(item.given) > best[0]):
            best = (len(item.given), (view, rows, part, item))
    if best is None:
        return []
    view, rows, part, item = best[1]
    other = _with_item(part, item, roles)
    second = make_log(other, view.explode, view.records[rows])
    _split_types(log, second)
    return [second]


def _like(table: Table, item: Column) -> Column | None:
    """A column whose values are items of another, or that is called the same."""
    known, leaf = set(item.counts.index), item.name.rsplit(".", 1)[-1]
    for column in table.columns:
        if column.name != item.name and column.given:
            shared = np.mean([value in known for value in column.counts.index])
            if (column.name.rsplit(".", 1)[-1] == leaf or shared > 0.5) and (shared > 0.2 or column.distinct < 10):
                return column
    return None


def _with_item(table: Table, item: Column, roles: Roles) -> Roles:
    """The roles of a further log: those of the first, with the item and the amounts of its own."""
    from recaug.propose.roles import Choice, _find_amounts

    prefix = item.name.rsplit(".", 1)[0]
    pair = roles.pair._replace(
        user=roles.pair.user._replace(column=table[roles.user.name]), item=roles.pair.item._replace(column=item)
    )
    names = () if roles.time is None else roles.time.names
    time = next((time for time in times_of(table) if time.names == names), None)
    other = Roles(table, pair, time, type_column=table[roles.type_column.name] if roles.type_column else None)
    other.choices = {
        role: choice for role, choice in roles.choices.items() if role not in ("item_id", "price", "quantity")
    }
    other.choices["item_id"] = Choice(item.sql, (item.name,), f"{item.distinct:,} values in {prefix}")
    inner = Table(tuple(column for column in table.columns if column.name.startswith(f"{prefix}.")), table.places)
    own = Roles(inner, pair, None, choices=dict(other.choices))
    _find_amounts(own)
    other.amounts = own.amounts
    other.choices |= {role: own.choices[role] for role in ("price", "quantity") if role in own.choices}
    return other


def _split_types(log: Log, second: Log) -> None:
    """Let each log ignore the types that the other takes."""
    if "event_types" not in second.keys or second.roles.type_column is None:
        return
    own, others = second.keys["event_types"].value, log.keys["event_types"].value
    ignored = [
        value
        for value in (*others, *(log.keys["ignore_types"].value if "ignore_types" in log.keys else []))
        if value not in own
    ]
    if "ignore_types" in log.keys:
        log.keys["ignore_types"] = Entry(
            log.keys["ignore_types"].value, "their items are in the log below, or they have none"
        )
    if ignored:
        second.keys["ignore_types"] = Entry(ignored)


def _local(roles: Roles) -> "pd.Series[Any]":
    """When the rows with a user and an item happened."""
    if roles.time is None:
        return pd.Series([pd.Timestamp(ORDER_ONLY)])
    there = (roles.item.codes >= 0) & (roles.user.codes >= 0)
    moments = roles.time.moments.to_numpy()[there] if len(roles.time.moments) == len(there) else roles.time.moments
    return pd.Series(moments).dropna()


def _zone(roles: Roles) -> Entry:
    """The shop's zone: what the times say of it."""
    time = roles.time
    if time is None:
        return Entry("UTC", "there are no times")
    if time.zone is None:
        words = "no value names a zone" if time.has_clock else "days without a time"
        return Entry("UTC", words, "may be the shop's own, such as Europe/Berlin" if time.has_clock else "")
    if time.zone == "UTC" and "digits" in time.evidence:
        return Entry("UTC", "numbers since 1970 are of UTC; another zone cuts the days elsewhere")
    offset = offset_of(time.zone)
    if "/" in time.zone and offset is None:
        return Entry(time.zone.split(" ")[0], "each value names it")
    if offset is None or not offset or offset.total_seconds() % 3600:
        return Entry("UTC", f"values name {time.zone}; another zone cuts the days elsewhere")
    hours = int(offset.total_seconds() // 3600)
    unsure = "may be the shop's place, which has summer time"
    return Entry(f"Etc/GMT{-hours:+d}", f"each value has the offset {time.zone}", unsure)


def _robots(roles: Roles, log: Log) -> dict[str, Entry]:
    """Bounds above what users of the sample do, where recaug's own would catch people."""
    there = (roles.user.codes >= 0) & (roles.item.codes >= 0)
    if roles.time is None:
        most = int(np.bincount(roles.user.codes[there]).max()) if there.any() else 1
        day = minute = most
    else:
        frame = pd.DataFrame({"user": roles.user.codes, "time": roles.time.moments.to_numpy()})[there].dropna()
        if frame.empty:
            return {}
        day = int(frame.groupby(["user", frame["time"].dt.floor("D")]).size().max())
        by_minute = frame.groupby(["user", frame["time"].dt.floor("min")]).size()
        minute = int(by_minute.max())
        often = float((by_minute[by_minute > 1] > 50).mean()) if (by_minute > 1).any() else 0.0
        if roles.time.has_clock and not (set(log.ours) <= {"purchase", "rating", "review"} or often > 0.01):
            return {}
    per_day, per_minute = max(1000, _nice(2 * day)), max(100, _nice(2 * minute))
    per_minute = per_day if roles.time is None or not roles.time.has_clock else per_minute
    if (per_day, per_minute) == (1000, 100):
        return {}
    why = f"a user has up to {day} a day and {minute} a minute"
    return {"robots": Entry({"max_events_per_day": per_day, "max_events_per_minute": per_minute}, why)}


def _nice(number: int) -> int:
    """Round up to 1, 2 or 5 of some power of ten."""
    power = 10 ** (len(str(number)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= number)


def _last_day(moments: "pd.Series[Any]", roles: Roles, sample: Sample) -> dt.date:
    """The last day of which the sample has all: its last one, if that goes on until the evening."""
    if roles.time is None or moments.empty:
        return ORDER_ONLY
    days = moments.dt.date.value_counts()
    days = days[days >= max(2, 0.02 * days.max())] if len(days) > 2 else days
    last, other = max(days.index), sorted(days.index)[:-1]
    ends = moments[moments.dt.date == last].max()
    if roles.time.has_clock and other and ends.hour < 18 and len(other) > 1:
        usual = pd.Series([moments[moments.dt.date == day].max().hour for day in other[-7:]])
        if ends.hour < usual.median() - 3:
            return other[-1]
    return last


def _prepare(moments: "pd.Series[Any]", types: Sequence[str], is_whole: bool) -> dict[str, Entry]:
    """Windows by the span of the log, and the types that make sequences."""
    made = [name for name in types if name not in PASSIVE] or [*types]
    days = (moments.max().date() - moments.min().date()).days + 1 if len(moments) else 1
    span = f"{days} days from {moments.min().date()} to {moments.max().date()}" if len(moments) else "no days"
    span = span if is_whole else f"the sample spans {span}"
    kinds = {"event_types": Entry(made)}
    if days < 4:
        why = (
            f"{span}: too few to cut by time"
            if days > 1
            else "one day, or the order alone: a user's last event is the test"
        )
        return {"split": Entry("leave_one_out", why), **kinds, **_windows(max(days - 2, 1), 1)}
    part = min(max(round(days * 0.12), 1), 30)
    return {"split": Entry("time", span), **kinds, **_windows(min(days - 2 * part, 180), part)}


def _windows(train: int, part: int) -> dict[str, Entry]:
    return {"train_days": Entry(train), "validation_days": Entry(part), "test_days": Entry(part)}
