"""Sums of measured units by slice, scorer and draw: exact, in any order and parts, and as good as drawing units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import THIN_DAY

from recaug.config import Config
from recaug.evaluate.contest import TEST
from recaug.evaluate.draws import MOST, Draws, poisson_weights
from recaug.evaluate.statistics import Bounds, lift_gap, mean_interval, relative_lift
from recaug.evaluate.sums import LARGEST, OVERALL, SCALE, UNITS, Axes, Sums, sums_of
from recaug.night.experiment import recommend_task
from recaug.night.nightly import night_context
from recaug.results import Interval

Floats = NDArray[np.float64]
AXES = Axes(("none-seed0", "none-seed1", "vae-seed0", "vae-seed1"), ("cold", "warm"), ("ndcg@10", "recall@20 rare"))
NONE, VAE = AXES.scorers[:2], AXES.scorers[2:]


def measured(users: int, axes: Axes = AXES, seed: int = 0) -> pd.DataFrame:
    """Users whose arm is 6 % above the base, for a half without a rare target; warm is a part of those not cold."""
    random = np.random.default_rng(seed)
    own = random.gamma(0.3, 0.2, (users, len(axes.metrics)))
    cold, none = random.random(users) < 0.3, random.random(users) < 0.5
    warm = ~cold & (random.random(users) < 0.8)
    frames = []
    for scorer in axes.scorers:
        values = own * (1.06 if scorer.startswith("vae") else 1.0) + random.normal(0, 0.01, own.shape)
        frame = pd.DataFrame(values, columns=list(axes.metrics))
        frame.loc[none, axes.metrics[-1]] = np.nan
        frames.append(frame.assign(unit=np.arange(users) * 7 + 5, scorer=scorer, cold=cold, warm=warm))
    return pd.concat(frames, ignore_index=True)


def by_hand(table: pd.DataFrame, axes: Axes, draws: Draws) -> NDArray[np.object_]:
    """The same sums, unit by unit, in Python's whole numbers."""
    totals = np.zeros((1 + len(axes.slices), 2, len(axes.scorers), len(axes.metrics), 1 + draws.number), dtype=object)
    for row in table.to_dict("records"):
        weights = [1, *map(int, poisson_weights(np.array([row["unit"]]), draws)[0])]
        for place, name in enumerate((OVERALL, *axes.slices)):
            for column, metric in enumerate(axes.metrics):
                if (name == OVERALL or row[name]) and not np.isnan(row[metric]):
                    whole = round(row[metric] * 2**32)
                    cell = totals[place, :, axes.scorers.index(row["scorer"]), column]
                    cell += np.array([[whole * n for n in weights], weights], dtype=object)
    return totals


@pytest.mark.parametrize("groups", [0, 5])
def test_the_sums_are_those_of_an_independent_count(groups: int) -> None:
    """With five more slices, units are of more kinds than there are slices: these are summed in the other way."""
    table, names = measured(60), tuple(f"group {number}" for number in range(groups))
    for number, name in enumerate(names):
        table[name] = table["unit"].to_numpy() >> number & 1 == 1
    axes, draws = AXES._replace(slices=AXES.slices + names), Draws(7, 3)
    assert (len(np.unique(table[[*axes.slices]], axis=0)) > 1 + len(axes.slices)) == (groups > 0)
    np.testing.assert_array_equal(Sums.of(table, axes, draws).totals, by_hand(table, axes, draws))


def test_no_sum_of_doubles_leaves_the_whole_numbers() -> None:
    assert UNITS * MOST * LARGEST * SCALE <= 2**53
    draws, axes = Draws(3, 0), Axes(("none",), (), ("ndcg@10",))
    largest = pd.DataFrame({"unit": np.arange(UNITS + 9), "scorer": "none", "ndcg@10": LARGEST - 1 / SCALE})
    sums, counts, _ = Sums.of(largest, axes, draws).drawn(["none"], "ndcg@10")
    weights = poisson_weights(np.arange(UNITS + 9), draws).sum(axis=0, dtype=np.int64).tolist()
    assert counts.tolist() == [[UNITS + 9, *weights]]
    assert sums.tolist() == [[n * (int(LARGEST * SCALE) - 1) for n in [UNITS + 9, *weights]]]
    beyond = largest.assign(**{"ndcg@10": -LARGEST - 1})
    with pytest.raises(ValueError, match="a metric of 33 is beyond 32"):
        Sums.of(beyond, axes, draws)
    with pytest.raises(ValueError, match="scorer vae is none of none"):
        Sums.of(largest.assign(scorer="vae"), axes, draws)


