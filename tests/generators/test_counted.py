"""What is drawn without training: from counts, from varied histories, from before the first event."""

import pandas as pd
import pytest
import torch
from tests.generators.shop import ITEMS, SCHEMA, L, histories, sample, windows

from recaug.generators.base import DrawContinuations, DrawHistories
from recaug.generators.classic import Classic, Ways
from recaug.generators.counts import Counts
from recaug.generators.pseudo_prior import DrawEarlier, PseudoPrior
from recaug.lake.store import Store
from recaug.training.checkpoint import finish_model
from recaug.training.models.counts import CountsGenerator
from recaug.training.models.covisitation import CoVisitation


def test_counts_continue_with_what_others_had_and_not_with_what_the_user_alone_had(spark, tmp_path):
    real = {0: [1, 2, 3], 1: [1, 2, 4], 2: [5, 6, 7, 8, 9, 10, 11, 12], 3: [1, 13]}
    weights = torch.zeros(ITEMS + 1, ITEMS + 1)
    for items in real.values():
        for gap in (1, 2):
            for first, second in zip(items[:-gap], items[gap:], strict=True):
                weights[first, second] += 1 / gap
    settings = {"window": 2, "backward": 0.0, "decay": 0.5}
    near = CoVisitation(torch.arange(ITEMS + 1).repeat(ITEMS + 1, 1), weights, **settings)
    meta = {"arguments": {"share": 0.0}, "covisitation": settings}
    finish_model(Store(tmp_path / "counts"), CountsGenerator(near, share=0.0), meta)
    train = spark.createDataFrame(
        pd.DataFrame([row for user, items in real.items() for row in windows(user, items)]), SCHEMA
    )
    counts = Counts(draw=DrawContinuations(continuations=4, weight=0.3))
    found = sample(train, dict.fromkeys((0, 1), str(tmp_path / "counts")), counts).toPandas()
    drawn = found.groupby("parent_event_id")["item_index"].agg(set).to_dict()
    assert drawn == {
        "u000e0": {2, 4, 13},  # 3 followed by this user's own account only
        "u000e1": {4, 13},
        "u000e2": {4, 13},
        "u001e0": {2, 3, 13},
        "u001e1": {3, 13},
        "u001e2": {3, 13},
        "u003e0": {2, 3, 4},
        "u003e1": {2, 3, 4},
    }  # nobody else had what the third user had
    assert found["fidelity"].between(0, 1).all()


@pytest.fixture
def next_number(tmp_path):
    """Counts in which each item is followed by the next one alone."""
    weights = torch.zeros(ITEMS + 1, 1)
    weights[1:ITEMS] = 100.0  # of many users
    following = torch.arange(1, ITEMS + 2)[:, None] % (ITEMS + 1)
    settings = {"window": 2, "backward": 0.0, "decay": 0.5}
    near = CoVisitation(following, weights, **settings)
    meta = {"arguments": {"share": 0.0}, "covisitation": settings}
    finish_model(Store(tmp_path / "counts"), CountsGenerator(near, share=0.0), meta)
    return dict.fromkeys((0, 1), str(tmp_path / "counts"))


def varied(train, models, **shares):
    ways = dict.fromkeys(("crop", "mask", "reorder", "substitute", "insert"), 0.0) | shares
    classic = Classic(ways=Ways(**ways), draw=DrawHistories(histories=2.0, history_weight=0.2))
    found = sample(train, models, classic).orderBy("user_id", "event_time", "event_id").toPandas()
    assert found["event_id"].is_unique
    assert found["parent_event_id"].isna().all()
    assert set(found["weight"]) == {0.2}
    assert found["fidelity"].between(0, 1).all()
    made = found.groupby("user_id").agg(items=("item_index", list), source=("source_users", "first"))
    return [
        (histories()[int(source[0][1:])][-L:], items)
        for items, source in zip(made["items"], made["source"], strict=True)
    ]


def test_classic_rows_are_varied_histories(train, next_number):
    cropped = varied(train, next_number, crop=0.5)
    assert len(cropped) > 20
    for source, items in cropped:
        assert len(items) == len(source) // 2
        assert any(source[k : k + len(items)] == items for k in range(len(source)))
    for source, items in varied(train, next_number, mask=0.4):
        assert len(items) < len(source)
        assert [item for item in source if item in items] == items


def test_what_classic_draws_is_a_neighbour_that_the_user_never_had(train, next_number):
    substituted = varied(train, next_number, substitute=0.5)
    assert len(substituted) > 20
    for source, items in substituted:
        assert len(items) == len(source)
        changed = [(old, new) for old, new in zip(source, items, strict=True) if old != new]
        assert 1 <= len(changed) <= len(source) // 2  # what has no new neighbour stays
        assert all(new == old + 1 for old, new in changed)
    for source, items in varied(train, next_number, insert=0.5):
        added = [item for item in items if item not in source]
        assert added
        assert [item for item in items if item in source] == source[: len(items) - len(added)]
        assert all(items[items.index(item) - 1] == item - 1 for item in added)


@pytest.fixture
def number_before(tmp_path):
    """Counts the other way round, in which each item comes after the one before alone."""
    weights = torch.full((ITEMS + 1, 1), 100.0)
    weights[:2] = 0
    settings = {"window": 2, "backward": 0.0, "decay": 0.5}
    near = CoVisitation(torch.arange(ITEMS + 1)[:, None] - 1, weights, **settings)
    near.neighbours[0] = 0
    meta = {"arguments": {"share": 0.0}, "covisitation": settings}
    finish_model(Store(tmp_path / "counts"), CountsGenerator(near, share=0.0), meta)
    return dict.fromkeys((0, 1), str(tmp_path / "counts"))


def test_users_with_few_events_get_earlier_ones_that_nothing_to_come_tells(train, number_before):
    earlier = PseudoPrior(up_to=5, events=3, draw=DrawEarlier(histories=1.0, history_weight=0.2))
    found = sample(train, number_before, earlier).orderBy("user_id", "event_time").toPandas()
    real, expected = histories(), {}
    for user, items in real.items():
        earlier = []
        for item in range(items[0] - 1, max(items[0] - 4, 0), -1):
            if item in items:  # what the user had is not drawn, and nothing is before it
                break
            earlier.insert(0, item)
        if len(items) <= 5 and earlier:
            expected[f"u{user:03}"] = [*earlier, *items][:L]
    assert len(expected) > 5
    made = found.groupby("user_id").agg(items=("item_index", list), source=("source_users", "first"))
    assert {source[0]: items for items, source in zip(made["items"], made["source"], strict=True)} == expected
    assert len(made) == len(expected)
    assert made.index.str.startswith("generated-").all()
    assert found["parent_event_id"].isna().all()
    assert found["event_id"].is_unique
    assert found["fidelity"].between(0, 1).all()
    assert all(times.is_unique for _, times in found.groupby("user_id")["event_time"])
    # the first real event keeps its day: what was put in front is earlier
    starts = found[found["item_index"] == [real[int(source[0][1:])][0] for source in found["source_users"]]]
    assert set(starts["event_time"].dt.normalize()) == {pd.Timestamp("2017-01-01")}
