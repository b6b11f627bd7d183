import pytest
import torch
from tests.training.models.conftest import N_ITEMS, share_of_own_parity
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from recaug.training.models import behaviour_vae
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.context import sample_prefixes
from recaug.training.models.covisitation import CoVisitation
from recaug.training.models.scores import Scores


def informed_by_next(n_items: int) -> CoVisitation:
    """Item i was had together with item i + 1."""
    neighbours = torch.arange(1, n_items + 2)[:, None] % (n_items + 1)
    return CoVisitation(neighbours, torch.ones_like(neighbours).float(), window=2, backward=1.0, decay=0.9)


def test_the_likelihood_equals_torchs_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 6)
    found = behaviour_vae.multinomial_nll(Scores(logits), torch.tensor([[2, 4, 0, 2]]))
    expected = torch.nn.functional.cross_entropy(logits.expand(2, -1), torch.tensor([2, 4]), reduction="sum")
    torch.testing.assert_close(found[0], expected)


def test_the_kl_equals_torchs() -> None:
    torch.manual_seed(0)
    mu, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    expected = kl_divergence(Normal(mu, torch.exp(0.5 * log_variance)), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(behaviour_vae.kl_divergence(mu, log_variance), expected)


def test_free_bits_ask_for_nothing_below_them() -> None:
    mu = torch.zeros(1, 4, requires_grad=True)
    kl = behaviour_vae.kl_divergence(mu + 0.1, torch.zeros(1, 4), free_bits=0.5)
    assert kl.item() == pytest.approx(2.0)
    (gradient,) = torch.autograd.grad(kl.sum(), mu)
    assert gradient.abs().sum() == 0


def test_the_bound_weighs_the_kl_with_beta() -> None:
    scores, items = Scores(torch.randn(2, 6)), torch.tensor([[2, 4], [5, 0]])
    mu, log_variance = torch.randn(2, 3), torch.randn(2, 3)
    found = behaviour_vae.negative_elbo(scores, items, mu, log_variance, beta=0.25, free_bits=0.0)
    kl = behaviour_vae.kl_divergence(mu, log_variance)
    torch.testing.assert_close(found, behaviour_vae.multinomial_nll(scores, items) + kl / 4)


def test_logits_start_from_the_popularity() -> None:
    popularity = torch.linspace(0, -5, 2001)
    model = BehaviourVAE(2000, hidden=20, z_dim=5, dropout=0.5, log_popularity=popularity).eval()
    logits = model.next_logits(torch.tensor([[1, 2, 3]]))
    assert torch.corrcoef(torch.stack([logits[0, 1:], popularity[1:]]))[0, 1] > 0.95
    assert torch.isneginf(logits[0, 0])


def test_samples_differ_by_the_generator_alone() -> None:
    model = BehaviourVAE(10, hidden=8, z_dim=4, dropout=0.5).eval()
    items = torch.tensor([[1, 2, 0]])
    first, again, other = (model.next_logits(items, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_of_an_empty_context_z_has_the_prior() -> None:
    model = BehaviourVAE(10, hidden=8, z_dim=4, dropout=0.5).eval()
    with torch.no_grad():
        model.posterior.bias.fill_(3.0)
    empty = torch.zeros(1, 3, dtype=torch.int64)
    noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(1))

    def decoded(z: Tensor) -> Tensor:
        return model.head(model.decode(z), model.head.counted(empty))

    assert torch.equal(model.next_logits(empty), decoded(torch.zeros(1, 4)))
    assert torch.equal(model.next_logits(empty, torch.Generator().manual_seed(1)), decoded(noise))


def test_the_likeliest_item_has_fidelity_one() -> None:
    torch.manual_seed(0)
    model = BehaviourVAE(10, hidden=8, z_dim=4, dropout=0.5).eval()
    items = torch.tensor([[1, 2, 0]])
    logits = model.next_logits(items)
    fidelity = model.fidelity(items, torch.arange(1, 11)[None], Scores(logits))
    assert fidelity.max() == 1
    assert fidelity.min() > 0
    assert fidelity.argmax() + 1 == logits.argmax()


@pytest.mark.parametrize("informed", [True, False])
def test_every_parameter_gets_a_gradient(informed: bool) -> None:
    torch.manual_seed(0)
    extra = informed_by_next(20) if informed else None
    model = BehaviourVAE(20, hidden=8, z_dim=4, dropout=0.1, covisitation=extra)
    history = torch.randint(1, 21, (64, 6))
    scores, mu, log_variance = model(sample_prefixes(history), history, torch.randn(64, 4), history)
    behaviour_vae.negative_elbo(scores, history, mu, log_variance, beta=0.2, free_bits=0.0).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_it_learns_the_checkerboard(checkerboard: Tensor) -> None:
    torch.manual_seed(0)
    model = BehaviourVAE(N_ITEMS, hidden=32, z_dim=8, dropout=0.3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        noise = torch.randn(256, 8)
        scores, mu, log_variance = model(sample_prefixes(checkerboard), checkerboard, noise, checkerboard)
        loss = behaviour_vae.negative_elbo(scores, checkerboard, mu, log_variance, beta=0.1, free_bits=0.0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    contexts = checkerboard[:, :6]
    assert share_of_own_parity(model.eval().next_logits(contexts), contexts) > 0.99
    noisy = model.next_logits(contexts, torch.Generator().manual_seed(0))
    assert share_of_own_parity(noisy, contexts) > 0.9
