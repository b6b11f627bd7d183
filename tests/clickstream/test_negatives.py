"""Negatives follow popularity^alpha, are never the user's own, and depend on nothing but seed and user."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from scipy.stats import chisquare

from recaug.clickstream.negatives import alias_table, draw_for, powers, random_bits, random_states, sample_negatives

POPULARITY = np.array([50, 20, 10, 10, 5, 5, 1, 1, 1, 1])


def test_powers_are_the_same_bits_whatever_numpy() -> None:
    """Numpy's own are not, on Spark 4's runtimes: of 4,620 probabilities of a night 89 had another last bit."""
    assert powers(np.arange(1, 5000), 0.75).tolist() == [math.pow(count, 0.75) for count in range(1, 5000)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30).filter(lambda weights: sum(weights) > 1e-3))
def test_the_alias_table_gives_back_the_distribution(weights: list[float]) -> None:
    table = alias_table(np.array(weights))
    found = table.keep.copy()
    np.add.at(found, table.other, 1 - table.keep)
    np.testing.assert_allclose(found / len(weights), np.array(weights) / sum(weights), atol=1e-9)


def drawn(own: list[int], per_user: int, seed: int = 1, alpha: float = 1.0, user: int = 3) -> tuple:
    table = alias_table(POPULARITY.astype(float) ** alpha)
    return draw_for(table, np.array([user]), np.array(own, dtype=np.int64), np.array([len(own)]), per_user, seed)


@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
def test_draws_follow_popularity_to_the_alpha_among_the_items_that_are_not_own(alpha: float) -> None:
    own = [0, 4]
    _, items, probability = drawn(own, 200_000, alpha=alpha)
    expected = POPULARITY.astype(float) ** alpha
    expected[own] = 0
    expected /= expected.sum()
    seen = np.bincount(items, minlength=10)
    assert not seen[own].any()
    left = expected > 0
    assert chisquare(seen[left], expected[left] * 200_000).pvalue > 1e-4
    np.testing.assert_allclose(probability, expected[items])


def test_who_owns_nearly_everything_still_gets_the_right_items() -> None:
    own = [0, 1, 2, 3, 4, 5, 6, 7]
    _, items, probability = drawn(own, 2_000)
    assert chisquare(np.bincount(items - 8)).pvalue > 1e-4
    np.testing.assert_allclose(probability, 0.5)


def test_who_owns_everything_gets_none() -> None:
    assert len(drawn(list(range(10)), 5)[1]) == 0


def test_random_bits_are_even_and_each_counter_has_its_own() -> None:
    users, draws = np.meshgrid(np.arange(200), np.arange(100), indexing="ij")

    def bits_of(seed: int, attempt: int) -> np.ndarray:
        return random_bits(random_states(seed, users.ravel()), draws.ravel(), attempt)

    bits = bits_of(7, 0)
    assert len(np.unique(bits)) == 20_000
    assert chisquare(np.bincount((bits >> np.uint64(58)).astype(int), minlength=64)).pvalue > 1e-4
    assert not np.intersect1d(bits, bits_of(7, 1)).size
    assert not np.intersect1d(bits, bits_of(8, 0)).size


def users(spark: SparkSession) -> DataFrame:
    rows = [(user, sorted({1 + user % 10, 1 + (user * 3) % 10})) for user in range(60)] + [(60, [])]
    return spark.createDataFrame(rows, "user_index int, seen array<int>")


def test_rows_do_not_depend_on_partitions(spark: SparkSession) -> None:
    one = sample_negatives(users(spark).coalesce(1), POPULARITY, 0.75, 7, 5).collect()
    many = sample_negatives(users(spark).repartition(6), POPULARITY, 0.75, 7, 5).collect()
    assert sorted(map(tuple, one)) == sorted(map(tuple, many))
    assert len(one) == 61 * 7
    other = sample_negatives(users(spark).coalesce(1), POPULARITY, 0.75, 7, 6).collect()
    assert sorted(map(tuple, one)) != sorted(map(tuple, other))


def test_no_user_gets_an_own_item(spark: SparkSession) -> None:
    own = {row["user_index"]: set(row["seen"]) for row in users(spark).collect()}
    for row in sample_negatives(users(spark), POPULARITY, 1.0, 20, 5).collect():
        assert 1 <= row["item_index"] <= 10
        assert row["item_index"] not in own[row["user_index"]]
