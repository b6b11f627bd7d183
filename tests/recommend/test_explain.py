import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recaug.evaluate.metrics import intra_list_diversity
from recaug.night.recommend import _diversity
from recaug.recommend.diversity import maximal_marginal_relevance
from recaug.recommend.explain import LAST, REASONS, faithfulness, occlusion, reasons, without
from recaug.training.models.sasrec import SASRec


@pytest.fixture
def model() -> SASRec:
    torch.manual_seed(0)
    found = SASRec(30, dim=16, blocks=1, heads=2, dropout=0.0, max_length=13)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return found.eval()


def test_events_are_taken_out_and_the_rest_moves_up() -> None:
    items = torch.tensor([[5, 6, 7, 0], [5, 0, 0, 0], [5, 6, 7, 8]])
    left = without(items, torch.tensor([[0, 2], [0, 3], [-1, 1]]))
    assert left.tolist() == [[6, 0, 0, 0], [0, 0, 0, 0], [5, 6, 8, 0]]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.sets(st.integers(0, 11)))
def test_taking_out_is_what_a_list_would_do(history: list[int], ages: set[int]) -> None:
    items = torch.zeros(1, 12, dtype=torch.int64)
    items[0, : len(history)] = torch.tensor(history)
    left = without(items, torch.tensor([[-1, *sorted(ages)]]))[0]
    expected = [item for place, item in enumerate(history) if len(history) - 1 - place not in ages]
    assert left[: len(expected)].tolist() == expected
    assert not left[len(expected) :].any()


def test_occlusion_is_the_fall_of_the_score_without_the_event(model: SASRec) -> None:
    items = torch.tensor([[3, 9, 4, 0], [7, 0, 0, 0]])
    listed = torch.tensor([[1, 2], [8, 9]])
    falls = occlusion(model, items, listed)
    assert falls.shape == (2, 2, LAST)
    without_9 = model.next_logits(torch.tensor([[3, 4, 0, 0]]))[0]
    whole = model.next_logits(items)
    torch.testing.assert_close(falls[0, :, 1], whole[0, listed[0]] - without_9[listed[0]], atol=1e-5, rtol=1e-4)
    nobody = model.next_logits(torch.zeros(1, 4, dtype=torch.int64))[0]
    torch.testing.assert_close(falls[1, :, 0], whole[1, listed[1]] - nobody[listed[1]], atol=1e-5, rtol=1e-4)
    assert not falls[1, :, 1:].any()


def test_scores_of_some_items_are_those_of_all(model: SASRec) -> None:
    items, listed = torch.tensor([[3, 9, 4], [0, 0, 0]]), torch.tensor([[1, 30], [5, 5]])
    torch.testing.assert_close(model.next_scores(items, listed), model.next_logits(items).gather(1, listed))


def test_a_reason_holds_the_strongest_events_and_no_event_that_speaks_against() -> None:
    falls = torch.zeros(1, 2, LAST)
    falls[0, 0, [0, 3, 4, 7]] = torch.tensor([1.0, -5.0, 6.0, 3.0])
    ages, weights = reasons(falls)
    assert ages.tolist() == [[[4, 7, 0], [-1, -1, -1]]]
    assert weights[0, 0].tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert ages.shape[2] == REASONS


def test_a_reason_is_more_faithful_than_chance(model: SASRec) -> None:
    torch.manual_seed(1)
    items = torch.randint(1, 31, (400, 12))
    found = faithfulness(model, items, torch.randint(1, 31, (400,)), 0)
    assert found["users"] > 300
    assert found["fall_reason"] > found["fall_random"]
    assert found["larger"] > 0.6


def test_short_histories_prove_nothing(model: SASRec) -> None:
    items = torch.tensor([[3, 0, 0], [0, 0, 0]])
    assert faithfulness(model, items, torch.tensor([1, 2]), 0)["users"] == 0


def test_re_ranking_trades_relevance_for_difference() -> None:
    scores = torch.tensor([[3.0, 2.9, 2.0, 1.0], [1.0, 0.5, -torch.inf, -torch.inf]])
    alike = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    vectors = torch.stack([alike, alike])
    assert maximal_marginal_relevance(scores, vectors, 3, 0.0).tolist() == [[0, 1, 2], [0, 1, -1]]
    chosen = maximal_marginal_relevance(scores, vectors, 3, 0.5)
    assert chosen.tolist() == [[0, 2, 1], [0, 1, -1]]
    before, after = (intra_list_diversity(alike[places][None].double().numpy()) for places in ([0, 1], [0, 2]))
    np.testing.assert_allclose([before[0], after[0]], [0.0, 1.0])


def test_how_much_a_lists_items_differ_is_told_of_lists_that_end_before_k():
    """k_above_catalogue: two items of a list were said to differ by 0.00."""
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    lists = np.array([[1, 2, 0, 0], [1, 3, 2, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    assert _diversity(lists, vectors) == pytest.approx((1 + 2 / 3) / 2)
    assert _diversity(lists[2:], vectors) == 0.0
