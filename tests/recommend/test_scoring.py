from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from recaug.recommend.baselines import CoVisitationCounts, Popularity
from recaug.recommend.scoring import best_items, top_k
from recaug.training.models.covisitation import CoVisitation


def frame(histories, width=4):
    items = [np.array(h + [0] * (width - len(h)), dtype="<i4").tobytes() for h in histories]
    seen = [sorted(set(h)) for h in histories]
    return pd.DataFrame({"user_index": range(len(histories)), "items": items, "seen": seen})


def test_the_best_come_first_and_what_may_not_be_listed_never():
    scores = torch.tensor([[-torch.inf, 0.1, 0.9, 0.5], [-torch.inf, 0.3, -torch.inf, -torch.inf]])
    index, value = top_k(scores, 3)
    assert index.tolist() == [[2, 3, 1], [1, 0, 0]]
    assert value[0].tolist() == pytest.approx([0.9, 0.5, 0.1])


def test_ties_are_broken_the_same_way_in_every_row_and_not_by_item_number():
    scores = torch.zeros(50, 1001)
    scores[:, 0] = -torch.inf
    index, _ = top_k(scores, 10)
    assert (index == index[0]).all()
    assert len(set(index[0])) == 10
    assert index[0].tolist() != list(range(1, 11))


def test_a_model_that_scores_all_alike_gets_what_chance_gives():
    targets = np.random.default_rng(3).integers(1, 201, 4000)
    scores = torch.zeros(1, 201)
    scores[:, 0] = -torch.inf
    index, _ = top_k(scores, 20)
    assert np.isin(targets, index).mean() == pytest.approx(20 / 200, abs=0.03)


def test_a_tie_at_the_edge_of_the_list_is_cut_by_the_rule():
    scores = torch.tensor([[-torch.inf, 5.0, 1.0, 1.0, 1.0, 1.0]])
    (first,), _ = top_k(scores, 2)
    (all_five,), _ = top_k(scores, 5)
    assert first.tolist() == all_five[:2].tolist()


@dataclass(frozen=True)
class Countdown:
    """Scores item i with -i, so the order is known."""

    n: int

    def scores(self, items):
        return -torch.arange(self.n + 1, dtype=torch.float32).expand(len(items), -1)


def test_what_the_user_has_had_is_left_out_only_if_asked():
    rows = frame([[1, 3], []])
    assert best_items(rows, Countdown(5), 3, True)[0].tolist() == [[2, 4, 5], [1, 2, 3]]
    assert best_items(rows, Countdown(5), 3, False)[0].tolist() == [[1, 2, 3], [1, 2, 3]]


def test_popularity_ranks_by_events():
    scores = Popularity(np.array([0, 2, 9, 4], np.float32)).scores(torch.tensor([[1, 0]]))
    assert top_k(scores[:, :], 3)[0].tolist() == [[2, 3, 1]]


def test_co_visitation_ranks_neighbours_first_and_falls_back_to_popularity():
    neighbours, weights = torch.tensor([[0], [3], [0], [1]]), torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    counts = CoVisitation(neighbours, weights, window=5, backward=1.0, decay=0.9)
    scorer = CoVisitationCounts(counts, np.array([0, 2, 9, 4], np.float32))
    scores = scorer.scores(torch.tensor([[1, 0], [0, 0]])).clone()
    scores[:, 0] = -torch.inf
    assert top_k(scores, 3)[0].tolist() == [[3, 2, 1], [2, 3, 1]]
