import pytest
import torch
import torch.nn.functional as F
from tests.training.models.conftest import N_ITEMS, share_of_own_parity
from tests.training.models.test_behaviour_vae import informed_by_next
from torch import Tensor

from recaug.training.models import behaviour_gan
from recaug.training.models.behaviour_gan import BehaviourGAN
from recaug.training.models.context import sample_prefixes
from recaug.training.models.scores import CandidateScores, Scores


def test_the_non_saturating_losses_equal_the_cross_entropies_of_the_paper() -> None:
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    ones, zeros = torch.ones(2), torch.zeros(2)
    binary = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(
        behaviour_gan.non_saturating_discriminator(real, fake).mean(), binary(real, ones) + binary(fake, zeros)
    )
    torch.testing.assert_close(behaviour_gan.non_saturating_generator(fake).mean(), binary(fake, ones))


def test_the_hinge_stops_at_its_margin_and_wasserstein_does_not() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert behaviour_gan.hinge_discriminator(real, fake).tolist() == [0.0, 1.5]
    assert behaviour_gan.wasserstein_discriminator(real, fake).tolist() == [-5.0, -0.5]
    assert behaviour_gan.critic_generator(fake).tolist() == [3.0, 0.0]


def test_the_gradient_penalty_of_a_linear_critic_is_known() -> None:
    class Linear(torch.nn.Module):
        def forward(self, items: Tensor, embedded: Tensor) -> Tensor:
            return embedded @ torch.tensor([3.0, 4.0])  # gradient of length 5 everywhere

    penalty = behaviour_gan.gradient_penalty(
        Linear(),  # type: ignore[arg-type]
        torch.tensor([[1]]),
        torch.randn(1, 2),
        torch.randn(1, 2),
    )
    assert penalty.item() == pytest.approx(16.0)


def test_straight_through_samples_are_one_hot_and_follow_the_softmax() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([-torch.inf, 0.0, 1.0, 2.0]).repeat(20_000, 1).requires_grad_(True)
    samples = behaviour_gan.gumbel_one_hot(logits, 1.0)
    torch.testing.assert_close(samples.sum(dim=1), torch.ones(20_000))
    torch.testing.assert_close(samples.mean(dim=0), torch.softmax(logits[0], dim=0), atol=0.01, rtol=0)
    (samples @ torch.tensor([0.0, 1.0, 0.0, 0.0])).sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[:, 1].sum() > 0  # more of the item that pays


def test_minibatch_statistics_tell_a_batch_of_one_item_from_a_varied_one() -> None:
    torch.manual_seed(0)
    plain, seeing = (
        BehaviourGAN(10, hidden=8, z_dim=4, dropout=0.0, spectral_norm=False, minibatch_statistics=seen).discriminator
        for seen in (False, True)
    )
    contexts, varied = torch.tensor([[1, 2]] * 3), torch.tensor([[3, 4], [5, 6], [7, 8]])
    same = torch.full_like(varied, 3)  # the first item of the varied batch, which is judged in either
    for judge, told in ((plain, False), (seeing, True)):
        among = [judge(contexts, judge.items(items))[0, 0] for items in (varied, same)]
        assert bool((among[0] - among[1]).abs() > 1e-4) == told
    error = seeing.spread_error(seeing.items(varied))
    error.backward()
    assert seeing.spread is not None
    assert seeing.spread.grad is not None
    with torch.no_grad():
        seeing.spread -= seeing.spread.grad / 2
    assert seeing.spread_error(seeing.items(varied)) < 1e-6 < error
    seeing.eval()
    alone = seeing(contexts[:1], seeing.items(varied[:1]))
    torch.testing.assert_close(seeing(contexts, seeing.items(varied))[:1], alone)  # whatever it is judged beside
    assert torch.equal(plain.spread_error(plain.items(varied)), torch.tensor(0.0))