def test_spark_sums_the_same_in_any_partitions(spark: SparkSession) -> None:
    """Of eight, a unit's scorers lie in several."""
    table, draws = measured(200), Draws(20, 3)
    expected, rows = Sums.of(table, AXES, draws), spark.createDataFrame(table)
    for number in (1, 2, 8):
        found = sums_of(rows.repartition(number, F.xxhash64("unit", "scorer")), AXES, draws)
        np.testing.assert_array_equal(found.totals, expected.totals)
    shuffled = table.sample(frac=1, random_state=0)
    parts = Sums.of(shuffled[:300], AXES, draws) + Sums.of(shuffled[300:], AXES, draws)
    np.testing.assert_array_equal(parts.totals, expected.totals)


def test_only_slices_with_units_are_told() -> None:
    table = measured(40)
    sums = Sums.of(table.assign(cold=False), AXES)
    warm = table[table["scorer"] == "none-seed0"]["warm"].sum()
    assert sums.slices == {OVERALL: 40, "warm": warm}
    assert sums.drawn(NONE, "ndcg@10").by_draw.shape == (2, 0)
    assert sums.drawn(VAE, "ndcg@10").mean == pytest.approx(table[table["scorer"].isin(VAE)]["ndcg@10"].mean())
    assert np.isnan(sums.drawn(NONE, "ndcg@10", "cold").mean)
    assert Sums.of(table.assign(**dict.fromkeys(AXES.metrics, np.nan)), AXES).slices == {}
    assert Sums.of(table[:0], AXES).slices == {}


class Classic:
    """The bootstrap that draws as many units as there are, with replacement, and seeds; of one metric and slice."""

    def __init__(self, table: pd.DataFrame, metric: str, draws: int) -> None:
        self.values = table.pivot(index="unit", columns="scorer", values=metric).dropna()
        self.draws, n = draws, len(self.values)
        self.weights = np.random.default_rng(5).multinomial(n, np.full(n, 1 / n), size=draws) / n

    def means(self, scorers: Sequence[str]) -> Floats:
        """Of each draw: (draws,)."""
        share = np.full(len(scorers), 1 / len(scorers))
        seeds = np.random.default_rng(6).multinomial(len(scorers), share, size=self.draws) * share
        return np.asarray((self.weights @ self.values[list(scorers)].to_numpy() * seeds).sum(axis=1))

    def lifts(self, base: Sequence[str], arm: Sequence[str]) -> Floats:
        return self.means(arm) / self.means(base) - 1


def ends(draws: Floats) -> tuple[float, float]:
    """Of the middle 95 %."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def bounds_of(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None and interval.low is not None and interval.high is not None
    return interval.low, interval.high


def test_the_interval_is_that_of_a_bootstrap_which_draws_units() -> None:
    """Within .1 point of a lift of 6 %."""
    table, draws, bounds = measured(1500), 3000, Bounds(0.95)
    sums = Sums.of(table, AXES, Draws(draws, 3))
    for metric in AXES.metrics:
        classic = Classic(table, metric, draws)
        lift = relative_lift(sums.drawn(NONE, metric), sums.drawn(VAE, metric), bounds)
        assert bounds_of(lift) == pytest.approx(ends(classic.lifts(NONE, VAE)), abs=0.001)
        mean = mean_interval(sums.drawn(VAE, metric), bounds)
        assert bounds_of(mean) == pytest.approx(ends(classic.means(VAE)), abs=0.001)
    cold, warm = (Classic(table[table[name]], "ndcg@10", draws) for name in AXES.slices)
    gap = lift_gap(sums, NONE, VAE, "ndcg@10", ("cold", "warm"), bounds)
    assert bounds_of(gap) == pytest.approx(ends(cold.lifts(NONE, VAE) - warm.lifts(NONE, VAE)), abs=0.002)


def test_so_it_is_of_a_nights_real_users(spark: SparkSession, night: tuple[Config, dict[str, Any]]) -> None:
    """Each bound within a twentieth of what the interval spans: they are few."""
    context = night_context(night[0], THIN_DAY, spark)
    trial, task = context.recorded("evaluate").metrics, recommend_task(context)
    models = {name: trial.arms[name].measured.models for name in ("none", "gan")}
    folders = {model.name: model.folder for own in models.values() for model in own}
    measured = task.measure([TEST], task.scorers(folders)).persist()
    draws, bounds = 20_000, Bounds(0.95)
    sums = sums_of(measured, Axes(tuple(folders), task.slices, ("ndcg@10",)), Draws(draws, 3))
    table = measured.select("unit", "scorer", "`ndcg@10`").toPandas()
    measured.unpersist()
    classic, (none, gan) = Classic(table, "ndcg@10", draws), ([own.name for own in of] for of in models.values())
    lift = relative_lift(sums.drawn(none, "ndcg@10"), sums.drawn(gan, "ndcg@10"), bounds)
    low, high = ends(classic.lifts(none, gan))
    assert bounds_of(lift) == pytest.approx((low, high), abs=0.05 * (high - low))
    told = trial.arms["none"].measured.measures[OVERALL]["ndcg@10"].mean
    assert sums.drawn(none, "ndcg@10").mean == pytest.approx(told)
    assert sums.slices == {name: n for name, n in trial.units.items() if n}
