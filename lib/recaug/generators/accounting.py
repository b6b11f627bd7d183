"""What privacy is spent: Gaussian mechanisms, with and without sampling, added up by the accountant of Opacus.

Its Renyi accountant (Mironov 2017; Mironov, Talwar and Zhang 2019) gives an upper bound of epsilon, which is a little
above the exact one.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recaug.config import Privacy
from recaug.errors import ConfigError
from recaug.results import Spent

ORDERS = [*(1 + tenth / 10 for tenth in range(1, 100)), *range(11, 64), 80, 128, 256]  # of Renyi divergence
MOST_NOISE = 1e5  # times what a user adds; of more nothing would be left
CLOSE = 1.003  # how near the noise is to the least that does
COUNTS = 0.5  # of epsilon that is for the counts where networks are trained, too
PAIRS = 0.8  # of what the counts spend, that is for pairs; the rest is for items


class Gaussian(NamedTuple):
    """Noise on a sum of what users add. noise: standard deviation by the most that one user adds (L2).

    rate: each user's chance to be in a step's sample, by itself (Poisson sampling); 1: all are. steps: so many sums.
    """

    noise: float
    rate: float = 1.0
    steps: int = 1


class Sampling(NamedTuple):
    """How a network will be trained: each user's chance to be in a step's sample, and steps."""

    rate: float
    steps: int


class Plan(NamedTuple):
    """How much noise there is. counts: on the counts. training: on each network's gradients; None: none is trained."""

    counts: float
    training: float | None
    spent: Spent


def plan(privacy: Privacy, networks: Mapping[str, Sampling]) -> Plan:
    """Find the least noise with which the counts and the networks that start from them spend privacy.epsilon.

    networks: by generator. Half of delta is for what the noise may give away, half for pairs of one user alone.
    Raises ConfigError where Opacus is not there, or no noise does.
    """
    epsilon, delta = privacy.epsilon, privacy.delta / 2
    assert epsilon is not None
    counts = Gaussian(_least(epsilon * (COUNTS if networks else 1.0), delta, [], []))
    training = _least(epsilon, delta, list(networks.values()), [counts]) if networks else None
    noisy = [Gaussian(training or 0.0, *sampling) for sampling in networks.values()]
    spent = Spent(
        epsilon=epsilon_of([counts, *noisy], delta),
        delta=privacy.delta,
        mechanisms=[tuple(mechanism) for mechanism in (counts, *noisy)],
    )
    return Plan(counts.noise, training, spent)


def together(releases: Sequence[Spent]) -> Spent:
    """Add up what several releases have spent of the same users."""
    mechanisms = [mechanism for spent in releases for mechanism in spent.mechanisms]
    delta = sum(spent.delta / 2 for spent in releases)
    epsilon = epsilon_of([Gaussian(*mechanism) for mechanism in mechanisms], releases[0].delta / 2)
    return Spent(epsilon=epsilon, delta=releases[0].delta / 2 + delta, mechanisms=mechanisms)


def epsilon_of(mechanisms: Sequence[Gaussian], delta: float) -> float:
    """Add up mechanisms on the same users. Raises ConfigError where Opacus is not there."""
    accountant = _accountant()()
    accountant.history = [(each.noise, each.rate, each.steps) for each in mechanisms]
    with warnings.catch_warnings():  # of an order at the end of ORDERS: the bound holds, a better one might be found
        warnings.filterwarnings("ignore", category=UserWarning, module=r"opacus\b")
        return float(accountant.get_epsilon(delta, alphas=ORDERS))


def check_accountant(privacy: Privacy) -> None:
    """Raise ConfigError where privacy.epsilon is set and Opacus, which adds up what is spent, is not there."""
    if privacy.epsilon is not None:
        _accountant()


def _least(epsilon: float, delta: float, networks: Sequence[Sampling], beside: Sequence[Gaussian]) -> float:
    """Find the least noise of the networks, or of one sum of all users where there are none, by halving."""
    asked = networks or [Sampling(1.0, 1)]

    def enough(noise: float) -> bool:
        return epsilon_of([*beside, *(Gaussian(noise, *each) for each in asked)], delta) <= epsilon

    low, high = 0.2, MOST_NOISE
    if not enough(high):
        raise ConfigError(
            f"privacy.epsilon {epsilon:g} with privacy.delta {2 * delta:g} wants endless noise; raise one"
        )
    while high / low > CLOSE:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _accountant() -> type:
    try:
        from opacus.accountants import RDPAccountant  # an extra of its own: few nights want it, and no runtime has it
    except ImportError as error:
        raise ConfigError(
            "privacy.epsilon needs opacus, which adds up what is spent: pip install 'recaug[dp]', or set it to null"
        ) from error
    accountant: type = RDPAccountant
    return accountant
