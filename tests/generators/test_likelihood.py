"""What a model that is known says of histories."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recaug.generators.base import Contexts
from recaug.generators.likelihood import LEAST, likelihoods
from recaug.generators.samplers import NetworkModel
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.scores import Scores

CHANCES = torch.tensor([0.0, 0.5, 0.25, 0.25, 0.0])  # of items 1 to 4, whatever came before


class Known:
    """Chances by the place alone: after an even number of events 1 has .5, after an odd one 2."""

    after = 0

    def __init__(self) -> None:
        self.given: list[list[int]] = []

    def scores(self, contexts: Contexts, random: torch.Generator) -> Scores:
        self.given += [row[row > 0].tolist() for row in contexts.items]
        odd = (contexts.items > 0).sum(dim=1) % 2 == 1
        chances = torch.where(odd[:, None], CHANCES[[0, 2, 1, 3, 4]], CHANCES)
        return Scores(torch.log(chances))

    def fidelity(self, items: Tensor, generated: Tensor, scores: Scores) -> Tensor:
        return torch.where(generated == 2, 0.5, 1.0).double()


def test_a_model_is_asked_what_comes_after_places_of_a_history() -> None:
    model = Known()
    found = likelihoods(model, [np.array([1, 2, 3]), np.array([3, 4])], length=2, seed=0)
    assert model.given == [[1], [1, 2], [3]]
    # after [1]: 2 has .5, then 3 .25; after [1, 2]: 3 has .25
    half, quarter = math.log(0.5), math.log(0.25)
    assert found["next"] == pytest.approx([(half + quarter) / 2, LEAST])
    assert found["rest"] == pytest.approx([((half + quarter) / 2 + quarter) / 2, LEAST])
    assert found["fidelity"] == pytest.approx([(half / 2 + 0.0) / 2, 0.0])


def test_a_long_history_is_asked_at_eight_places_of_which_the_last_events_are_given() -> None:
    model = Known()
    likelihoods(model, [np.tile([1, 2], 50)], length=3, seed=0)
    assert len(model.given) == 8
    assert {len(items) for items in model.given} == {1, 3}


def test_every_item_of_a_large_catalogue_has_a_chance() -> None:
    """A network says of all that is no candidate of a draw that it is impossible."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {"hidden": 8, "z_dim": 4, "dropout": 0.0}
    large = BehaviourVAE(5000, **settings, full_softmax_items=10).eval()
    small = BehaviourVAE(5000, **settings).eval()
    small.load_state_dict(large.state_dict(), strict=False)
    histories = [np.array([1, 900, 3000, 4400, 2]), np.array([70, 5000, 12])]
    found, expected = (likelihoods(NetworkModel(vae), histories, 5, seed=3) for vae in (large, small))
    for name in ("next", "rest", "fidelity"):
        assert found[name] == pytest.approx(expected[name])
