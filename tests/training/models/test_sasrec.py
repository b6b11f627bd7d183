import pytest
import torch
import torch.nn.functional as F
from tests.training.models.conftest import N_ITEMS, share_of_own_parity
from torch import Tensor

from recaug.training.models import sasrec, softmax
from recaug.training.models.blocks import Attention, Dropout, Rows
from recaug.training.targets import next_item_targets, prefixes

N, DIM, POSITIONS = 30, 8, 300  # more positions than one chunk holds


@pytest.fixture(params=["sasrec", "ligr with item features", "bsarec with relative positions"])
def model(request: pytest.FixtureRequest) -> sasrec.SASRec:
    torch.manual_seed(0)
    layers, *others = request.param.split(" with ")
    features = torch.randn(N + 1, 3).index_fill(0, torch.tensor([0]), 0) if others == ["item features"] else 0
    built = sasrec.SASRec(
        N,
        dim=DIM,
        blocks=2,
        heads=2,
        dropout=0.0,
        max_length=6,
        layers=layers,
        item_features=features,
        relative=others == ["relative positions"],
    )
    torch.nn.init.normal_(built.items.weight)
    torch.nn.init.normal_(built.item_bias)
    return built


def problem(seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, two targets each (the second one sometimes none), weights."""
    torch.manual_seed(seed)
    targets = torch.randint(1, N + 1, (POSITIONS, 2))
    targets[::3, 1] = 0
    weights = torch.rand(POSITIONS, 2) * (targets > 0)
    return torch.randn(POSITIONS, DIM, requires_grad=True), targets, weights


def reference(model: sasrec.SASRec, hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """The same loss with all logits in memory, by torch."""
    logits = model.logits(hidden).index_fill(1, torch.tensor([0]), -torch.inf)
    losses = [F.cross_entropy(logits, one.clamp(min=1), reduction="none") for one in targets.T]
    return (torch.stack(losses, dim=1) * weights).sum()


@pytest.mark.parametrize(("positions", "items"), [(512, 512), (100, 7)], ids=["whole", "in blocks"])
def test_the_full_softmax_and_its_gradients_equal_torchs_cross_entropy(
    model: sasrec.SASRec, monkeypatch: pytest.MonkeyPatch, positions: int, items: int
) -> None:
    monkeypatch.setattr(softmax, "POSITIONS", positions)
    monkeypatch.setattr(softmax, "ITEMS", items)
    hidden, targets, weights = problem()
    found = softmax.full_softmax(model, hidden, targets, weights)
    expected = reference(model, hidden, targets, weights)
    torch.testing.assert_close(found, expected)
    variables = (hidden, model.items.weight, model.item_bias)
    for ours, theirs in zip(
        torch.autograd.grad(3 * found, variables), torch.autograd.grad(3 * expected, variables), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_full_softmax_overflows_nowhere(model: sasrec.SASRec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "ITEMS", 7)
    hidden, targets, weights = problem()
    torch.testing.assert_close(
        softmax.full_softmax(model, 1000 * hidden, targets, weights), reference(model, 1000 * hidden, targets, weights)
    )


def test_the_sampled_softmax_over_the_whole_catalogue_is_the_full_one(model: sasrec.SASRec) -> None:
    hidden, targets, weights = problem()
    targets[:, 1], weights[:, 1] = 0, 0
    everything = torch.arange(1, N + 1)
    found = softmax.sampled_softmax(
        model, hidden, targets, weights, negatives=everything, log_probability=torch.full((N,), -torch.tensor(N).log())
    )
    expected = reference(model, hidden, targets, weights)
    torch.testing.assert_close(found, expected)
    variables = (hidden, model.items.weight, model.item_bias)
    for ours, theirs in zip(
        torch.autograd.grad(found, variables), torch.autograd.grad(expected, variables), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_sampled_softmax_equals_a_direct_computation(model: sasrec.SASRec) -> None:
    hidden, targets, weights = problem()
    negatives = torch.tensor([3, 3, 7, 12, 25])
    log_probability = torch.tensor([0.1, 0.12, 0.2, 0.3, 0.01]).log()
    found = softmax.sampled_softmax(
        model, hidden, targets, weights, negatives=negatives, log_probability=log_probability
    )
    logits = model.logits(hidden)
    others = logits[:, negatives] - log_probability - torch.tensor(5.0).log()
    hit = (targets[:, :, None] == negatives).any(dim=1)
    summed = others.masked_fill(hit, -torch.inf).exp().sum(dim=1, keepdim=True)
    own = logits.gather(1, targets)
    expected = ((torch.log(own.exp() + summed) - own) * weights).sum()
    torch.testing.assert_close(found, expected)
    variables = (hidden, model.items.weight, model.item_bias)
    for ours, theirs in zip(
        torch.autograd.grad(found, variables), torch.autograd.grad(expected, variables), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_many_negatives_estimate_the_full_softmax(model: sasrec.SASRec) -> None:
    hidden, targets, weights = problem()
    chances = torch.rand(N + 1, generator=torch.Generator().manual_seed(2)) + 0.1
    chances[0] = 0
    chances /= chances.sum()
    negatives = torch.multinomial(chances, 100_000, replacement=True)
    found = softmax.sampled_softmax(
        model, hidden, targets[:, :1], weights[:, :1], negatives=negatives, log_probability=chances[negatives].log()
    )
    torch.testing.assert_close(found, reference(model, hidden, targets[:, :1], weights[:, :1]), rtol=0.01, atol=0)


def test_no_position_sees_a_later_one(model: sasrec.SASRec) -> None:
    hidden = model.eval()(torch.tensor([[1, 2, 3, 4, 5]]))
    changed = model(torch.tensor([[1, 2, 3, 9, 8]]))
    torch.testing.assert_close(hidden[:, :3], changed[:, :3])
    assert not torch.allclose(hidden[:, 3:], changed[:, 3:])


def test_padding_changes_nothing(model: sasrec.SASRec) -> None:
    alone = model.eval()(torch.tensor([[1, 2]]))
    beside = model(torch.tensor([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]]))
    torch.testing.assert_close(alone[0], beside[0, :2])
    assert beside[0, 2:].abs().sum() == 0


def test_long_histories_count_with_their_last_events_and_empty_ones_with_the_bias(model: sasrec.SASRec) -> None:
    rows = torch.tensor([[9, 1, 2, 3, 4, 5], [1, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    logits = model.eval().next_logits(rows)
    assert torch.isneginf(logits[:, 0]).all()
    torch.testing.assert_close(logits[0], model.next_logits(torch.tensor([[1, 2, 3, 4, 5]]))[0])
    torch.testing.assert_close(logits[1], model.next_logits(torch.tensor([[1, 2]]))[0])
    torch.testing.assert_close(logits[2, 1:], model.item_bias.detach()[1:])


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize("layers", sasrec.LAYERS)
def test_the_state_after_the_last_event_alone_is_that_of_the_whole_history(layers: str, relative: bool) -> None:
    torch.manual_seed(0)
    shape = {"dim": DIM, "blocks": 2, "heads": 2, "dropout": 0.0, "max_length": 6}
    model = sasrec.SASRec(N, **shape, prefixes=not relative, relative=relative, layers=layers)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    rows = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [0, 0, 0, 0, 0], [8, 0, 0, 0, 0]])
    last = model(rows)[torch.arange(4), torch.tensor([4, 1, 0, 0])]
    torch.testing.assert_close(model.last(rows), last)
    assert model.last(rows)[2].abs().sum() == 0
    torch.testing.assert_close(model.last(rows[1:2, :2])[0], last[1])  # however far others make it be padded
    assert model.next_logits(torch.zeros(2, 3, dtype=torch.int64)).shape == (2, N + 1)


def test_positions_of_a_prefix_are_counted_from_its_end() -> None:
    torch.manual_seed(0)
    model = sasrec.SASRec(N, dim=DIM, blocks=1, heads=1, dropout=0.0, max_length=6, prefixes=True)
    torch.nn.init.normal_(model.positions.weight)
    alone, followed = torch.tensor([[3]]), torch.tensor([[3, 4]])
    states = model(alone)[0, 0], model(followed)[0, 0]  # of the same event, which sees nothing else
    with torch.no_grad():
        model.positions.weight[1] += torch.randn(DIM)  # of the last event but one
    torch.testing.assert_close(model(alone)[0, 0], states[0])
    assert not torch.allclose(model(followed)[0, 0], states[1])


def test_relative_positions_add_to_each_logit_what_its_distance_says() -> None:
    torch.manual_seed(0)
    attention, x = Attention(DIM, 2, distances=5), torch.randn(4, DIM)
    torch.nn.init.normal_(attention.by_distance)
    query, key, value = (part.view(4, 2, DIM // 2) for part in attention.query_key_value(x).chunk(3, dim=1))
    attended = []
    for now in range(4):
        logits = (query[now] * key[: now + 1]).sum(dim=2) / (DIM / 2) ** 0.5  # (events, heads)
        told = logits + torch.stack([attention.by_distance[now - then] for then in range(now + 1)])
        attended.append((torch.softmax(told, dim=0)[:, :, None] * value[: now + 1]).sum(dim=0).flatten())
    rows = Rows(torch.arange(4), torch.tensor([4]), 4)
    torch.testing.assert_close(attention(x, rows, last=False), attention.out(torch.stack(attended)))
    torch.testing.assert_close(attention(x, rows, last=True), attention.out(attended[-1])[None])


def test_relative_positions_stand_in_place_of_absolute_ones() -> None:
    model = sasrec.SASRec(N, dim=DIM, blocks=2, heads=2, dropout=0.0, max_length=6, relative=True)
    assert not [name for name, _ in model.named_parameters() if "positions" in name]
    assert {tuple(block.attention.by_distance.shape) for block in model.blocks} == {(5, 2)}


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.25)(torch.ones(200_001))
    assert abs(float((dropped == 0).float().mean()) - 0.25) < 0.005
    assert abs(float(dropped.mean()) - 1) < 0.01
    by_byte = (dropped[:200_000].view(-1, 8) == 0).float().mean(dim=0)  # none of the eight bytes is special
    assert (by_byte - 0.25).abs().max() < 0.015


def test_every_parameter_gets_a_gradient(model: sasrec.SASRec) -> None:
    items = torch.randint(1, N + 1, (64, 6))
    hidden = model(items[:, :-1]).flatten(0, 1)
    targets = items[:, 1:].reshape(-1, 1)
    softmax.full_softmax(model, hidden, targets, torch.ones_like(targets, dtype=torch.float32)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_generated_histories_are_marked_and_real_ones_are_not() -> None:
    torch.manual_seed(0)
    model = sasrec.SASRec(N, dim=DIM, blocks=1, heads=1, dropout=0.0, max_length=6, mark_generated=True)
    items, generated = torch.randint(1, N + 1, (4, 5)), torch.tensor([True, False, True, False])
    torch.testing.assert_close(model(items, generated), model(items))  # nothing is learnt yet
    assert model.mark is not None
    torch.nn.init.normal_(model.mark)
    marked = (model(items, generated) - model(items)).abs().amax(dim=(1, 2))
    assert (marked > 0.01).tolist() == generated.tolist()
    model(items, generated).sin().sum().backward()
    assert model.mark.grad is not None
    assert model.mark.grad.abs().sum() > 0


def test_items_that_are_described_alike_are_alike_before_anything_is_learnt() -> None:
    torch.manual_seed(0)
    features = torch.randn(N + 1, 4)
    features[7] = features[9]
    model = sasrec.SASRec(N, dim=DIM, blocks=1, heads=1, dropout=0.0, max_length=4, item_features=features)
    likeness = F.normalize(model.table(), dim=1) @ F.normalize(model.table(), dim=1)[7]
    assert likeness[9] > 0.9 > likeness[1:7].abs().max()
    torch.testing.assert_close(model.vectors(torch.tensor([3, 7])), model.table()[[3, 7]])


@pytest.mark.parametrize(
    ("layers", "events"), [("sasrec", 0), ("ligr", 0), ("bsarec", 0), ("sasrec", 8), ("bsarec", 8)]
)
def test_it_learns_the_checkerboard(checkerboard: Tensor, layers: str, events: int) -> None:
    torch.manual_seed(0)
    length = events + 1 if events else 12
    model = sasrec.SASRec(
        N_ITEMS, dim=16, blocks=1, heads=2, dropout=0.1, max_length=length, prefixes=events > 0, layers=layers
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        if events:
            groups = prefixes(*next_item_targets({"items": checkerboard}), None, events)
            hidden = torch.cat([model.last(group.items) for group in groups])
            targets = torch.cat([group.targets for group in groups])
        else:
            hidden, targets = model(checkerboard[:, :-1]).flatten(0, 1), checkerboard[:, 1:].reshape(-1, 1)
        loss = softmax.full_softmax(model, hidden, targets, torch.ones_like(targets) / targets.numel())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    contexts = checkerboard[:, :6]
    assert share_of_own_parity(model.eval().next_logits(contexts), contexts) > 0.99
