"""The two towers: what they start as, what they learn, what is no negative."""

import numpy as np
import pytest
import torch

from recaug.recommend.search.analysis import hashed
from recaug.training.models.two_tower import TwoTower, in_batch_softmax
from recaug.training.two_tower import WATCHED, TowersTask, Validation

SETTINGS = {"buckets": 512, "dim": 64, "dropout": 0.0, "temperature": 0.1}


def terms(*texts: str) -> torch.Tensor:
    return torch.from_numpy(np.stack([hashed(text.split(), (), 512, 24) for text in texts]).astype(np.int64))


def towers(**changes) -> TwoTower:
    torch.manual_seed(0)
    return TwoTower(**SETTINGS | changes)


def test_before_anything_is_learnt_texts_with_the_same_terms_are_alike():
    model = towers().eval()
    query, items = terms("blue lamp"), terms("blue lamp", "blue chair", "oak door")
    same, half, other = model.logits(model.queries(query), model.items(items))[0].tolist()
    assert same == pytest.approx(10.0, abs=1e-4)  # the cosine 1 over the temperature
    assert same > half > other


def test_a_text_without_terms_is_nowhere():
    model = towers().eval()
    empty = model.queries(torch.zeros(1, 24, dtype=torch.int64))
    assert empty.abs().sum() == 0
    assert torch.isfinite(empty).all()


def test_every_parameter_gets_a_gradient():
    model = towers(dropout=0.2)
    logits = model.logits(model.queries(terms("sofa", "lamp")), model.items(terms("couch grey", "light")))
    in_batch_softmax(logits, torch.zeros(2), torch.zeros(2, 2, dtype=torch.bool), torch.ones(2)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_what_is_relevant_too_is_no_negative_and_frequent_items_are_corrected():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    banned = torch.zeros(3, 3, dtype=torch.bool)
    banned[0, 1] = True
    log_q = torch.tensor([0.5, 0.3, 0.2]).log()
    first = torch.tensor([1.0, 0.0, 0.0])
    loss = in_batch_softmax(logits, log_q, banned, first).item()
    own, other = np.exp(2) / 0.5, np.exp(0) / 0.2
    assert loss == pytest.approx(-np.log(own / (own + other)), rel=1e-5)


class Job:
    """What TowersTask asks of a job."""

    relevant = np.array([0 * 4 + 0, 0 * 4 + 1, 1 * 4 + 2, 2 * 4 + 3])
    log_frequency = np.zeros(4, np.float32)

    def __init__(self, validation: Validation) -> None:
        self.validation = validation
        self.optimiser = type("O", (), {"learning_rate": 0.02})()


def test_they_learn_which_other_words_go_with_a_query():
    queries, items = ["sofa", "lamp", "stud"], ["couch grey", "couch red", "light bulb", "lumber pine"]
    held = Validation(
        terms(*queries).numpy().astype(np.int32), terms(*items).numpy().astype(np.int32),
        np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32),
    )  # fmt: skip
    model = towers()
    task = TowersTask(model, Job(held))
    pairs = [(0, 0), (0, 1), (1, 2), (2, 3)]
    batch = {
        "query_index": torch.tensor([q for q, _ in pairs]),
        "item_index": torch.tensor([i for _, i in pairs]),
        "weight": torch.ones(4),
        "query_terms": terms(*(queries[q] for q, _ in pairs)),
        "item_terms": terms(*(items[i] for _, i in pairs)),
    }
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        (update,) = task.updates(batch, 0.0, 0)
        optimiser.zero_grad()
        update.loss.backward()
        optimiser.step()
    model.eval()
    assert task.measure(0, True)[WATCHED] == pytest.approx(1.0)
    assert update.loss.item() < 0.5
