"""Releases whose answer is known: a copied one, one that knows nobody, planted users."""

import datetime as dt
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from recaug.config import Gate, Privacy
from recaug.evaluate.privacy.audit import asked_of, audits, examine
from recaug.evaluate.privacy.rows import Watched, drawn_users, pairs_of
from recaug.results import Audit

USERS, ITEMS, EVENTS = 240, 300, 8
RANDOM = np.random.default_rng(5)
HISTORIES = [RANDOM.permutation(np.arange(1, ITEMS + 1))[:EVENTS] for _ in range(USERS)]


def train_rows(spark: SparkSession) -> DataFrame:
    """Users of even and odd index are the two folds; each has eight of 300 items in an order of their own."""
    rows = [
        {
            "user_index": user,
            "user_id": f"u{user}",
            "fold": user % 2,
            "window": 0,
            "length": EVENTS,
            "items": bytearray(items.astype("<i4").tobytes()),
            "event_ids": [f"u{user}-{place}" for place in range(EVENTS)],
        }
        for user, items in enumerate(HISTORIES)
    ]
    schema = "user_index int, user_id string, fold int, window int, length int, items binary, event_ids array<string>"
    return spark.createDataFrame(rows, schema)


def history(name: str, generator: str, source: int, items: np.ndarray) -> list[dict]:
    """The events of a generated user."""
    return [
        {
            "generator": generator,
            "item_id": f"i{item}",
            "user_id": name,
            "source_users": [f"u{source}"],
            "parent_event_id": None,
            "event_id": f"{name}-{place}",
            "event_time": dt.datetime(2017, 1, 1, 0, 0, place),
        }
        for place, item in enumerate(items)
    ]


def continuations(generator: str, source: int, following: dict[int, int]) -> list[dict]:
    """What follows the source user's events: the item that `following` says, where it says something."""
    return [
        {
            "generator": generator,
            "item_id": f"i{following[int(item)]}",
            "user_id": f"u{source}",
            "source_users": [f"u{source}"],
            "parent_event_id": f"u{source}-{place}",
            "event_id": f"{generator}-{source}-{place}",
            "event_time": dt.datetime(2017, 1, 1),
        }
        for place, item in enumerate(HISTORIES[source])
        if int(item) in following
    ]


def after(fold: int) -> dict[int, int]:
    """What a user of the other fold had after each item, of whoever is last."""
    return {
        int(item): int(following)
        for user, items in enumerate(HISTORIES)
        if user % 2 != fold
        for item, following in pairwise(items)
    }


@pytest.fixture(scope="module")
def audited(spark: SparkSession) -> dict[str, Audit]:
    """`copies` repeats the other fold's users, `follows` their steps after one's own events; `own` repeats one's own.

    `blind` knows nobody.
    """
    rows = []
    for user in range(USERS):
        rows += history(f"copy{user}", "copies", user, HISTORIES[user ^ 1])
        rows += history(f"blind{user}", "blind", user, RANDOM.permutation(np.arange(1, ITEMS + 1))[:EVENTS])
        rows += continuations("follows", user, after(user % 2))
        rows += continuations("own", user, dict(pairwise(map(int, HISTORIES[user]))))
    schema = (
        "generator string, item_id string, user_id string, source_users array<string>, parent_event_id string, "
        "event_id string, event_time timestamp"
    )
    counts = pairs_of(HISTORIES).groupby(["item", "next"]).size().reset_index(name="users")
    counted = counts.rename(columns={"item": "item_index", "next": "other_index"}).astype("int32")
    events = np.bincount(np.concatenate(HISTORIES), minlength=ITEMS + 1)
    words = [(f"i{item}", item, int(events[item])) for item in range(1, ITEMS + 1)]
    watched = Watched(
        train=train_rows(spark),
        covisitation=spark.createDataFrame(counted),
        vocabulary=spark.createDataFrame(words, "item_id string, item_index int, events int"),
    )
    random = np.random.default_rng(3)
    asked = asked_of(watched, Privacy(users=USERS, canaries=40), 3, random)
    examined = examine(asked, watched, spark.createDataFrame(rows, schema), random)
    return {audit.generator: audit for audit in audits(examined, Gate(bootstraps=200), 3)}


def areas(audit: Audit) -> dict[str, float]:
    return {attack.name: attack.auc.mean for attack in audit.attacks}


def test_a_copied_release_is_told_by_every_attack_that_looks_at_its_records(audited: dict[str, Audit]) -> None:
    found = areas(audited["copies"])
    assert min(found["nearest"], found["density"], found["user"], found["pairs"], found["alone"]) > 0.95
    assert max(attack.tpr.mean for attack in audited["copies"].attacks) > 0.9
    assert (audited["copies"].releases, audited["copies"].users) == (2, USERS)


def test_steps_of_others_after_ones_own_events_are_told_by_their_pairs(audited: dict[str, Audit]) -> None:
    assert areas(audited["follows"])["pairs"] > 0.8


def test_rows_that_know_nobody_tell_nothing_though_they_come_from_users(audited: dict[str, Audit]) -> None:
    blind = audited["blind"]
    for attack in blind.attacks:
        assert attack.auc.low is not None
        assert attack.auc.high is not None
        assert attack.auc.low - 0.05 < 0.5 < attack.auc.high + 0.05, attack.name
    assert max(areas(blind).values()) < 0.62


def test_what_is_drawn_from_ones_own_events_is_left_out(audited: dict[str, Audit]) -> None:
    assert 0.35 < areas(audited["own"])["pairs"] < 0.65
    assert 0.35 < areas(audited["own"])["nearest"] < 0.65


def test_controls_are_caught_and_baselines_are_not(audited: dict[str, Audit]) -> None:
    for audit in audited.values():
        assert min(audit.controls.values(), key=lambda control: control.mean).mean > 0.95
        assert all(abs(audit.baselines[name].mean - 0.5) < 0.1 for name in ("length", "permuted", "popularity"))


def test_windows_of_a_user_are_put_together_again(spark: SparkSession) -> None:
    rows = train_rows(spark).where("user_index < 2").toPandas()
    first, more = rows.iloc[0].copy(), rows.iloc[0].copy()
    more["window"] = 1
    more["items"] = np.asarray([HISTORIES[0][-1], 7, 8, 0], "<i4").tobytes()
    more["length"] = 3
    train = spark.createDataFrame(pd.DataFrame([first, more, rows.iloc[1]]).drop(columns="event_ids"))
    drawn = drawn_users(train, 5, 0)
    assert drawn["items"][0].tolist() == [*HISTORIES[0].tolist(), 7, 8]
    assert drawn["items"][1].tolist() == HISTORIES[1].tolist()
