"""Histories are cut where the windows say; nothing later reaches what is learnt from."""

import datetime as dt

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.clickstream.test_splits import HOLDOUT, prepare

from recaug.clickstream.sequences import histories, sequences
from recaug.clickstream.splits import Windows, split
from recaug.clickstream.vocabulary import users, vocabulary

# Train on the days 1 to 4, validate on 5 and 6, test on 7 and 8 of January 2017.
CUT = Windows(*(dt.date(2017, 1, day) for day in (1, 5, 7, 9)))
LENGTH = 4


def events(spark: SparkSession, rows: list[tuple[str, str, int]]) -> DataFrame:
    """Rows are (user_id, item_id, day of January 2017); event ids number them."""
    timed = [(user, item, day, f"e{place:02}") for place, (user, item, day) in enumerate(rows)]
    made = spark.createDataFrame(timed, "user_id string, item_id string, day int, event_id string")
    return (
        made.withColumn("event_order", F.lit(1))
        .withColumn("event_date", F.make_date(F.lit(2017), F.lit(1), "day"))
        .withColumn("event_time", F.col("event_date").cast("timestamp"))
    )


def cut(
    spark: SparkSession,
    rows: list[tuple[str, str, int]],
    min_item_users: int = 1,
    by: str = "time",
) -> dict[tuple, dict]:
    log = split(events(spark, rows), CUT, prepare(split=by, holdout=HOLDOUT))
    words = vocabulary(log.where("split = 'train'"), min_item_users, 0.5)
    made = sequences(histories(log, words, users(log, 1, 2)), LENGTH, cold_events=1)
    names = {row["item_index"]: row["item_id"] for row in words.collect()} | {0: "?"}
    found = {}
    for row in made.collect():
        items = np.frombuffer(row["items"], "<i4")
        times = np.frombuffer(row["times"], "<i8")
        assert len(items) == len(times) == LENGTH
        assert not items[row["length"] :].any()
        found[row["user_id"], row["split"], row["window"]] = row.asDict() | {
            "items": "".join(names[item] for item in items[: row["length"]]),
            "times": times[: row["length"]].tolist(),
            "seen": "".join(sorted(names[item] for item in row["seen"])),
            "targets": "".join(sorted(names[item] for item in row["targets"])),
        }
    return found


def test_the_vocabulary_is_by_frequency_then_name(spark: SparkSession) -> None:
    rows = [("u", "b", 1), ("v", "b", 1), ("u", "a", 1), ("v", "a", 2), ("u", "c", 1), ("u", "c", 1), ("u", "c", 3)]
    found = vocabulary(events(spark, rows), 1, 0.5).orderBy("item_index").collect()
    assert [tuple(row) for row in found] == [("c", 1, 1, 3, True), ("a", 2, 2, 2, True), ("b", 3, 2, 2, False)]
    assert [row["item_id"] for row in vocabulary(events(spark, rows), 2, 0.5).collect()] == ["a", "b"]


def test_items_of_the_catalogue_that_nobody_had_come_last(spark: SparkSession) -> None:
    catalogue = spark.createDataFrame([("n",), ("b",), ("m",)], "item_id string")
    found = vocabulary(events(spark, [("u", "b", 1), ("u", "z", 1), ("v", "z", 1)]), 0, 0.5, catalogue)
    assert [tuple(row) for row in found.orderBy("item_index").collect()] == [
        ("z", 1, 2, 2, True),
        ("b", 2, 1, 1, False),
        ("m", 3, 0, 0, False),
        ("n", 4, 0, 0, False),
    ]


def test_users_are_numbered_densely_however_they_lie(spark: SparkSession) -> None:
    log = spark.createDataFrame([(f"u{n}",) for n in range(300)] * 2, "user_id string")
    found = users(log, 7, 3).collect()
    assert sorted(row["user_index"] for row in found) == list(range(300))
    assert {row["fold"] for row in found} == {0, 1, 2}
    assert sorted(map(tuple, users(log.repartition(5), 7, 3).collect())) == sorted(map(tuple, found))
    assert [row["fold"] for row in users(log, 8, 3).collect()] != [row["fold"] for row in found]


def test_a_history_is_cut_at_each_window(spark: SparkSession) -> None:
    rows = [("u", "a", 1), ("u", "b", 4), ("u", "c", 5), ("u", "a", 6), ("u", "b", 7), ("u", "a", 7), ("w", "c", 1)]
    found = cut(spark, rows)
    brief = {key: (row["items"], row["targets"], row["seen"], row["n_events"]) for key, row in found.items()}
    assert brief == {
        ("u", "train", 0): ("ab", "", "ab", 2),
        ("u", "validation", 0): ("ab", "ac", "ab", 2),
        ("u", "test", 0): ("abca", "ab", "abc", 4),
        ("u", "serve", 0): ("caba", "", "abc", 6),
        ("w", "train", 0): ("c", "", "c", 1),
        ("w", "serve", 0): ("c", "", "c", 1),
    }
    assert found["u", "train", 0]["event_ids"] == ["e00", "e01"]
    assert found["u", "serve", 0]["event_ids"] == ["e02", "e03", "e04", "e05"]
    assert found["u", "train", 0]["times"][0] == 1483228800
    assert {row["cold"] for key, row in found.items() if key[0] == "u"} == {False}
    assert {row["cold"] for key, row in found.items() if key[0] == "w"} == {True}


