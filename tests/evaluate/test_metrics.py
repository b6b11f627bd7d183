import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from recaug.evaluate import gate, metrics


@pytest.mark.parametrize("module", [metrics, gate])
def test_the_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def random_lists(seed, users=40, items=30, k=10):
    """Scores without ties, each user's targets, and the hits of the best k."""
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(items, dtype=float), (users, 1)), axis=1)
    relevant = rng.random((users, items)) < 0.2
    relevant[np.arange(users), rng.integers(0, items, users)] = True
    best = np.argsort(-scores, axis=1)[:, :k]
    return scores, relevant, np.take_along_axis(relevant, best, axis=1), relevant.sum(axis=1)


@given(st.integers(0, 10_000))
def test_ndcg_agrees_with_scikit_learn(seed):
    scores, relevant, hits, targets = random_lists(seed)
    ours = metrics.ndcg(hits, targets, 10)
    theirs = [ndcg_score([r], [s], k=10) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@given(st.integers(0, 10_000))
def test_average_precision_agrees_with_scikit_learn_where_the_list_is_the_whole_catalogue(seed):
    scores, relevant, hits, targets = random_lists(seed, k=30)
    theirs = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(metrics.average_precision(hits, targets, 30), theirs, atol=1e-12)


def test_a_user_without_a_list_counts_with_nothing_found():
    hits, targets = np.zeros((1, 20), bool), np.array([4])
    for metric, k in metrics.USER_METRICS.values():
        assert metric(hits, targets, k).tolist() == [0.0]


def test_more_targets_than_ranks_can_still_reach_an_ndcg_of_one():
    assert metrics.ndcg(np.ones((1, 10), bool), np.array([25]), 10) == pytest.approx(1.0)


def test_recall_is_a_share_of_all_targets_also_of_more_than_a_list_can_hold():
    assert metrics.recall(np.ones((1, 10), bool), np.array([25]), 10).tolist() == [0.4]


def test_gini_of_the_same_exposure_for_all_is_zero_and_of_nothing_shown_too():
    assert metrics.gini(np.full(7, 3)) == pytest.approx(0)
    assert metrics.gini(np.zeros(7, int)) == 0
