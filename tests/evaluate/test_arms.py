import datetime as dt

import msgspec
import numpy as np
import pytest

from recaug.evaluate.arms import training_rows
from recaug.evaluate.fidelity import collapse, spread

L = 4
TRAIN = (
    "user_index int, user_id string, fold int, window int, length int, items binary, times binary, "
    "event_ids array<string>"
)
GENERATED = "generator string, user_id string, item_index int, parent_event_id string, fidelity double"
CANDIDATES = (
    "event_id string, user_id string, item_id string, event_time timestamp, parent_event_id string, weight double"
)
NOON = dt.datetime(2017, 1, 1, 12)


def row(user, window, items, ids):
    fixed = np.array(items + [0] * (L - len(items)), "<i4").tobytes()
    return (user, f"u{user}", 0, window, len(items), fixed, bytes(8 * L), ids)


@pytest.fixture
def train(spark):
    # user 0 has five events a to e; the windows overlap by d
    rows = [row(0, 0, [1, 2, 3, 4], list("abcd")), row(0, 1, [4, 5], list("de")), row(1, 0, [2], ["x"])]
    return spark.createDataFrame(rows, TRAIN)


@pytest.fixture
def vocabulary(spark):
    return spark.createDataFrame([(f"i{k}", k) for k in range(1, 10)], "item_id string, item_index int")


def by_window(rows):
    found = {}
    for one in rows.collect():
        continuations = np.frombuffer(one.continuations, "<i4").reshape(L, -1).tolist()
        weights = np.frombuffer(one.continuation_weights, "<f4").reshape(L, -1).tolist()
        found[one.user_index, one.window] = continuations, weights, one.row_weight
    return found


def test_a_continuation_lies_beside_its_parent_event_and_nowhere_else(spark, train, vocabulary):
    candidates = spark.createDataFrame(
        [
            ("g1", "u0", "i9", NOON, "b", 0.125),
            ("g2", "u0", "i8", NOON, "b", 0.25),
            ("g3", "u0", "i7", NOON, "d", 0.125),  # d is no input at the end of the first window
            ("g4", "u0", "unknown", NOON, "a", 0.125),
        ],
        CANDIDATES,
    )
    found = by_window(training_rows(train, candidates, vocabulary, L, 2))
    none = [[0, 0]] * 4
    assert found[0, 0] == ([[0, 0], [9, 8], [0, 0], [0, 0]], [[0, 0], [0.125, 0.25], [0, 0], [0, 0]], 1.0)
    assert found[0, 1] == ([[7, 0], [0, 0], [0, 0], [0, 0]], [[0.125, 0], [0, 0], [0, 0], [0, 0]], 1.0)
    assert found[1, 0] == (none, none, 1.0)


def test_a_generated_history_is_a_row_of_its_own_in_the_order_of_time(spark, train, vocabulary):
    later = NOON + dt.timedelta(minutes=1)
    candidates = spark.createDataFrame(
        [("g2", "generated-1", "i6", later, None, 0.3), ("g1", "generated-1", "i5", NOON, None, 0.3)], CANDIDATES
    )
    rows = training_rows(train, candidates, vocabulary, L, 1)
    (own,) = rows.where("user_index < 0").collect()
    assert np.frombuffer(own["items"], "<i4").tolist() == [5, 6, 0, 0]
    assert (own.row_weight, own.length, own.window, own.is_generated) == (0.3, 2, 0, True)
    assert rows.where("is_generated").count() == 1
    assert len(own.continuations) == len(own.continuation_weights) == 4 * L


def test_without_candidates_the_rows_are_the_real_ones(spark, train, vocabulary):
    none = spark.createDataFrame([], CANDIDATES)
    rows = training_rows(train, none, vocabulary, L, 2)
    real = {(r.user_index, r.window): bytes(r["items"]) for r in train.collect()}
    assert {(r.user_index, r.window): bytes(r["items"]) for r in rows.collect()} == real
    assert all(c == w == [[0, 0]] * 4 for c, w, _ in by_window(rows).values())


def test_candidates_of_weight_zero_change_no_row(spark, train, vocabulary):
    candidates = [("g1", "u0", "i9", NOON, "b", 0.0), ("g2", "generated-1", "i6", NOON, None, 0.0)]
    rows, real = (
        training_rows(train, spark.createDataFrame(given, CANDIDATES), vocabulary, L, 2).collect()
        for given in (candidates, [])
    )
    assert rows == real


def test_rows_spread_evenly_over_four_items_have_an_entropy_of_log_four(spark):
    items = spark.createDataFrame([(k,) for k in (1, 2, 3, 4, 1, 2, 3, 4)], "item_index int")
    assert tuple(spread(items).first()) == (8, 4, pytest.approx(np.log(4)))
    assert tuple(spread(items.where("false")).first()) == (0, 0, 0.0)


def test_collapse_counts_copies_duplicates_and_what_is_covered(spark):
    real = spark.createDataFrame([(0, [1, 2, 3]), (1, [4, 5, 6])], "user_index int, items array<int>")
    items = spark.createDataFrame([(k,) for k in range(1, 7)], "item_index int")
    generated = {"copy": [3, 1, 2], "one": [1, 4, 5], "twin": [5, 4, 1], "other": [2, 4, 6]}
    rows = [("vae", user, item, None, 0.5) for user, bag in generated.items() for item in bag]
    others = [("vae", "u0", 1, "a", 0.9), ("gan", "u0", 1, "a", 0.9), ("gan", "copy", 1, None, 0.5)]
    candidates = spark.createDataFrame([*rows, *others], GENERATED)
    found, other, none = collapse(candidates, ["vae", "gan", "counts"], items, real).values()
    assert found.copies == 1 / 4
    assert found.duplicates == 2 / 4
    assert found.coverage == 1.0
    assert found.rows == 13
    assert found.mean_fidelity == pytest.approx((12 * 0.5 + 0.9) / 13)
    counts = np.array([4, 2, 1, 3, 2, 1]) / 13
    assert found.entropy_ratio == pytest.approx(-(counts * np.log(counts)).sum() / np.log(6))
    assert (other.rows, other.histories, other.coverage) == (2, 1, 1 / 6)
    assert (other.entropy_ratio, other.copies, other.duplicates) == (0, 0, 0)
    assert set(msgspec.structs.astuple(none)) == {0, None}


def test_no_candidate_is_no_coverage(spark):
    none = spark.createDataFrame([], GENERATED)
    items = spark.createDataFrame([(1,)], "item_index int")
    real = spark.createDataFrame([(0, [1])], "user_index int, items array<int>")
    assert collapse(none, ["vae"], items, real)["vae"].coverage == 0
