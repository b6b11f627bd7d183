"""A log that is made larger keeps its densities, and what nights took is read, kept and drawn."""

import datetime as dt
from xml.etree import ElementTree

import pandas as pd
import pytest
from tests.bench import scale
from tests.bench.enlarged import write_log
from tests.studies.test_capacity import grown, night

from recaug.lake.runs import RunRecord, record
from recaug.results import Publish
from recaug.results.growth import Size

DAY = dt.date(2017, 4, 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve users with five purchases each, on five days of the quarter; one more past it."""
    folder = tmp_path_factory.mktemp("data")
    days = [pd.Timestamp(2017, 1, 1, 9) + pd.Timedelta(days=22 * n) for n in range(5)]
    rows = [(user, user * 10 + n, 1000 + (user + n) % 6, day) for user in range(1, 13) for n, day in enumerate(days)]
    rows.append((1, 99, 1000, pd.Timestamp(2017, 8, 1)))
    log = pd.DataFrame(rows, columns=["household_id", "basket_id", "product_id", "transaction_timestamp"])
    log.assign(quantity=1, sales_value=1.0).to_parquet(folder / "transactions.parquet")
    pd.DataFrame({"product_id": range(1000, 1010), "brand": "own"}).to_parquet(folder / "products.parquet")
    return folder


def made(data, folder, millions, others):
    size = write_log(folder, millions, others, data)
    return size, pd.read_parquet(folder / "events"), pd.read_parquet(folder / "items")


def test_copies_keep_events_a_user_and_an_item_and_the_days_stay_as_many(data, tmp_path):
    size, events, items = made(data, tmp_path, 180e-6, ("users", "items"))
    assert size == Size(events=180, users=36, items=18)
    assert set(events.groupby("household_id").size()) == {5}
    assert set(events.groupby("product_id").size()) == {10}
    assert len(items) == items["product_id"].nunique() == 18  # what was bought, of each copy
    assert events["transaction_timestamp"].between("2017-01-01", "2017-04-02").all()
    first, second, _ = (
        set(copy["transaction_timestamp"]) for _, copy in events.groupby(events["household_id"] // 10_000)
    )
    assert first != second
    assert not events.duplicated().any()


def test_users_of_all_copies_may_buy_the_same_or_be_the_same(data, tmp_path):
    size, events, items = made(data, tmp_path / "users", 120e-6, ("users",))
    assert size == Size(events=120, users=24, items=6)
    assert len(items) == 6
    size, events, _ = made(data, tmp_path / "days", 120e-6, ())
    assert size == Size(events=120, users=12, items=6)
    assert not events.duplicated().any()


def test_the_last_copy_has_so_many_users_as_are_asked_for(data, tmp_path):
    size, events, _ = made(data, tmp_path, 80e-6, ("users", "items"))
    assert size.events == 80
    assert size.users == 16
    assert set(events.groupby("household_id").size()) == {5}


def test_what_the_table_runs_has_is_read(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "STAGES", ("publish", "recommend"))
    found = {"publish": Publish(augmented=1), "recommend": Publish(augmented=2)}
    for number, stage in enumerate(scale.STAGES, 1):
        record(
            lake,
            RunRecord(
                run_id="r",
                event_date=DAY,
                stage=stage,
                started=dt.datetime(2017, 4, 2),
                finished=dt.datetime(2017, 4, 2),
                metrics=found[stage],
                config_hash="",
                cpu_seconds=2.0 * number,
                wall_seconds=3.0,
                peak_memory_mb=40.0,
                memory_mb={"driver": 40.0, "java": 30.0},
                shuffle_mb=5.5,
            ),
        )
    costs = scale.recorded(tmp_path)
    assert [cost.cpu_seconds for cost in costs.values()] == [2.0, 4.0]
    assert costs["publish"].memory_mb == {"driver": 40.0, "java": 30.0}
    assert (costs["publish"].shuffle_mb, costs["publish"].wall_seconds) == (5.5, 3.0)


def test_a_night_takes_the_place_of_one_of_the_same_size(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "MEASURED", tmp_path / "new" / "measured.json")
    for one in (night(3), night(1), night(1, executors=2), night(1, wall=9.0)):
        scale.keep(one)
    kept = scale.load()
    assert kept.days == 91
    assert [(one.copies, one.executors) for one in kept.nights] == [(1, 0), (3, 0), (1, 2)]
    assert kept.nights[0].stages["train"].wall_seconds == 9.0


def test_the_table_and_the_plot_show_every_stage():
    growth = grown(night(1), night(10), night(1, executors=2))
    lines = scale.table(growth).splitlines()
    assert lines[0] == "|  | 1,000,000 events | 10,000,000 events | 1,000,000 events, 2 executors |"
    assert "| train | 20 | 11 | 20 |" in lines
    words = "".join(ElementTree.fromstring(scale.drawn(growth)).itertext())
    assert all((stage in words) is (stage in scale.DRAWN) for stage in scale.STAGES)
    assert "var(" not in scale.drawn(growth)
