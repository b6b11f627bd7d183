import math

import pytest
import torch
from tests.training.models.conftest import N_ITEMS, share_of_own_parity
from tests.training.models.test_behaviour_vae import informed_by_next
from torch import Tensor

from recaug.training.models.behaviour_diffusion import BehaviourDiffusion, linear_variance, step_embedding
from recaug.training.models.behaviour_vae import multinomial_nll
from recaug.training.models.context import initial_bias, sample_prefixes
from recaug.training.models.covisitation import CoVisitation, Informed
from recaug.training.models.scores import Scores


def small(
    n_items: int,
    steps: int = 5,
    sampling_steps: int = 2,
    covisitation: CoVisitation | None = None,
    log_popularity: Tensor | None = None,
) -> BehaviourDiffusion:
    return BehaviourDiffusion(
        n_items,
        hidden=32,
        dropout=0.3,
        steps=steps,
        first_noise=0.01,
        last_noise=0.1,
        sampling_steps=sampling_steps,
        covisitation=covisitation,
        log_popularity=log_popularity,
    )


def test_what_is_kept_is_the_product_of_one_minus_beta() -> None:
    schedule = linear_variance(4, 0.1, 0.4)
    torch.testing.assert_close(schedule.kept, torch.tensor([1.0, 0.9, 0.8, 0.7, 0.6]))
    betas = torch.tensor([1 / 10, 1 / 9, 1 / 8, 1 / 7])
    torch.testing.assert_close(torch.cumprod(1 - betas, dim=0), schedule.kept[1:])
    assert schedule.steps == 4


@pytest.mark.parametrize("step", [1, 3])
def test_noisy_bags_have_the_moments_of_the_closed_form(step: int) -> None:
    torch.manual_seed(0)
    schedule, x_0 = linear_variance(3, 0.2, 0.6), torch.tensor([[1.0, -2.0]])
    x_t = schedule.noisy(x_0.expand(100_000, 2), torch.randn(100_000, 2), torch.full((100_000,), step))
    variance = {1: 0.2, 3: 0.6}[step]
    torch.testing.assert_close(x_t.mean(dim=0), math.sqrt(1 - variance) * x_0[0], atol=0.01, rtol=0)
    torch.testing.assert_close(x_t.var(dim=0), torch.full((2,), variance), atol=0.01, rtol=0)


def test_each_row_has_its_own_step() -> None:
    schedule = linear_variance(3, 0.2, 0.6)
    x_t = schedule.noisy(torch.ones(2, 1), torch.zeros(2, 1), torch.tensor([1, 3]))
    torch.testing.assert_close(x_t.squeeze(1).square(), torch.tensor([0.8, 0.4]))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_the_posterior_is_bayes_rule(step: int) -> None:
    """q(x_{t-1} | x_t, x_0) is the product of two Gaussians in x_{t-1}: q(x_t | x_{t-1}) and q(x_{t-1} | x_0)."""
    schedule, x_0, x_t = linear_variance(3, 0.2, 0.6), 0.7, -0.3
    of_start, of_noisy, variance = schedule.posterior(step)
    before, alpha = float(schedule.kept[step - 1]), float(schedule.kept[step] / schedule.kept[step - 1])
    if step == 1:  # x_0 itself
        assert (of_start, of_noisy, variance) == pytest.approx((1.0, 0.0, 0.0), abs=1e-6)
        return
    precision = alpha / (1 - alpha) + 1 / (1 - before)
    mean = (math.sqrt(alpha) * x_t / (1 - alpha) + math.sqrt(before) * x_0 / (1 - before)) / precision
    assert of_start * x_0 + of_noisy * x_t == pytest.approx(mean, rel=1e-5)
    assert variance == pytest.approx(1 / precision, rel=1e-5)


def test_a_step_back_from_what_was_drawn_is_as_if_one_step_less_was_drawn() -> None:
    torch.manual_seed(0)
    schedule, x_0 = linear_variance(3, 0.2, 0.6), torch.ones(100_000, 1)
    x_3 = schedule.noisy(x_0, torch.randn_like(x_0), torch.full((100_000,), 3))
    of_start, of_noisy, variance = schedule.posterior(3)
    x_2 = of_start * x_0 + of_noisy * x_3 + math.sqrt(variance) * torch.randn_like(x_0)
    assert x_2.mean().item() == pytest.approx(math.sqrt(0.6), abs=0.01)
    assert x_2.var().item() == pytest.approx(0.4, abs=0.01)


def test_steps_are_trained_by_their_weight_in_the_bound() -> None:
    chances = linear_variance(3, 0.25, 0.75).chances()  # signal over noise: 3, 1, 1/3
    torch.testing.assert_close(chances, torch.tensor([2.0, 2.0, 2 / 3]) / (14 / 3))
    assert linear_variance(1, 0.25, 0.75).chances().tolist() == [1.0]


