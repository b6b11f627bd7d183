from typing import Any

import pytest
import torch
from tests.training.models.conftest import N_ITEMS
from tests.training.models.test_behaviour_vae import informed_by_next

from recaug.training.models.behaviour_transformer import BehaviourTransformer
from recaug.training.models.covisitation import ItemLikeness
from recaug.training.models.sasrec import SASRec
from recaug.training.models.scores import Scores

SHAPE: dict[str, Any] = {"layers": "bsarec", "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.5}


def small(**changes: Any) -> BehaviourTransformer:
    arguments = {"counted": 0.3, "alike": 0.25, "events": 5, **SHAPE} | changes
    torch.manual_seed(0)
    return BehaviourTransformer(N_ITEMS, **arguments).eval()


def alone() -> SASRec:
    torch.manual_seed(0)
    return SASRec(N_ITEMS, max_length=6, prefixes=True, **SHAPE).eval()


def test_its_chances_are_the_recommenders_and_the_counts_by_their_share() -> None:
    items = torch.tensor([[3, 8, 0], [20, 0, 0]])
    chances = small(covisitation=informed_by_next(N_ITEMS)).next_logits(items).exp()
    expected = 0.7 * torch.softmax(alone().next_logits(items), dim=1)
    counts = informed_by_next(N_ITEMS)(items)  # of an item nothing but the next one: 9 and 21 come first
    torch.testing.assert_close(chances, expected + 0.3 * counts)
    assert chances.argmax(dim=1).tolist() == [9, 21]


def test_what_is_alike_has_its_share_of_what_is_counted() -> None:
    to = torch.full((N_ITEMS + 1, 1), 7)
    likeness = ItemLikeness(to, torch.ones(N_ITEMS + 1, 1))
    items, counts = torch.tensor([[3]]), informed_by_next(N_ITEMS)
    without, within = (small(covisitation=counts, likeness=near).next_logits(items).exp() for near in (None, likeness))
    assert float((within - without)[0, 7]) == pytest.approx(0.3 * 0.25, rel=1e-4)
    assert float((within - without)[0, 4]) == pytest.approx(-0.3 * 0.25, rel=1e-4)


def test_without_counts_it_is_the_recommender() -> None:
    items = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(
        small().next_logits(items), torch.log_softmax(alone().next_logits(items), dim=1), rtol=1e-4, atol=1e-5
    )


def test_padding_never_comes_and_an_empty_history_has_chances() -> None:
    logits = small(covisitation=informed_by_next(N_ITEMS)).next_logits(torch.tensor([[0, 0], [5, 0]]))
    assert torch.isneginf(logits[:, 0]).all()
    assert torch.isfinite(logits[:, 1:]).all()


def test_fidelity_is_the_chance_over_the_likeliest() -> None:
    items = torch.tensor([[3, 8, 0]])
    model = small(covisitation=informed_by_next(N_ITEMS))
    logits = model.next_logits(items)
    best, other = int(logits.argmax()), 5
    fidelity = model.fidelity(items, torch.tensor([[best, other]]), Scores(logits))
    assert fidelity.tolist()[0] == pytest.approx([1.0, float((logits[0, other] - logits[0, best]).exp())])
