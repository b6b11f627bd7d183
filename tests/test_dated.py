"""`{date:...}` in a path: what it finds, and what is refused."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recaug.config import Events
from recaug.config.dated import any_day, check_dated, day_of, named_after

PATHS = (
    "/logs/dt={date:%Y-%m-%d}/*.parquet",
    "/logs/{date:%Y/%m/%d}",
    "/logs/{date:%Y}/{date:%m}/events-{date:%d%m%y}.csv.gz",
    "s3://shop/{date}",
    "../{date:%Y.%j}.[ct]sv",
    "logs/{web,app}/{date:%d-%b-%Y}_?.json",
)


@given(st.dates(dt.date(1970, 1, 1), dt.date(2068, 12, 31)), st.sampled_from(PATHS))
def test_a_day_is_read_from_the_name_that_it_gives(day: dt.date, path: str) -> None:
    name = (
        named_after(path, day).replace("*", "part").replace("[ct]", "t").replace("{web,app}", "app").replace("?", "1")
    )
    check_dated(path, None)
    assert day_of(path, f"file:/somewhere/{name}") == day
    assert day_of(path, f"{name}x") is None
    assert "%" not in any_day(path)


def test_a_month_is_its_first_day() -> None:
    assert day_of("/logs/{date:%Y-%B}.csv", "file:/logs/2017-October.csv") == dt.date(2017, 10, 1)
    assert day_of("/logs/{date:%Y%m%d}", "/logs/20170631") is None
    assert any_day("/logs/{date:%Y-%b}*") == "/logs/[0-9][0-9][0-9][0-9]-**"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/logs/{date:%Q}", "path /logs/{date:%Q} has %Q in {date:...}; what may stand there is %Y %y %m %d %j %b %B"),
        ("/logs/{date:%Y%}", "has % in {date:...}"),
        ("/logs/{date:%m-%d}", "does not say which day {date:...} is; write it such as {date:%Y-%m-%d}"),
        ("/logs/{date:%Y-%d}", "does not say which day {date:...} is"),
        ("/logs/{date:today}", "does not say which day {date:...} is"),
        ("/logs/{day:%Y-%m-%d}", "has {day:...}; a day is written {date:%Y-%m-%d}"),
    ],
)
def test_a_form_that_is_no_day_is_refused(path: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        check_dated(path, None)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "/logs/{date:%H}", "format": "csv"}, "has %H in {date:...}"),
        ({"path": "/logs/{date}", "format": "delta"}, "has {date}, which is of files of rows; delta has none"),
        ({"table": "main.web.events_{date}"}, "table has {date}, which stands for a day in a path of files alone"),
        (
            {"sql": "SELECT * FROM a", "inputs": {"a": {"path": "/a/{date}", "format": "csv"}}},
            "inputs.a has {date} in its path; a query reads whole inputs: write * there",
        ),
    ],
)
def test_a_day_stands_in_a_path_of_files_alone(changes: dict, message: str) -> None:
    given = {"columns": {"user_id": "u", "item_id": "i", "event_time": "t"}, **changes}
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(given, Events)
    assert message in str(error.value)
