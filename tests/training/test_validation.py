import math

import pytest
import torch
from torch import Tensor

from recaug.training.inputs import Validation
from recaug.training.models.scores import Scores
from recaug.training.validation import BATCH_ROWS, ndcg_at_k, sample_diversity, validation_ndcg


class Always:
    """A generator that does not look: the given logits whatever the context."""

    def __init__(self, logits: list[float]) -> None:
        self.logits = torch.tensor(logits)

    def next_logits(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.logits.expand(len(items), -1)

    def scores(self, items: Tensor, generator: torch.Generator) -> Scores:
        return Scores(self.next_logits(items))


LOGITS = [-math.inf, 5.0, 4.0, 3.0, 2.0, 1.0]  # item 1 first, item 5 last
CPU = torch.device("cpu")


def test_ndcg_of_known_ranks() -> None:
    logits = torch.tensor([LOGITS])
    assert ndcg_at_k(logits, torch.tensor([[1, 0]]), torch.tensor([1]), k=3).tolist() == [1.0]
    second = ndcg_at_k(logits, torch.tensor([[2, 0]]), torch.tensor([1]), k=3)
    assert second.item() == pytest.approx(1 / math.log2(3))
    # ranks 1 and 3 of a user with two targets
    both = ndcg_at_k(logits, torch.tensor([[1, 3]]), torch.tensor([2]), k=3)
    assert both.item() == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))


def test_targets_outside_the_vocabulary_count_in_the_denominator() -> None:
    found = ndcg_at_k(torch.tensor([LOGITS]), torch.tensor([[1, 0]]), torch.tensor([2]), k=3)
    assert found.item() == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_seen_items_are_masked_in_discovery_only() -> None:
    """The first and the last user, who is in a shorter batch, know item 1 and had 2 next; the others had 1 next."""
    users = BATCH_ROWS + 2
    targets = torch.ones(users, 1, dtype=torch.int64)
    targets[[0, -1]] = 2
    seen = torch.tensor([[0, users - 1], [1, 1]])
    sample = Validation(torch.ones(users, 2, dtype=torch.int64), seen, targets, torch.ones(users, dtype=torch.int64))
    generator = Always(LOGITS)
    assert validation_ndcg(generator.next_logits, sample, True, CPU) == pytest.approx(1.0)
    second = 1 / math.log2(3)
    ranked = validation_ndcg(generator.next_logits, sample, False, CPU)
    assert ranked == pytest.approx((users - 2 + 2 * second) / users)


def test_a_collapsed_generator_is_seen() -> None:
    contexts = torch.ones(50, 3, dtype=torch.int64)
    one_item = sample_diversity(Always([-math.inf, 0.0, -50.0]), contexts, 0, CPU)
    assert one_item == {"distinct_items": 1.0, "entropy": 0.0, "duplicates": 1.0}
    varied = sample_diversity(Always([-math.inf] + [0.0] * 1000), contexts, 0, CPU)
    assert varied["duplicates"] == 0.0
    assert varied["distinct_items"] > 200
    assert varied["entropy"] == pytest.approx(math.log(250), abs=0.3)