def test_spectral_norm_bounds_the_discriminators_layers() -> None:
    model = BehaviourGAN(10, hidden=8, z_dim=4, dropout=0.0, spectral_norm=True)
    with torch.no_grad():
        for layer in (model.discriminator.hidden, model.discriminator.output):
            layer.parametrizations.weight.original.mul_(50)
    for _ in range(50):
        model.discriminator(torch.tensor([[1, 2]]), torch.randn(1, 8))
    largest = torch.linalg.matrix_norm(model.eval().discriminator.hidden.weight, ord=2)
    assert largest.item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("bound", [20, 5])
@pytest.mark.parametrize("remedies", [True, False])
def test_every_parameter_gets_a_gradient(remedies: bool, bound: int) -> None:
    torch.manual_seed(0)
    model = BehaviourGAN(
        20,
        hidden=8,
        z_dim=4,
        dropout=0.1,
        spectral_norm=remedies,
        minibatch_statistics=remedies,
        covisitation=informed_by_next(20),
        full_softmax_items=bound,
    )
    history = torch.randint(1, 21, (64, 6))
    context = sample_prefixes(history)
    judge = model.discriminator
    scores = model.generator.head.scores(model.generator(torch.randn(64, 4), context), context, history)
    assert isinstance(scores, CandidateScores) == (bound < 20)
    fake = behaviour_gan.gumbel_one_hot(scores.weighed(scores.logits), 1.0)
    real = judge(context, judge.items(history[:, -1]))
    faked = judge(context, scores.mean(fake, judge.items))
    loss = behaviour_gan.non_saturating_discriminator(real, faked) + 3 * behaviour_gan.non_saturating_generator(faked)
    (loss.sum() + judge.spread_error(judge.items(history[:, -1]))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.to_dense().abs().sum() > 0, name


def test_fidelity_is_a_probability() -> None:
    model = BehaviourGAN(10, hidden=8, z_dim=4, dropout=0.5, spectral_norm=True).eval()
    items = torch.tensor([[1, 2], [3, 0]])
    fidelity = model.fidelity(items, torch.tensor([[4, 5, 6], [5, 6, 7]]), Scores(model.next_logits(items)))
    assert fidelity.shape == (2, 3)
    assert ((fidelity > 0) & (fidelity < 1)).all()


@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "wasserstein"])
def test_it_learns_the_checkerboard_from_the_discriminator_alone(checkerboard: Tensor, loss: str) -> None:
    torch.manual_seed(0)
    model = BehaviourGAN(N_ITEMS, hidden=32, z_dim=8, dropout=0.0, spectral_norm=False)
    judge = model.discriminator
    generator = torch.optim.AdamW(model.generator.parameters(), lr=5e-3, betas=(0.5, 0.999))
    discriminator = torch.optim.AdamW(judge.parameters(), lr=5e-3, betas=(0.5, 0.999))
    for _ in range(200):
        context = sample_prefixes(checkerboard)
        chosen = torch.multinomial(((checkerboard > 0) & (context == 0)).float(), 1)
        real = judge.items(checkerboard.gather(1, chosen).squeeze(1))
        scores = model.generator.head.scores(model.generator(torch.randn(256, 8), context), context).without(context)
        fake = behaviour_gan.gumbel_one_hot(scores.logits, 1.0) @ judge.items.weight
        d_loss = behaviour_gan.DISCRIMINATOR_LOSSES[loss](judge(context, real), judge(context, fake.detach()))
        if loss == "wasserstein":
            d_loss = d_loss + 10 * behaviour_gan.gradient_penalty(judge, context, real, fake)
        discriminator.zero_grad()
        d_loss.mean().backward()
        discriminator.step()
        fake = behaviour_gan.gumbel_one_hot(scores.logits, 1.0) @ judge.items.weight
        generator.zero_grad()
        behaviour_gan.GENERATOR_LOSSES[loss](judge(context, fake)).mean().backward()
        generator.step()
    contexts = checkerboard[:, :6]
    logits = model.eval().next_logits(contexts, torch.Generator().manual_seed(0))
    assert share_of_own_parity(logits, contexts) > 0.95
