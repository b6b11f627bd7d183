"""What privacy is spent: the accountant's own figures, and the least noise that does."""

import sys

import msgspec
import pytest
from opacus.accountants import RDPAccountant

from recaug.config import Privacy
from recaug.errors import ConfigError
from recaug.generators.accounting import Gaussian, Sampling, check_accountant, epsilon_of, plan, together

VAE = {"vae": Sampling(0.05, 100)}


def privacy(epsilon: float, delta: float = 1e-5) -> Privacy:
    return msgspec.convert({"epsilon": epsilon, "delta": delta, "key": {"env": "RECAUG_KEY"}}, Privacy)


def test_the_figure_is_the_accountants_step_by_step() -> None:
    library = RDPAccountant()
    library.step(noise_multiplier=2.0, sample_rate=1.0)
    for _ in range(30):
        library.step(noise_multiplier=1.1, sample_rate=0.02)
    ours = epsilon_of([Gaussian(2.0), Gaussian(1.1, 0.02, 30)], 1e-5)
    assert ours == pytest.approx(library.get_epsilon(1e-5), rel=1e-3)
    assert ours < epsilon_of([Gaussian(2.0), Gaussian(1.1, 0.02, 31)], 1e-5)


@pytest.mark.parametrize("networks", [{}, VAE], ids=["counts", "counts and a network"])
def test_the_noise_is_the_least_that_spends_no_more_than_is_asked_for(networks: dict[str, Sampling]) -> None:
    small, large = plan(privacy(1.0), networks), plan(privacy(8.0), networks)
    for asked, planned in ((1.0, small), (8.0, large)):
        assert 0.99 * asked < planned.spent.epsilon <= asked
        assert planned.spent.delta == 1e-5
        assert len(planned.spent.mechanisms) == 1 + len(networks)
    assert small.counts > large.counts
    assert (small.training is None) == (not networks)
    # half of delta is for pairs of one user alone
    assert small.spent.epsilon == pytest.approx(epsilon_of([Gaussian(*m) for m in small.spent.mechanisms], 5e-6))


def test_two_releases_spend_more_than_one_and_less_than_twice() -> None:
    spent = plan(privacy(4.0), VAE).spent
    both = together([spent, spent])
    assert spent.epsilon < both.epsilon < 2 * spent.epsilon
    assert both.delta == pytest.approx(1.5e-5)  # the threshold's half for each


def test_what_cannot_be_done_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"privacy.epsilon 1e-05 .* wants endless noise; raise one"):
        plan(privacy(1e-5), {})
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)  # as where it is not installed
    check_accountant(Privacy())
    with pytest.raises(ConfigError, match=r"needs opacus.*pip install 'recaug\[dp\]'"):
        check_accountant(privacy(1.0))
