from dataclasses import dataclass

import numpy as np
import pytest
import torch

from recaug.evaluate.ranking import exposures, user_metrics

HELD_OUT = "split string, user_index int, cold boolean, items binary, seen array<int>, targets array<int>"


@dataclass(frozen=True)
class Countdown:
    """Lists the items 1, 2, 3, ..."""

    n: int

    def scores(self, items):
        return -torch.arange(self.n + 1, dtype=torch.float32).expand(len(items), -1)


def held_out(spark, rows):
    empty = np.zeros(4, "<i4").tobytes()
    return spark.createDataFrame([("test", i, False, empty, seen, targets) for i, (seen, targets) in rows], HELD_OUT)


def test_every_user_is_measured_by_every_scorer_against_the_whole_catalogue(spark):
    rows = held_out(spark, enumerate([([], [1, 30, 0]), ([1], [3]), ([], [40])]))
    head = np.arange(51) <= 10
    events = np.full(51, 6, np.float32)
    events[[30, 40]] = 0, 5  # nobody has had item 30, and item 40 is rare as well
    found = user_metrics(rows, {"a": Countdown(50), "b": Countdown(50)}, events, head, mask_seen=True)
    table = found.toPandas().set_index(["scorer", "user_index"]).sort_index()
    assert len(table) == 6
    # user 0 lists 1, 2, ..., 20: finds 1 of three targets, at rank 1; item 0 is a target outside the vocabulary
    assert table.loc[("a", 0), "recall@20"] == pytest.approx(1 / 3)
    assert table.loc[("a", 0), "ndcg@10"] == pytest.approx(1 / (1 + 1 / np.log2(3) + 0.5))
    assert table.loc[("a", 0), "recall@20 head"] == 1
    assert table.loc[("a", 0), "recall@20 tail"] == 0
    assert table.loc[("a", 0), "tail_share"] == 0
    # user 1 has had item 1 and lists 2, 3, ...: the target is at rank 2
    assert table.loc[("b", 1), "mrr@10"] == 0.5
    assert table.loc[("b", 1), "tail_share"] == 0.1  # item 11, of ten places
    # user 2's only target is too far down
    assert table.loc[("a", 2), "hr@10"] == 0
    assert np.isnan(table.loc[("a", 2), "recall@20 head"])
    assert table.loc[("a", 2), "recall@20 rare"] == 0
    assert np.isnan(table.loc[("a", 1), "recall@20 rare"])
    assert np.isnan(table.loc[("a", 1), "ndcg@10 new"])
    assert table.loc[("a", 0), ["recall@20 rare", "hr@10 rare", "ndcg@10 new"]].tolist() == [0, 0, 0]


def test_a_target_of_a_kind_is_measured_by_itself(spark):
    rows = held_out(spark, [(0, ([], [2, 3, 30]))])
    events = np.full(51, 6, np.float32)
    events[[2, 3]] = 5, 0
    found = user_metrics(rows, {"a": Countdown(50)}, events, np.zeros(51, bool), mask_seen=True)
    (user,) = found.toPandas().to_dict("records")
    # 2 and 3 are rare, at ranks 2 and 3 of the list; nobody has had 3; there is one target more
    second, third = 1 / np.log2(3), 0.5
    assert user["ndcg@10 rare"] == pytest.approx((second + third) / (1 + second))
    assert user["ndcg@10 new"] == pytest.approx(third)
    assert (user["hr@10 rare"], user["hr@10 new"]) == (1, 1)
    assert user["ndcg@10"] == pytest.approx((second + third) / (1 + second + third))


def test_exposures_count_each_item_once_a_list(spark):
    rows = held_out(spark, enumerate([([], [1]), ([1], [3])]))
    measured = user_metrics(rows, {"a": Countdown(50)}, np.ones(51, np.float32), np.zeros(51, bool), mask_seen=True)
    shown = exposures(measured, "test", 2).set_index("item_index")["n"].to_dict()
    assert shown == {1: 1, 2: 2, 3: 1}
