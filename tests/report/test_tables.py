"""The tables of a trial, from results by hand."""

import pytest
from tests.report.made import GENERATORS, against_none, interval, measured, trial

from recaug.report import tables
from recaug.report.series import Series


def test_the_best_of_each_column_is_marked_and_the_lowest_gini_is_best() -> None:
    low = interval(0.1, 0.05, 0.2)
    judged = trial(
        against_none("vae", measured=measured(0.8, hr=interval(0.2, 0.1, 0.3))),
        against_none("counts", "rare_items", measured=measured(0.85, hr=low)),
        against_none(measured=measured(0.9, hr=low)),
        baselines={"popularity": measured(0.95, hr=interval(0.15, 0.1, 0.2))},
    )
    table = tables.metric_table(judged, "overall", GENERATORS)
    assert table is not None
    assert (table.slice, table.users, table.metrics) == ("All users", 40, ["HR@10"])
    assert {row.label: row.cells[0].best for row in table.rows if row.cells[0]} == {
        "SASRec, no generated rows": False,
        "SASRec + VAE rows": True,
        "SASRec + rows of counts and rare items": False,
        "popularity": False,
    }
    catalogue = tables.metric_table(judged, "catalogue", GENERATORS)
    assert catalogue is not None
    assert (catalogue.users, catalogue.metrics) == (None, ["Coverage@10", "Novelty@10, bits", "Gini@10"])
    assert [row.cells[2] for row in catalogue.rows[:2]] == [
        tables.Cell(0.9, None, None, False),
        tables.Cell(0.8, None, None, True),
    ]
    assert tables.metric_table(judged, "cold", GENERATORS) is None
    assert tables.metric_table(None, "overall", GENERATORS) is None


def test_mixtures_stand_below_the_baselines_and_what_was_not_measured_is_empty() -> None:
    blend = measured(hr=interval(0.3))
    judged = trial(
        against_none(measured=measured(hr=interval(0.1))),
        against_none("vae", measured=measured(hr=interval(0.2)), blend=blend),
        baselines={"own": measured(hr=interval(0.1)), "covisitation": measured(hr=interval(0.1))},
    )
    table = tables.metric_table(judged, "overall", GENERATORS)
    assert table is not None
    assert [row.label for row in table.rows] == [
        "SASRec, no generated rows",
        "SASRec + VAE rows",
        "co-visitation",
        "own",
        "SASRec + VAE rows, blended with co-visitation",
    ]


def test_arms_that_are_called_the_same_each_have_a_row() -> None:
    twice = [Series("vae", "VAE", ("red", "red")), Series("second", "VAE", ("blue", "blue"))]
    arms = [against_none(name, measured=measured(hr=interval(0.1))) for name in ("vae", "second")]
    table = tables.metric_table(trial(against_none(), *arms), "overall", twice)
    assert table is not None
    assert [row.label for row in table.rows] == ["SASRec + VAE rows"] * 2


def test_each_seed_is_told_with_the_deviation_over_them() -> None:
    judged = trial(against_none("vae", by_seed=[0.2, 0.4]), against_none(by_seed=[0.3]))
    (row,) = tables.by_seed(judged, GENERATORS)
    assert row.means == [0.2, 0.4]
    assert row.deviation == pytest.approx(0.02**0.5)
    assert tables.by_seed(None, GENERATORS) == []


def test_exposure_is_told_of_the_slices_that_there_are() -> None:
    judged = trial(
        against_none("vae", measured=measured(exposure={"cold": 0.2, "overall": 0.3})),
        against_none(measured=measured(exposure={"cold": 0.1, "overall": 0.25})),
    )
    exposure = tables.exposure(judged, GENERATORS)
    assert exposure == tables.Exposure(
        ["All users", "Cold users"],
        [tables.Shares("SASRec, no generated rows", [0.25, 0.1]), tables.Shares("SASRec + VAE rows", [0.3, 0.2])],
        0.5,
    )
    assert tables.exposure(trial(against_none()), GENERATORS) is None
    assert tables.exposure(None, GENERATORS) is None