def test_leave_one_out_keeps_the_last_two_events_from_training(spark: SparkSession) -> None:
    rows = [("u", item, 1 + place) for place, item in enumerate("abcab")] + [("v", "a", 1), ("v", "c", 8)]
    found = cut(spark, rows, by="leave_one_out")
    brief = {key: (row["items"], row["targets"], row["n_events"]) for key, row in found.items()}
    assert brief == {
        ("u", "train", 0): ("abc", "", 3),
        ("u", "validation", 0): ("abc", "a", 3),
        ("u", "test", 0): ("abca", "b", 4),
        ("u", "serve", 0): ("bcab", "", 5),
        ("v", "train", 0): ("ac", "", 2),
        ("v", "serve", 0): ("ac", "", 2),
    }


def test_a_user_unseen_before_has_an_empty_history_and_counts(spark: SparkSession) -> None:
    found = cut(spark, [("u", "a", 1), ("new", "a", 8)])
    row = found["new", "test", 0]
    assert (row["length"], row["targets"], row["n_events"], row["cold"]) == (0, "a", 0, True)
    assert ("new", "train", 0) not in found
    assert found["new", "serve", 0]["items"] == "a"


def test_targets_outside_the_vocabulary_count_each(spark: SparkSession) -> None:
    found = cut(spark, [("u", "a", 1), ("u", "x", 7), ("u", "y", 7), ("u", "x", 8), ("u", "a", 8)])
    assert found["u", "test", 0]["targets"] == "??a"
    assert found["u", "serve", 0]["items"] == "aa"
    assert found["u", "serve", 0]["n_events"] == 5


def test_a_long_history_is_cut_into_windows_that_overlap_by_one(spark: SparkSession) -> None:
    windows = {
        1: ["a"],
        4: ["abcd"],
        5: ["abcd", "de"],
        7: ["abcd", "defg"],
        8: ["abcd", "defg", "gh"],
    }
    found = cut(spark, [(f"u{length}", item, 1) for length in windows for item in "abcdefgh"[:length]])
    for length, expected in windows.items():
        user = f"u{length}"
        assert [found[user, "train", n]["items"] for n in range(len(expected))] == expected
        assert (user, "train", len(expected)) not in found
        assert found[user, "train", len(expected) - 1]["seen"] == "abcdefgh"[:length]


def test_nothing_after_the_cut_reaches_what_is_learnt_from(spark: SparkSession) -> None:
    rows = [("u", "a", 1), ("u", "b", 2), ("v", "a", 3), ("v", "c", 5), ("u", "c", 7)]
    planted = [("u", "leak", 5), ("v", "leak", 7), ("v", "a", 8), ("late", "leak", 6), ("late", "a", 7)]
    before, after = cut(spark, rows), cut(spark, rows + planted)
    learnt = {
        key: (row["items"], row["times"], row["event_ids"], row["seen"], row["n_events"], row["cold"])
        for key, row in before.items()
        if key[1] == "train"
    }
    assert learnt == {
        key: (row["items"], row["times"], row["event_ids"], row["seen"], row["n_events"], row["cold"])
        for key, row in after.items()
        if key[1] == "train"
    }
    assert all(
        after[user, "validation", 0]["items"] == "" or "c" not in after[user, "validation", 0]["items"]
        for user in ("u", "v", "late")
        if (user, "validation", 0) in after
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from("abcde"), st.integers(1, 8)), min_size=1, max_size=20))
def test_every_event_of_the_train_window_is_in_the_windows_once(spark: SparkSession, rows: list) -> None:
    rows = [*rows, ("w", "a", 1)]
    found = cut(spark, rows)
    for user in "uvw":
        ids: list[str] = []
        for window in range(len(rows)):
            row = found.get((user, "train", window))
            if row is None:
                break
            assert window == 0 or row["event_ids"][0] == ids[-1]
            ids += row["event_ids"][1 if window else 0 :]
        wanted = [(day, f"e{place:02}") for place, (one, _, day) in enumerate(rows) if one == user and day < 5]
        assert ids == [name for _, name in sorted(wanted)]


def test_a_held_out_users_history_is_folded_in_and_never_learnt(spark: SparkSession) -> None:
    rows = [(f"u{user}", item, day) for user in range(12) for item, day in zip("abcd", (1, 2, 3, 4), strict=True)]
    found = cut(spark, rows, by="users")
    kinds = {user: {split for who, split, _ in found if who == user} for user, _, _ in rows}
    assert {frozenset(kind) for kind in kinds.values()} == {
        frozenset({"train", "serve"}),
        frozenset({"validation", "serve"}),
        frozenset({"test", "serve"}),
    }
    for (_, split_name, _), row in found.items():
        if split_name in ("validation", "test"):
            assert (row["items"], row["targets"], row["seen"]) == ("abc", "d", "abc")


def test_a_share_that_is_held_out_is_predicted_from_the_rest(spark: SparkSession) -> None:
    rows = [("u", chr(ord("a") + place), place % 8 + 1) for place in range(20)] + [
        ("v", chr(ord("a") + place), 1) for place in range(20)
    ]
    found = cut(spark, rows, by="share")
    train = {letter for key, row in found.items() if key[:2] == ("u", "train") for letter in row["items"]}
    validation, test = found["u", "validation", 0], found["u", "test", 0]
    assert set(validation["seen"]) <= train | {"?"}
    assert not set(validation["targets"]) & (train - {"?"})
    assert not set(test["targets"]) & (set(test["seen"]) - {"?"})
    assert len(train) == 12 and validation["n_events"] == 12 and test["n_events"] == 15
