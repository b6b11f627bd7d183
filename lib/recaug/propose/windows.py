"""Proposes what follows from the times of a log: its zone, its last whole day, its windows, and bounds for robots."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd

from recaug.propose.actions import PASSIVE
from recaug.propose.logs import ORDER_ONLY, Entry
from recaug.propose.roles import Roles
from recaug.propose.times import Moments, Time, offset_of

PER_DAY, PER_MINUTE = 1000, 100  # recaug's own bounds of what a person does
BASKETS = {"purchase", "rating", "review"}  # types of which many have one minute, or one day
EVENING = 18  # an hour until which a day that ends so early goes on
FEW_DAYS = 4  # below which there is nothing to cut by time
PART = 0.12  # of the days that are validated on, and tested on


def moments_of(roles: Roles) -> Moments:
    """When the rows with a user and an item happened, by the clock of find_zone, which cuts the days."""
    if roles.time is None:
        return pd.Series([pd.Timestamp(ORDER_ONLY)])
    there = (roles.item.codes >= 0) & (roles.user.codes >= 0)
    return _by_clock(roles.time, str(find_zone(roles).value))[there].dropna()


def _by_clock(time: Time, zone: str) -> Moments:
    """The moments as a clock of the zone shows them; those that name no zone are as they are."""
    if time.zone is None:
        return time.moments
    return time.moments.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)


def find_zone(roles: Roles) -> Entry:
    """The shop's zone: what the times say of it."""
    time = roles.time
    if time is None or (time.zone is None and not time.has_clock):
        return Entry("UTC", "there are no times of day")
    if time.zone is None:
        return Entry("UTC", "no value names a zone", "may be the shop's own, such as Europe/Berlin")
    if time.is_number:
        return Entry("UTC", "numbers since 1970 are of UTC; another zone cuts the days elsewhere")
    name, *others = time.zone.split(" ")
    offset = offset_of(name)
    if "/" in name:
        return Entry(name, "values name it")
    if others or offset is None or not offset or offset.total_seconds() % 3600:
        return Entry("UTC", f"values name {time.zone}; another zone cuts the days elsewhere")
    hours = int(offset.total_seconds() // 3600)
    unsure = "may be the shop's place, which has summer time"
    return Entry(f"Etc/GMT{-hours:+d}", f"each value has the offset {name}", unsure)


def last_whole_day(moments: Moments, roles: Roles) -> dt.date:
    """The last day, or the one before it if that ends earlier than others do."""
    if roles.time is None or moments.empty:
        return ORDER_ONLY
    rows = moments.dt.date.value_counts().to_dict()
    days = sorted(day for day, number in rows.items() if number >= 0.02 * max(rows.values()))
    ends = [moments[moments.dt.date == day].max().hour for day in days[-8:]]
    if not roles.time.has_clock or len(days) < 3 or ends[-1] >= EVENING:
        return days[-1]
    return days[-2] if ends[-1] < np.median(ends[:-1]) - 3 else days[-1]


def find_robots(roles: Roles, types: Sequence[str]) -> Entry | None:
    """Bounds above what users of the sample do, where recaug's own would catch people."""
    there = (roles.user.codes >= 0) & (roles.item.codes >= 0)
    if not there.any():
        return None
    if roles.time is None:
        day = minute = int(np.bincount(roles.user.codes[there]).max())
    else:
        moments = _by_clock(roles.time, str(find_zone(roles).value))
        frame = pd.DataFrame({"user": roles.user.codes, "time": moments.to_numpy()})[there].dropna()
        by_day = frame.groupby(["user", frame["time"].dt.floor("D")]).size()
        by_minute = frame.groupby(["user", frame["time"].dt.floor("min")]).size()
        often = float(np.mean(by_minute.to_numpy() > PER_MINUTE / 2)) > 0.001
        if by_day.empty or (roles.time.has_clock and not (set(types) <= BASKETS or often)):
            return None
        day, minute = int(by_day.max()), int(by_minute.max())
    timed = roles.time is not None and roles.time.has_clock
    per_day = max(PER_DAY, _round_up(2 * day))
    per_minute = max(PER_MINUTE, _round_up(2 * minute)) if timed else per_day
    if (per_day, per_minute) == (PER_DAY, PER_MINUTE):
        return None
    bounds = {"max_events_per_day": per_day, "max_events_per_minute": per_minute}
    return Entry(bounds, f"a user has up to {day} a day{f', {minute} a minute' if timed else ''}")


def _round_up(number: int) -> int:
    """Round up to 1, 2 or 5 of some power of ten."""
    power = 10 ** (len(str(number)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= number)


def find_windows(moments: Moments, types: Sequence[str], is_whole: bool) -> dict[str, Entry]:
    """The section prepare: windows by the span of the log, and the types that make sequences.

    is_whole: whether the sample has all rows.
    """
    made = [name for name in types if name not in PASSIVE] or [*types]
    first, last = moments.min().date(), moments.max().date()
    days = (last - first).days + 1
    span = f"{days} days from {first} to {last}" if days > 1 else "one day, or the order alone"
    span = span if is_whole or days == 1 else f"the sample spans {span}"
    if days < FEW_DAYS:
        split, train, part = Entry("leave_one_out", f"{span}: a user's last event is the test"), max(days - 2, 1), 1
    else:
        part = min(max(round(days * PART), 1), 30)
        split, train = Entry("time", span), min(days - 2 * part, 180)
    lengths = {"train_days": Entry(train), "validation_days": Entry(part), "test_days": Entry(part)}
    return {"split": split, "event_types": Entry(made), **lengths}
