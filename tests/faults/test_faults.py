"""A night that is ended anywhere comes to the same; `make faults` ends it at every point, each day's test at a few."""

import datetime as dt
from pathlib import Path

import pytest
from tests.conftest import STAGES
from tests.faults.nights import SAME, WAYS, Undisturbed, outcome
from tests.faults.run import distinct, spread

from recaug.night.stage import NIGHT

TODAY = dt.date.today().toordinal()
A_DAY = 2  # points


@pytest.fixture
def night(night_of_few: Undisturbed) -> Undisturbed:
    """A night with all its points. Its gate holds, so that no published row is among what is written."""
    return night_of_few


@pytest.mark.slow
def test_every_write_of_a_night_is_a_point(night: Undisturbed) -> None:
    """What a stage declares to write is among them, and what each leaves beside the tables."""
    points = distinct(night.points)
    assert len(points) >= 80
    for name in STAGES:
        committed = {point.what for point in points if point.stage == name and point.how == "commit"}
        left = {table for table in NIGHT[name].writes if (night.root / "lake" / table).exists()}
        assert left | {"runs"} <= committed, name
    files = " ".join(point.what for point in points if point.how != "commit")
    for part in ("summary.json", "report/index.html", "meta.json", "model.safetensors", "optimisers.pt", "mlflow/"):
        assert part in files


@pytest.mark.slow
@pytest.mark.parametrize("number", range(A_DAY))
def test_a_night_that_is_ended_anywhere_comes_to_the_same(night: Undisturbed, number: int) -> None:
    """Other points each day, and the other way every second one; the last takes the Java process with it."""
    point = spread(distinct(night.points), A_DAY, TODAY)[number]
    way = list(WAYS)[(TODAY + number) % len(WAYS)]
    found = outcome(night, point, [way], with_java=number == A_DAY - 1)
    assert found == {way: SAME}, f"{point}; see {Path(night.root) / f'log {way}'}"


def test_points_are_spread_over_the_night_and_days_take_others() -> None:
    taken = [spread(list(range(10)), 3, turn) for turn in range(4)]  # type: ignore[arg-type]
    assert taken[:2] == [[0, 3, 6], [1, 4, 7]]
    assert {point for points in taken for point in points} == set(range(10))
