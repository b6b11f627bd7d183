"""Pairs are counted by their gap, each way, by fold."""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recaug.clickstream import covisitation

SCHEMA = "fold int, codes array<bigint>"


def counted(spark: SparkSession, rows: list, window: int, backward: float) -> dict[tuple[int, int, int], float]:
    found = covisitation.counts(spark.createDataFrame(rows, SCHEMA), window, backward).collect()
    return {(row["fold"], row["item_index"], row["other_index"]): row["weight"] for row in found}


def test_a_pair_weighs_one_over_its_gap_and_less_backwards(spark: SparkSession) -> None:
    assert counted(spark, [(0, [1, 2, 3]), (1, [1, 2])], 2, 0.5) == {
        (0, 1, 2): 1.0,
        (0, 2, 1): 0.5,
        (0, 2, 3): 1.0,
        (0, 3, 2): 0.5,
        (0, 1, 3): 0.5,
        (0, 3, 1): 0.25,
        (1, 1, 2): 1.0,
        (1, 2, 1): 0.5,
    }


def test_the_window_ends_and_backward_may_be_nothing(spark: SparkSession) -> None:
    assert counted(spark, [(0, [1, 2, 3])], 1, 0.0) == {(0, 1, 2): 1.0, (0, 2, 3): 1.0}


def test_an_item_with_itself_and_items_outside_the_vocabulary_do_not_count(spark: SparkSession) -> None:
    assert counted(spark, [(0, [1, -7, 1, 2, -9]), (0, [3]), (0, [])], 1, 0.0) == {(0, 1, 2): 1.0}


def naive(rows: list, window: int, backward: float) -> dict[tuple[int, int, int], float]:
    units: dict[tuple[int, int, int], int] = defaultdict(int)
    for fold, items in rows:
        for at, left in enumerate(items):
            for gap, right in enumerate(items[at + 1 : at + 1 + window], start=1):
                if left != right:
                    units[fold, left, right] += round(1e6 / gap)
                    units[fold, right, left] += round(1e6 * backward / gap)
    return {pair: weight / 1e6 for pair, weight in units.items() if weight}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 1), st.lists(st.integers(1, 6), max_size=9)), min_size=1, max_size=9),
    st.integers(1, 5),
)
def test_counts_are_those_of_two_plain_loops(spark: SparkSession, rows: list, window: int) -> None:
    assert counted(spark, rows, window, 0.3) == naive(rows, window, 0.3)


def test_small_chunks_count_the_same(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    rows = [(n % 2, [1 + (n * k) % 7 for k in range(n % 9)]) for n in range(40)]
    batch = pa.RecordBatch.from_pydict(
        {
            "fold": pa.array([fold for fold, _ in rows], pa.int32()),
            "codes": pa.array([codes for _, codes in rows], pa.list_(pa.int64())),
        }
    )
    monkeypatch.setattr(covisitation, "_PAIRS", 60)
    total: dict[tuple[int, int, int], int] = defaultdict(int)
    parts = list(covisitation._pairs(3, 1.0)([batch]))
    for part in parts:
        for row in part.to_pylist():
            total[row["fold"], row["item_index"], row["other_index"]] += row["units"]
    assert len(parts) > 3
    assert {pair: units / 1e6 for pair, units in total.items()} == naive(rows, 3, 1.0)


def test_a_pair_says_how_many_different_users_had_it(spark: SparkSession) -> None:
    rows = [(0, [1, 2, 1, 2]), (0, [1, 2]), (1, [1, 2, 3])]
    counts = covisitation.counts(spark.createDataFrame(rows, SCHEMA), 2, 0.0)
    found = {(row["fold"], row["item_index"], row["other_index"]): row["users"] for row in counts.collect()}
    assert found == {(0, 1, 2): 2, (0, 2, 1): 1, (1, 1, 2): 1, (1, 2, 3): 1, (1, 1, 3): 1}


def test_pairs_of_too_few_users_leave_whatever_the_fold(spark: SparkSession) -> None:
    rows = [(0, [1, 2]), (1, [1, 2]), (1, [1, 3, 1, 3]), (1, [4, 5]), (1, [4, 5])]
    counts = covisitation.counts(spark.createDataFrame(rows, SCHEMA), 1, 0.0)
    kept = {(row["fold"], row["item_index"], row["other_index"]) for row in covisitation.of_enough(counts, 2).collect()}
    assert kept == {(0, 1, 2), (1, 1, 2), (1, 4, 5)}
    assert covisitation.of_enough(counts, 1).count() == counts.count()