def test_no_two_steps_look_the_same_to_the_denoiser() -> None:
    embedded = step_embedding(torch.arange(1, 101))
    distances = torch.cdist(embedded, embedded) + torch.eye(100)
    assert distances.min() > 0.05


def test_the_noise_of_any_catalogue_has_the_length_of_a_bag() -> None:
    torch.manual_seed(0)
    for n_items in (32, 2000):
        model = small(n_items)
        with torch.no_grad():  # the first layer hands on the first 32 items as they are
            model.bag.embedding.weight.zero_()
            model.bag.embedding.weight[1:33] = torch.eye(32)
            assert model.noise(20_000 // 32).square().mean().item() == pytest.approx(1 / n_items, rel=0.05)


@pytest.mark.parametrize("sampling_steps", [1, 3])
def test_informed_by_counts_it_starts_at_the_counts(sampling_steps: int) -> None:
    popularity = torch.linspace(0, -2, N_ITEMS + 1)
    counts = informed_by_next(N_ITEMS)
    model = small(N_ITEMS, sampling_steps=sampling_steps, covisitation=counts, log_popularity=popularity).eval()
    items = torch.tensor([[3, 8, 0], [20, 0, 0]])
    counted = Informed(counts, initial_bias(N_ITEMS, popularity))(items)
    logits = model.next_logits(items, torch.Generator().manual_seed(0))
    assert logits.argmax(dim=1).tolist() == [9, 21]
    assert (logits - counted)[:, 1:].abs().max() < 0.5
    assert torch.isneginf(logits[:, 0]).all()


def test_logits_start_from_the_popularity() -> None:
    popularity = torch.linspace(0, -5, 2001)
    logits = small(2000, log_popularity=popularity).eval().next_logits(torch.tensor([[1, 2, 3]]))
    assert torch.corrcoef(torch.stack([logits[0, 1:], popularity[1:]]))[0, 1] > 0.95


@pytest.mark.parametrize("sampling_steps", [1, 5])
def test_samples_differ_by_the_generator_alone(sampling_steps: int) -> None:
    model = small(10, sampling_steps=sampling_steps).eval()
    items = torch.tensor([[1, 2, 0], [0, 0, 0]])
    first, again, other = (model.next_logits(items, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other)[:, 1:].all()
    assert torch.equal(model.next_logits(items), model.next_logits(items))
    assert torch.isfinite(first[:, 1:]).all()


def test_a_context_of_every_item_is_no_reason_to_fail() -> None:
    model = small(4, sampling_steps=5).eval()
    assert torch.isfinite(model.next_logits(torch.tensor([[1, 2, 3, 4]]))[:, 1:]).all()


def test_no_more_noise_is_removed_than_there_are_steps() -> None:
    with pytest.raises(ValueError, match="sampling_steps 3 is not between 1 and the 2 steps"):
        small(10, steps=2, sampling_steps=3)


def test_the_likeliest_item_has_fidelity_one() -> None:
    model, items = small(10).eval(), torch.tensor([[1, 2, 0]])
    logits = model.next_logits(items)
    fidelity = model.fidelity(items, torch.arange(1, 11)[None], Scores(logits))
    assert fidelity.max() == 1
    assert fidelity.min() > 0
    assert fidelity.argmax() + 1 == logits.argmax()


@pytest.mark.parametrize("informed", [True, False])
def test_every_parameter_gets_a_gradient(informed: bool) -> None:
    torch.manual_seed(0)
    model = small(20, covisitation=informed_by_next(20) if informed else None)
    history = torch.randint(1, 21, (64, 6))
    step = torch.randint(1, 6, (64,))
    multinomial_nll(Scores(model(sample_prefixes(history), history, step)), history).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    gradient = model.bag.embedding.weight.grad
    assert gradient is not None
    assert gradient[0].abs().sum() == 0  # padding stays zero


@pytest.mark.parametrize(("steps", "sampling_steps"), [(1, 1), (5, 1), (5, 5), (20, 10)])
def test_it_learns_the_checkerboard(checkerboard: Tensor, steps: int, sampling_steps: int) -> None:
    torch.manual_seed(0)
    model = small(N_ITEMS, steps, sampling_steps)
    chances = model.schedule.chances()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        step = 1 + torch.multinomial(chances, len(checkerboard), replacement=True)
        loss = multinomial_nll(Scores(model(sample_prefixes(checkerboard), checkerboard, step)), checkerboard).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    contexts = checkerboard[:, :6]
    assert share_of_own_parity(model.eval().next_logits(contexts), contexts) > 0.99
    noisy = model.next_logits(contexts, torch.Generator().manual_seed(0))
    assert share_of_own_parity(noisy, contexts) > 0.95
