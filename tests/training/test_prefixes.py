import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recaug.training.models.sasrec import SASRec
from recaug.training.next_item import SASRecTask
from recaug.training.targets import Prefixes, next_item_targets, prefixes

N, EVENTS = 30, 4
HISTORIES = [[1, 2, 3, 4, 5, 6, 7], [8, 9], [10], [11, 12, 13, 14]]


def padded(histories: list[list[int]], width: int = 8) -> Tensor:
    return torch.tensor([history + [0] * (width - len(history)) for history in histories])


def with_continuations() -> dict[str, Tensor]:
    """The histories with two alternatives for what follows some events, and rows of unlike weight."""
    torch.manual_seed(3)
    items = padded(HISTORIES)
    continuations = torch.randint(1, N + 1, (len(items), 8, 2)) * (torch.rand(len(items), 8, 2) < 0.4)
    return {
        "items": items,
        "continuations": continuations.flatten(1),
        "continuation_weights": (torch.rand(len(items), 8, 2) * (continuations > 0)).flatten(1),
        "row_weight": torch.tensor([1.0, 0.5, 1.0, 2.0]),
        "is_generated": torch.tensor([False, False, False, True]),
    }


@pytest.fixture(params=["sasrec", "bsarec"])
def model(request: pytest.FixtureRequest) -> SASRec:
    torch.manual_seed(0)
    built = SASRec(
        N,
        dim=8,
        blocks=2,
        heads=2,
        dropout=0.2,
        max_length=EVENTS + 1,
        prefixes=True,
        layers=request.param,
        mark_generated=True,
    )
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built.eval()


def cut(items: Tensor, events: int = EVENTS) -> list[Prefixes]:
    return prefixes(*next_item_targets({"items": items}), None, events)


def loss(model: SASRec, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Loss and weight of a batch, by the training's task."""
    (update,) = SASRecTask(model, 0.01).updates(batch, 0.0, 0)
    return update.loss, update.weight


def test_each_prefix_is_a_row_whose_target_comes_next() -> None:
    (group,) = cut(padded(HISTORIES))
    rows = [(row[row > 0].tolist(), int(target)) for row, target in zip(group.items, group.targets, strict=True)]
    expected = [(h[:n][-EVENTS:], h[n]) for h in HISTORIES for n in range(1, len(h))]
    assert sorted(rows) == sorted(expected)
    assert group.items.shape[1] == EVENTS
    assert [len(row) for row, _ in rows] == sorted(len(row) for row, _ in rows)
    assert group.weights.tolist() == [[1.0]] * len(rows)


def test_prefixes_of_like_length_are_padded_together() -> None:
    histories = torch.arange(1, 9).repeat(500, 1)
    groups = cut(histories, events=7)
    assert sum(len(group.items) for group in groups) == 3500
    assert sum(int((group.items == 0).sum()) for group in groups) < 0.1 * 3500 * 7
    assert [group.items.shape[1] for group in groups] == sorted(group.items.shape[1] for group in groups)


def test_the_loss_is_that_of_every_prefix_by_itself(model: SASRec) -> None:
    batch = with_continuations()
    inputs, targets, weights = next_item_targets(batch)
    expected = torch.zeros(())
    for row in range(len(inputs)):
        for end in range(inputs.shape[1]):
            for target, weight in zip(targets[row, end], weights[row, end], strict=True):
                if target > 0:
                    prefix = inputs[row : row + 1, : end + 1][:, -EVENTS:]
                    hidden = model(prefix, batch["is_generated"][row : row + 1])[0, -1]
                    logits = model.logits(hidden).index_fill(0, torch.tensor([0]), -torch.inf)
                    expected = expected + weight * F.cross_entropy(logits, target)
    found, weight = loss(model, batch)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(weight, weights.sum())


def test_continuations_count_with_their_weight(model: SASRec) -> None:
    batch = with_continuations()
    none, half, whole = (
        loss(model, batch | {"continuation_weights": share * batch["continuation_weights"]})[0]
        for share in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(half - none, (whole - none) / 2)
    assert whole > none + 0.1
    torch.testing.assert_close(none, loss(model, {k: v for k, v in batch.items() if "continuation" not in k})[0])


def test_a_prefix_sees_nothing_after_it(model: SASRec) -> None:
    def losses(items: Tensor) -> dict[int, float]:
        """By the length of the prefix, uncut."""
        found = {}
        for group in prefixes(*next_item_targets({"items": items}), None, 7):
            for row, target in zip(group.items, group.targets, strict=True):
                state = model.last(row[row > 0][None, -EVENTS:])
                found[int((row > 0).sum())] = F.cross_entropy(model.logits(state), target).item()
        return found

    items = torch.tensor([[1, 2, 3, 4, 5, 6, 7]])
    before, after = losses(items), losses(torch.tensor([[1, 2, 3, 4, 5, 20, 21]]))
    assert [n for n in before if before[n] != after[n]] == [5, 6]
    whole, changed = (cut(each) for each in (items, torch.tensor([[1, 2, 3, 4, 5, 20, 21]])))
    hidden = [torch.cat([model.last(group.items) for group in groups]) for groups in (whole, changed)]
    assert (hidden[0] == hidden[1]).all(dim=1).tolist() == [True] * 5 + [False]


def test_padding_and_company_change_no_loss(model: SASRec) -> None:
    together = loss(model, {"items": padded(HISTORIES)})[0]
    wide = loss(model, {"items": padded(HISTORIES, width=20)})[0]
    alone = sum(loss(model, {"items": padded([history])})[0] for history in HISTORIES)
    torch.testing.assert_close(wide, together)
    torch.testing.assert_close(alone, together)


def test_histories_of_one_event_have_nothing_to_predict(model: SASRec) -> None:
    found, weight = loss(model, {"items": padded([[1], [2]])})
    assert (found.item(), weight.item()) == (0.0, 0.0)


def test_dropout_is_drawn_for_each_prefix_and_by_the_seed_alone(model: SASRec) -> None:
    model.train()
    (group,) = cut(padded([[1, 2, 3], [1, 2, 3]]))
    torch.manual_seed(1)
    states = model.last(group.items)
    assert group.items[0].tolist() == group.items[1].tolist()
    assert not torch.equal(states[0], states[1])
    batch = with_continuations()
    gradients = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model.zero_grad()
        loss(model, batch)[0].backward()
        assert model.items.weight.grad is not None
        gradients.append(model.items.weight.grad.clone())
    assert torch.equal(gradients[0], gradients[1])
    assert not torch.equal(gradients[0], gradients[2])
