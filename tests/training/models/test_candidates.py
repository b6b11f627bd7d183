"""Of a large catalogue only candidates are scored; here each of these must say what the whole catalogue says."""

from typing import Any

import pytest
import torch
from torch import Tensor

from recaug.training.models.behaviour_vae import BehaviourVAE, multinomial_nll
from recaug.training.models.context import sample_prefixes
from recaug.training.models.counts import CountsGenerator
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.scores import CandidateScores, Scores

N_ITEMS = 60


def tables(width: int) -> tuple[CoVisitation, ItemLikeness]:
    """So many neighbours of each item, more popular ones oftener, and half as many that are alike."""
    random = torch.Generator().manual_seed(5)
    chances = popularity().exp().index_fill(0, torch.tensor([0]), 0).expand(N_ITEMS + 1, -1)
    near, alike = (torch.multinomial(chances, n, generator=random) for n in (width, max(width // 2, 1)))
    weights = [torch.rand(items.shape, generator=random) + 0.1 for items in (near, alike)]
    for items, weight in zip((near, alike), weights, strict=True):
        items[0], weight[0] = 0, 0
    counts = CoVisitation(near, weights[0], window=4, backward=0.5, decay=0.8)
    return counts, ItemLikeness(alike, weights[1])


def popularity() -> Tensor:
    return -torch.arange(N_ITEMS + 1).float() / 15


def model(width: int | None, bound: int = 10) -> BehaviourVAE:
    """Weights that differ enough for the residual to matter; the same whatever the bound."""
    torch.manual_seed(3)
    informed: dict[str, Any] = {}
    if width is not None:
        informed = dict(zip(("covisitation", "likeness"), tables(width), strict=True))
    made = BehaviourVAE(
        N_ITEMS, hidden=8, z_dim=4, dropout=0.0, log_popularity=popularity(), full_softmax_items=bound, **informed
    )
    with torch.no_grad():
        made.head.output.weight.normal_(std=0.7)
        made.head.output.bias.add_(torch.randn(N_ITEMS + 1) / 3)
    return made


def contexts(rows: int = 8) -> Tensor:
    random = torch.Generator().manual_seed(9)
    items = torch.randint(1, N_ITEMS + 1, (rows, 6), generator=random)
    return items * (torch.arange(6) <= torch.arange(rows)[:, None])


def grad(parameter: torch.nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.to_dense()


def everything(rows: int) -> Tensor:
    return torch.arange(1, N_ITEMS + 1).expand(rows, -1)


def test_candidates_that_are_the_whole_catalogue_have_its_chances() -> None:
    generator, items = model(N_ITEMS), contexts()
    scores = generator.scores(items, torch.Generator().manual_seed(1))
    assert isinstance(scores, CandidateScores)
    dense = Scores(generator.next_logits(items, torch.Generator().manual_seed(1)))
    whole = everything(len(items))
    torch.testing.assert_close(scores.log_chances(whole), dense.log_chances(whole), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scores.relative(whole), dense.relative(whole), atol=1e-5, rtol=1e-5)


def test_a_mean_of_vectors_is_that_of_the_items_in_the_columns() -> None:
    generator, items, vectors = model(5), contexts(), torch.nn.Embedding(N_ITEMS + 1, 3)
    scores = generator.scores(items, torch.Generator().manual_seed(1))
    chances = torch.softmax(scores.weighed(scores.logits), dim=1)
    held = scores.items_at(torch.arange(chances.shape[1]).expand(len(items), -1))
    torch.testing.assert_close(scores.mean(chances, vectors), (chances[:, :, None] * vectors(held)).sum(dim=1))
    drawn = scores.sample(20_000, torch.Generator().manual_seed(2))
    torch.testing.assert_close(vectors(drawn).mean(dim=1), scores.mean(chances, vectors), atol=0.04, rtol=0)


@pytest.mark.parametrize("width", [3, 20, None])
def test_what_candidates_stand_for_is_the_catalogue_in_the_mean(width: int | None) -> None:
    """Of a few neighbours and a few draws: the sum of what stands for each item is what the item has."""
    generator, items, times = model(width).eval(), contexts(), 1500
    generator.head.candidates.near, generator.head.candidates.popular = 6, 20  # type: ignore[union-attr]
    hidden = torch.randn(len(items), 8, generator=torch.Generator().manual_seed(2))
    random, found = torch.Generator().manual_seed(4), []
    with torch.no_grad():
        for _ in range(times):
            scores = generator.head.scores(hidden, items, random=random)
            held = scores.items_at(torch.arange(scores.logits.shape[1]).expand(len(items), -1))
            sums = torch.zeros(len(items), N_ITEMS + 1, dtype=torch.float64)
            found.append(sums.scatter_add_(1, held, scores.weighed(scores.logits).exp().double()))
        expected = generator.head(hidden, generator.head.counted(items)).exp().double()
    estimates = torch.stack(found)
    error = estimates.std(dim=0) / times**0.5 + 1e-6 * expected
    off = ((estimates.mean(dim=0) - expected) / error.clamp(min=1e-12))[:, 1:]
    assert off.abs().max() < 5
    assert off.square().mean() < 1.5
    share = (estimates > 0).double().mean()
    assert share < 0.7  # most candidates stand for others


def test_what_is_drawn_has_the_chances_of_the_whole_catalogue() -> None:
    """Two draws without replacement at a temperature, candidates chosen anew for each batch."""
    generator, rows, times = model(4).eval(), 500, 120
    generator.head.candidates.near = 24  # type: ignore[union-attr]
    items = contexts(6)[5:].expand(rows, -1)
    hidden = torch.randn(1, 8, generator=torch.Generator().manual_seed(2)).expand(rows, -1)
    random, first = torch.Generator().manual_seed(6), torch.zeros(N_ITEMS + 1)
    seen = torch.arange(rows), items[:, 0]
    with torch.no_grad():
        for _ in range(times):
            drawn = generator.head.scores(hidden, items, random=random).draw(2, 0.7, random, seen)
            assert (drawn > 0).all()
            assert (drawn[:, 0] != drawn[:, 1]).all()
            assert not (drawn == items[:, :1]).any()
            first += torch.bincount(drawn[:, 0], minlength=N_ITEMS + 1)
        logits = generator.head(hidden[:1], generator.head.counted(items[:1]))[0] / 0.7
    logits[items[0, 0]] = -torch.inf
    expected = torch.softmax(logits, dim=0)
    error = (expected * (1 - expected) / (rows * times)).sqrt()
    # candidates are shared by a batch's contexts, which are all alike here, so that the shares vary more than draws do
    assert ((first / (rows * times) - expected).abs() < 6 * error + 0.04 * expected + 1e-6).all()


@pytest.mark.parametrize("mask_seen", [True, False])
def test_the_loss_is_that_of_the_whole_catalogue_where_candidates_cover_it(mask_seen: bool) -> None:
    losses, gradients = [], []
    for bound in (10, N_ITEMS):
        generator, history = model(N_ITEMS, bound), contexts()
        torch.manual_seed(7)
        context = sample_prefixes(history)
        to_come = history.masked_fill(context > 0, 0)
        targets = torch.cat([to_come, everything(len(history))], dim=1) if bound == 10 else to_come
        scores, _, _ = generator(context, history, torch.randn(len(history), 4), targets)
        assert isinstance(scores, CandidateScores) == (bound == 10)
        loss = multinomial_nll(scores.without(context) if mask_seen else scores, to_come)
        loss[torch.isfinite(loss)].sum().backward()
        losses.append(loss)
        gradients.append({name: grad(parameter) for name, parameter in generator.named_parameters()})
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-5, rtol=1e-4, msg=name)


def test_the_loss_by_candidates_has_every_target_and_a_gradient_for_all_that_learns() -> None:
    generator, history = model(5), contexts(64)[5:]
    generator.head.candidates.near, generator.head.candidates.popular = 4, 8  # type: ignore[union-attr]
    scores, mu, log_variance = generator(history[:, :3], history, torch.randn(len(history), 4), history)
    loss = multinomial_nll(scores, history)
    assert torch.isfinite(loss).all()
    (loss.sum() + mu.sum() + log_variance.sum()).backward()
    for name, parameter in generator.named_parameters():
        assert grad(parameter).abs().sum() > 0, name


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_counts_of_a_large_catalogue_are_those_of_a_small_one(own: bool, share: float) -> None:
    near, alike = tables(7)
    items, whole = contexts()[:, :3], everything(8)
    history = torch.cat([items, torch.zeros(8, 4, dtype=torch.int64)], dim=1)
    lengths = (items > 0).sum(dim=1)
    history[torch.arange(8), lengths] = torch.arange(3, 11)
    few, dense = (
        CountsGenerator(near, alike if share else None, share=share, own=own, whole=bound).scores(items, history)
        for bound in (10, N_ITEMS)
    )
    assert isinstance(few, CandidateScores)
    torch.testing.assert_close(few.log_chances(whole).exp(), dense.log_chances(whole).exp(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(few.relative(whole), dense.relative(whole), atol=1e-5, rtol=1e-5)
    one = few.draw(4, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(one, dense.draw(4, 1.0, torch.Generator().manual_seed(0)))


def test_a_context_of_which_nothing_is_known_draws_nothing_by_the_counts() -> None:
    near, _ = tables(7)
    generator = CountsGenerator(near, share=0.0, whole=10)
    items = torch.tensor([[4, 0], [0, 0]])
    drawn = generator.scores(items, items).draw(2, 1.0, torch.Generator().manual_seed(0))
    assert (drawn[0] > 0).all()
    assert drawn[1].tolist() == [0, 0]
