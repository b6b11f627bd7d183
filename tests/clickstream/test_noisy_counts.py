"""Counts with noise: what a user adds is bounded, the noise has its scale, and pairs of one user alone stay hidden."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.noisy_counts import ITEM, UNIT, Noise, NoisyCounts, noisy_counts, one_row_a_user, user_part

SECRET = b"0123456789abcdef" * 2


def noise(**changes: float | str) -> Noise:
    given = {"secret": SECRET, "release": "a", "pairs": 0.0, "items": 0.0, "delta": 1e-3, "most": 20}
    return Noise(**{**given, **changes})  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 6), max_size=40), st.integers(1, 8), st.integers(1, 10))
def test_a_user_who_comes_or_goes_changes_pairs_and_items_by_one_at_most(
    items: list[int], window: int, most: int
) -> None:
    keys, units = user_part(np.array(items, np.int64), window, most)
    of_item = keys[:, 1] == ITEM
    for part in (of_item, ~of_item):
        assert np.sqrt(np.square(units[part] / UNIT).sum()) <= 1.0
    assert (~of_item).sum() <= most
    assert len({tuple(key) for key in keys}) == len(keys)
    assert set(keys[of_item, 0]) == set(items)


def test_a_user_adds_the_strongest_pairs_by_their_distance() -> None:
    keys, units = user_part(np.array([1, 2, 3]), 2, 2)
    pairs = {tuple(key): unit / UNIT for key, unit in zip(keys, units, strict=True)}
    assert pairs[1, 2] == pairs[2, 3] == pytest.approx(0.5**0.5, abs=2e-6)  # 1 to 3 is the weaker one
    assert pairs[1, ITEM] == pairs[3, ITEM] == pytest.approx(3**-0.5, abs=2e-6)


def test_the_noise_is_standard_normal_and_the_secret_and_the_release_decide_it() -> None:
    first, other = np.arange(20_000), np.arange(20_000) % 7
    drawn = noise().of(first, other)
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.02
    assert (np.abs(drawn) > 1.96).mean() == pytest.approx(0.05, abs=0.006)
    assert np.array_equal(drawn, noise().of(first, other))
    for another in (noise(release="b"), noise(secret=b"another")):
        assert abs(np.corrcoef(drawn, another.of(first, other))[0, 1]) < 0.03
    assert "0123" not in repr(noise())


def test_the_threshold_leaves_a_pair_of_one_user_the_chance_that_delta_is() -> None:
    asked = noise(pairs=2.0, delta=0.05, most=1)
    assert asked.threshold == pytest.approx(1 + 2 * 1.6449, abs=1e-3)
    released = 1.0 + 2.0 * asked.of(np.arange(40_000), np.zeros(40_000, int)) > asked.threshold
    assert released.mean() == pytest.approx(0.05, abs=0.005)
    assert noise(pairs=2.0, delta=0.05, most=20).threshold > asked.threshold  # one of 20 pairs may be released


@pytest.fixture(scope="module")
def users(spark: SparkSession) -> DataFrame:
    """Forty users had 1, then 2; one had 3, then 4."""
    rows = [[1, 2, 0]] * 40 + [[3, 4, 0]]
    return spark.createDataFrame([(np.array(row, "<i4").tobytes(),) for row in rows], "items binary").persist()


def pairs_of(counts: NoisyCounts) -> dict[tuple[int, int], float]:
    return {(row["item_index"], row["other_index"]): row["weight"] for row in counts.pairs.collect()}


def test_what_many_had_is_known_with_its_noise_and_what_one_had_is_not(users: DataFrame) -> None:
    asked = noise(pairs=1.5, items=0.5)
    counts = noisy_counts(users, 4, 3, 0.1, asked)
    found = pairs_of(counts)
    assert set(found) == {(1, 2), (2, 1)}
    assert found[1, 2] == pytest.approx(40 + 1.5 * asked.of(np.array([1]), np.array([2]))[0], abs=1e-4)
    assert found[2, 1] == pytest.approx(0.1 * found[1, 2])  # of the noisy one: it tells nothing more
    drawn = 0.5 * asked.of(np.arange(1, 5), np.zeros(4, int))
    expected = np.maximum(np.array([40, 40, 1, 1]) * 0.5**0.5 + drawn, 0)
    assert counts.events[1:] == pytest.approx(expected, abs=1e-4)
    assert counts.events[0] == 0


def test_the_same_release_is_the_same_whatever_the_partitions(users: DataFrame) -> None:
    asked = noise(pairs=1.5, items=0.5)
    one, many = (noisy_counts(users.repartition(n), 4, 3, 0.0, asked) for n in (1, 5))
    assert pairs_of(one) == pairs_of(many)
    assert np.array_equal(one.events, many.events)


def test_a_user_is_known_by_one_row(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("train", 0), ("train", 1), ("serve", 0)], "split string, window int")
    assert one_row_a_user(rows).count() == 1
