"""Items of four kinds, of which category, tags, text, size and neighbours each say the kind; any may be missing."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from recaug.clickstream.attributes import Field
from recaug.config import Attributes, Optimiser
from recaug.training.attributes import AttributeTask, Known
from recaug.training.models.attribute_vae import AttributeVAE, Ensemble
from recaug.training.models.item_fields import Seen, negative_log_likelihood, split, told_by_neighbours
from recaug.training.models.neighbourhood import Neighbourhood

KINDS, ITEMS = 4, 200
FIELDS = [
    Field("kind", "categorical", KINDS, 1),
    Field("tags", "multi_valued", 2 * KINDS, 2),
    Field("text", "text", 16, 3),
    Field("size", "numeric", 1, 1, (0.0, 1.0)),
    Field("picture", "vector", 4, 4),
]
CONFIG = Attributes(
    min_items=1,
    neighbours=3,
    behaviour_dim=2,
    hidden=32,
    z_dim=8,
    dropout=0.1,
    drop=0.5,
    drop_behaviour=0.5,
    beta=0.001,
    anneal_share=0.5,
    validation_share=0.1,
    test_share=0.2,
    min_probability=0.8,
    max_doubt=0.01,
    optimiser=Optimiser(epochs=1, batch_rows=50, learning_rate=0.01),
)


def catalogue() -> Known:
    """Every item's values, none missing. Item i is of kind i modulo 4."""
    random, kind = np.random.default_rng(0), np.arange(ITEMS) % KINDS
    codes = [kind + 1, 2 * kind + 1, 2 * kind + 2, 3 * kind + 1, 3 * kind + 2, 3 * kind + 3]
    numbers = [kind - 1.5 + 0.1 * random.standard_normal(ITEMS), *np.eye(4)[kind].T]
    return Known(
        torch.arange(1, ITEMS + 1),
        torch.from_numpy(np.stack(codes, axis=1)),
        torch.from_numpy(np.stack(numbers, axis=1).astype(np.float32)),
        torch.zeros(ITEMS, len(FIELDS), dtype=torch.int64),
    )


def neighbourhood() -> Neighbourhood:
    """Each item's neighbours are the next three of its kind."""
    rows = catalogue()
    near = torch.stack([(torch.arange(ITEMS) + KINDS * step) % ITEMS + 1 for step in (1, 2, 3)], dim=1)
    table = torch.cat([torch.zeros(1, 3, dtype=torch.int64), near])[:, None]
    values = torch.cat([rows.codes[:, :1], rows.codes[:, 1:3] + KINDS], dim=1)
    codes = torch.cat([torch.zeros(1, 3, dtype=torch.int64), values])
    return Neighbourhood(table, (table > 0).float(), torch.zeros(ITEMS + 1, 2), codes, told_by_neighbours(FIELDS))


def model() -> AttributeVAE:
    torch.manual_seed(0)
    shape = {"n_items": ITEMS, "tables": 1, "neighbours": 3, "dim": 2}
    arguments = {"hidden": CONFIG.hidden, "z_dim": CONFIG.z_dim, "dropout": CONFIG.dropout}
    return AttributeVAE(FIELDS, **arguments, shape=shape, neighbourhood=neighbourhood())  # type: ignore[arg-type]


def seen() -> Seen:
    return Seen(*catalogue()[:3])


def only(vae: AttributeVAE, *places: int) -> Tensor:
    visible = torch.zeros(ITEMS, len(FIELDS) + 1, dtype=torch.bool)
    visible[:, list(places)] = True
    return visible & vae.present(seen())


@pytest.fixture(scope="module")
def trained() -> AttributeVAE:
    """Trained for 200 steps on modalities that are hidden at random."""
    vae, rows = model(), catalogue()
    task = AttributeTask(vae, CONFIG, rows)
    optimiser = torch.optim.AdamW(task.parts["model"].groups(), lr=0.01)
    order = torch.Generator().manual_seed(0)
    for step in range(200):
        picked = torch.randperm(ITEMS, generator=order)[: CONFIG.optimiser.batch_rows]
        columns = zip(("item_index", "codes", "numbers", "parts"), rows, strict=True)
        batch = {name: column[picked] for name, column in columns}
        for update in task.updates(batch, step / 200, 0):
            optimiser.zero_grad()
            (update.loss / update.weight).backward()
            optimiser.step()
    return vae.eval()


def accuracy(vae: AttributeVAE, *places: int) -> float:
    told = vae.tell(vae.read(seen()), only(vae, *places), FIELDS[0])
    return float((told.argmax(dim=1) == catalogue().codes[:, 0]).float().mean())


@pytest.mark.parametrize("place", range(1, len(FIELDS) + 1))
def test_every_modality_alone_tells_the_kind(trained: AttributeVAE, place: int) -> None:
    assert accuracy(trained, place) > 0.95


