"""A classifier tells generated steps from real ones, or cannot."""

import datetime as dt
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug.evaluate.two_sample import generated_steps, real_steps, told_apart

USERS, ITEMS, LENGTH = 300, 20, 8
NOON = dt.datetime(2017, 1, 1, 12)
TRAIN = "user_index int, user_id string, fold int, window int, length int, items binary, event_ids array<string>"
CANDIDATES = (
    "arm string, event_id string, user_id string, item_index int, source_users array<string>, "
    "parent_event_id string, event_time timestamp"
)


def follows(item: int, random: np.random.Generator) -> int:
    """Most go on to the next item of a circle."""
    return item % ITEMS + 1 if random.random() < 0.8 else int(random.integers(1, ITEMS + 1))


@pytest.fixture(scope="module")
def histories() -> list[list[int]]:
    random, found = np.random.default_rng(0), []
    for _ in range(USERS):
        one = [int(random.integers(1, ITEMS + 1))]
        while len(one) < LENGTH:
            one.append(follows(one[-1], random))
        found.append(one)
    return found


@pytest.fixture(scope="module")
def train(spark: SparkSession, histories: list[list[int]]) -> DataFrame:
    rows = [
        (
            user,
            f"u{user}",
            user % 2,
            0,
            LENGTH,
            np.array(items, "<i4").tobytes(),
            [f"e{user}-{k}" for k in range(LENGTH)],
        )
        for user, items in enumerate(histories)
    ]
    return spark.createDataFrame(rows, TRAIN).cache()


@pytest.fixture(scope="module")
def covisitation(spark: SparkSession, histories: list[list[int]]) -> DataFrame:
    pairs = [(user % 2, *step) for user, items in enumerate(histories) for step in pairwise(items)]
    counted = pd.DataFrame(pairs, columns=["fold", "item_index", "other_index"]).value_counts().reset_index()
    return spark.createDataFrame(counted.rename(columns={"count": "weight"}).astype({"weight": float}))


@pytest.fixture(scope="module")
def vocabulary(histories: list[list[int]]) -> pd.DataFrame:
    events = pd.Series(np.concatenate(histories)).value_counts()
    return pd.DataFrame({"item_index": events.index, "events": events.to_numpy()})


def made(spark: SparkSession, histories: list[list[int]]) -> DataFrame:
    """Continuations that go on as real ones do, and at random; histories that run backwards."""
    random = np.random.default_rng(1)
    rows: list[tuple[object, ...]] = []
    for user, items in enumerate(histories):
        for k, item in enumerate(items):
            at = (f"u{user}", [f"u{user}"], f"e{user}-{k}")
            for arm, chosen in (("alike", follows(item, random)), ("random", int(random.integers(1, ITEMS + 1)))):
                rows.append((arm, f"{arm}{user}-{k}", at[0], chosen, at[1], at[2], NOON))
            later = NOON + dt.timedelta(minutes=LENGTH - k)
            rows.append(("backward", f"b{user}-{k}", f"generated-{user}", item, [f"u{user}"], None, later))
    return spark.createDataFrame(rows, CANDIDATES)


def test_steps_go_on_as_real_ones_or_are_told_apart(
    spark: SparkSession,
    histories: list[list[int]],
    train: DataFrame,
    covisitation: DataFrame,
    vocabulary: pd.DataFrame,
) -> None:
    candidates = made(spark, histories)
    found = told_apart(candidates, train, covisitation, vocabulary, 0)
    assert found["alike"] == pytest.approx(0.5, abs=0.05)
    assert found["random"] > 0.8
    assert found["backward"] > 0.8
    again = told_apart(candidates.repartition(5), train.repartition(3), covisitation.repartition(2), vocabulary, 0)
    assert again == found
    assert told_apart(candidates.where("false"), train, covisitation, vocabulary, 0) == {}
    of_one_half = candidates.where("arm = 'random' AND user_id = 'u0'")
    assert told_apart(of_one_half, train, covisitation, vocabulary, 0) == {}


def test_a_step_is_two_events_in_a_row_of_one_window(spark: SparkSession) -> None:
    packed = [np.array(items, "<i4").tobytes() for items in ([1, 2, 3], [3, 4, 0])]
    rows = [(7, "u7", 1, 0, 3, packed[0], ["a", "b", "c"]), (7, "u7", 1, 1, 2, packed[1], ["c", "d"])]
    train = spark.createDataFrame(rows, TRAIN)
    steps = real_steps(train).orderBy("unit").drop("series").collect()
    assert [tuple(step) for step in steps] == [("a", 7, 1, 1, 2), ("b", 7, 1, 2, 3), ("c", 7, 1, 3, 4)]
    later = NOON + dt.timedelta(minutes=1)
    candidates = spark.createDataFrame(
        [
            ("x", "g1", "u7", 9, ["u7"], "c", NOON),
            ("x", "h2", "generated-1", 6, ["u7"], None, later),
            ("x", "h1", "generated-1", 5, ["u7"], None, NOON),
        ],
        CANDIDATES,
    )
    steps = generated_steps(candidates, train).orderBy(F.col("unit")).drop("series").collect()
    assert [tuple(step) for step in steps] == [("g1", 7, 1, 3, 9), ("h1", 7, 1, 5, 6)]