def test_nothing_tells_no_kind(trained: AttributeVAE) -> None:
    assert accuracy(trained) == pytest.approx(1 / KINDS)


def test_the_kind_tells_numbers_and_tags(trained: AttributeVAE) -> None:
    size = trained.tell(trained.read(seen()), only(trained, 0), FIELDS[3])
    truth = catalogue().numbers[:, 0]
    assert float((size[:, 0] - truth).abs().mean()) < 0.3
    covered = (size[:, 0] - truth).abs() < 2 * size[:, 1].exp()
    assert 0.8 < float(covered.float().mean()) <= 1
    best = trained.tell(trained.read(seen()), only(trained, 0), FIELDS[1]).topk(2, dim=1).indices.sort(dim=1).values
    assert float((best == catalogue().codes[:, 1:3]).float().mean()) > 0.95


def test_precisions_add_up_and_nothing_is_the_prior() -> None:
    vae = model().eval()
    with torch.no_grad():
        mu, log_variance, _ = vae.join(vae.read(seen()), only(vae))
        assert not mu.any()
        assert not log_variance.any()
        experts = [vae.join(vae.read(seen()), only(vae, place)) for place in (0, 3)]
        both_mu, both_log_variance, _ = vae.join(vae.read(seen()), only(vae, 0, 3))
    precisions = [torch.exp(-one[1]) for one in experts]
    precision = sum(precisions) - 1  # each has the prior's
    torch.testing.assert_close(torch.exp(-both_log_variance), precision)
    pulled = sum(one * expert[0] for one, expert in zip(precisions, experts, strict=True))
    torch.testing.assert_close(both_mu, pulled / precision)


def test_every_parameter_gets_a_gradient() -> None:
    vae = model()
    told, mu, log_variance = vae(seen(), vae.present(seen()), torch.randn(ITEMS, CONFIG.z_dim))
    loss = (mu.square() + log_variance.square()).sum()
    for one, said, truth in zip(FIELDS, told, split(FIELDS, seen()), strict=True):
        loss = loss + negative_log_likelihood(one, said, truth).sum()
    loss.backward()
    without = [name for name, one in vae.named_parameters() if one.grad is None or not one.grad.abs().sum()]
    assert without == []


def test_what_is_missing_is_not_present_and_costs_nothing() -> None:
    vae, (items, codes, numbers) = model().eval(), seen()
    codes, numbers = codes.clone(), numbers.clone()
    codes[0], numbers[0], items = 0, torch.nan, torch.where(items == 1, 0, items)
    bare = Seen(items, codes, numbers)
    assert not vae.present(bare)[0].any()
    assert vae.present(bare)[1:].all()
    told, _, _ = vae(bare, vae.present(bare), torch.zeros(ITEMS, CONFIG.z_dim))
    for one, said, truth in zip(FIELDS, told, split(FIELDS, bare), strict=True):
        loss = negative_log_likelihood(one, said, truth)
        assert loss[0] == 0
        assert torch.isfinite(loss).all()


def test_hidden_parts_are_hidden() -> None:
    rows = catalogue()
    parts = rows.parts.clone()
    parts[0, 1], parts[1, 3] = 1, 2
    hidden = Known(*rows[:3], parts).without(FIELDS, (1, 2))
    assert hidden.codes[0].tolist() == [1, 0, 0, *rows.codes[0, 3:].tolist()]
    assert math.isnan(hidden.numbers[1, 0])
    assert torch.equal(hidden.codes[1:], rows.codes[1:])
    assert torch.equal(hidden.numbers[2:], rows.numbers[2:])


def test_the_likelihoods_equal_torchs() -> None:
    logits = torch.tensor([[-torch.inf, 1.0, 2.0, 0.5]])
    found = negative_log_likelihood(Field("a", "categorical", 3, 1), logits, torch.tensor([[2]]))
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, torch.tensor([2]), reduction="none"))
    told, truth = torch.tensor([[0.5, 0.2]]), torch.tensor([[1.5]])
    expected = -torch.distributions.Normal(0.5, math.exp(0.2)).log_prob(truth)[0]
    torch.testing.assert_close(negative_log_likelihood(FIELDS[3], told, truth), expected)
    rare = negative_log_likelihood(Field("a", "categorical", 3, 1), logits, torch.tensor([[4]]))
    assert rare == 0  # given, but none of the values that are learnt


def test_neighbours_shares_are_of_those_of_whom_it_is_known() -> None:
    fields = told_by_neighbours([Field("a", "categorical", 2, 1)])
    neighbours = torch.tensor([[[0, 0, 0]], [[2, 3, 4]], [[0, 0, 0]], [[0, 0, 0]], [[0, 0, 0]]])
    weights = torch.tensor([[[0.0] * 3], [[1.0, 2.0, 5.0]], [[0.0] * 3], [[0.0] * 3], [[0.0] * 3]])
    codes = torch.tensor([[0], [1], [1], [2], [0]])
    near = Neighbourhood(neighbours, weights, torch.zeros(5, 0), codes, fields)
    shares, known = near(torch.tensor([1, 2]))
    assert shares[0].tolist() == [[pytest.approx([1 / 3, 2 / 3])], [[0, 0]]]
    assert known.tolist() == [[[3]], [[0]]]


def test_an_ensemble_averages_probabilities_and_mixes_numbers(trained: AttributeVAE) -> None:
    other = model().eval()
    both, visible = Ensemble([trained, other]), trained.present(seen())
    told = [one.tell(one.read(seen()), visible, FIELDS[1]) for one in (trained, other)]
    expected = sum(torch.softmax(one, dim=1) for one in told) / 2
    torch.testing.assert_close(torch.softmax(both.tell(both.read(seen()), visible, FIELDS[1]), dim=1), expected)
    a, b = (one.tell(one.read(seen()), visible, FIELDS[3])[0].double() for one in (trained, other))
    draws = torch.cat([one[0] + one[1].exp() * torch.randn(200_000, dtype=torch.float64) for one in (a, b)])
    mean, log_sigma = both.tell(both.read(seen()), visible, FIELDS[3])[0]
    assert float(mean) == pytest.approx(float(draws.mean()), abs=0.02)
    assert float(log_sigma.exp()) == pytest.approx(float(draws.std()), rel=0.02)


def test_an_item_is_told_the_same_beside_items_without_neighbours(trained: AttributeVAE) -> None:
    whole = seen()
    alone = trained.tell(trained.read(whole), trained.present(whole), FIELDS[0])
    mixed = whole._replace(items=torch.where(torch.arange(ITEMS) % 3 == 0, 0, whole.items))
    experts, visible = trained.read(mixed), trained.present(mixed)
    beside = trained.tell(experts, visible, FIELDS[0])
    with_neighbours = mixed.items > 0
    torch.testing.assert_close(beside[with_neighbours], alone[with_neighbours])
    assert not torch.allclose(beside[~with_neighbours], alone[~with_neighbours])
    chosen = torch.arange(ITEMS) % 4 < 2
    torch.testing.assert_close(trained.tell(experts.at(chosen), visible[chosen], FIELDS[0]), beside[chosen])


def test_a_picture_is_read_and_drawn_by_convolutions() -> None:
    layout = [Field("kind", "categorical", KINDS, 1), Field("photo", "picture", 3 * 28 * 28, 3 * 28 * 28)]
    random, kind = torch.Generator().manual_seed(0), torch.arange(ITEMS) % KINDS
    pictures = torch.full((ITEMS, 3, 28, 28), -0.5)
    for item, (down, right) in enumerate(zip(14 * (kind // 2), 14 * (kind % 2), strict=True)):
        pictures[item, :, down : down + 14, right : right + 14] += 1  # another corner is bright
    noise = 0.1 * torch.randn(pictures.shape, generator=random)
    items = torch.zeros(ITEMS, dtype=torch.int64)
    parts = torch.zeros(ITEMS, 2, dtype=torch.int64)
    rows = Known(items, kind[:, None] + 1, (pictures + noise).flatten(1), parts)
    torch.manual_seed(0)
    shape = {"n_items": 0, "tables": 1, "neighbours": 1, "dim": 0}
    vae = AttributeVAE(layout, hidden=32, z_dim=8, dropout=0.0, shape=shape)
    task = AttributeTask(vae, CONFIG, rows)
    optimiser = torch.optim.AdamW(task.parts["model"].groups(), lr=0.003)
    for step in range(120):
        picked = torch.randperm(ITEMS, generator=random)[: CONFIG.optimiser.batch_rows]
        columns = zip(("item_index", "codes", "numbers", "parts"), rows, strict=True)
        for update in task.updates({name: column[picked] for name, column in columns}, step / 120, 0):
            optimiser.zero_grad()
            (update.loss / update.weight).backward()
            optimiser.step()
    vae.eval()
    whole = Seen(*rows[:3])
    alone = vae.present(whole)
    alone[:, 0] = False
    told = vae.tell(vae.read(whole), alone, layout[0]).argmax(dim=1)
    assert float((told == kind + 1).float().mean()) > 0.95
    drawn = vae.tell(vae.read(whole), vae.present(whole), layout[1])[:, : 3 * 28 * 28].view(pictures.shape)
    corners = drawn.mean(dim=1).unfold(1, 14, 14).unfold(2, 14, 14).mean(dim=(3, 4)).flatten(1)
    assert float((corners.argmax(dim=1) == kind).float().mean()) > 0.95
