"""Behaviour diffusion: a little noise on the bag of a user's items, and a denoiser that says what the bag will hold."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recaug.training.models.context import Bag, distinct
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.item_head import ItemHead
from recaug.training.models.network import Network

STEP_FREQUENCIES = 5  # of the sinusoids that tell the denoiser its step
LONGEST_PERIOD = 10_000.0


class Schedule(NamedTuple):
    """How much of the bag is left after each step, alpha-bar of Ho et al. (2020): kept is (steps + 1,), 1 at step 0."""

    kept: Tensor

    @property
    def steps(self) -> int:
        """Number of steps; they count from 1."""
        return len(self.kept) - 1

    def noisy(self, x_0: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """x_t of q(x_t | x_0) = N(sqrt(alpha-bar) x_0, 1 - alpha-bar). x_0, noise: (batch, dim); step: (batch,)."""
        kept = self.kept.to(x_0.device)[step][:, None]
        return kept.sqrt() * x_0 + (1 - kept).sqrt() * noise

    def posterior(self, step: int) -> tuple[float, float, float]:
        """q(x_{t-1} | x_t, x_0): the factors of x_0 and x_t in its mean, and its variance (Ho et al. 2020, eq. 7)."""
        before, now = self.kept[step - 1].double(), self.kept[step].double()
        beta = 1 - now / before
        of_start = before.sqrt() * beta / (1 - now)
        of_noisy = (1 - beta).sqrt() * (1 - before) / (1 - now)
        return float(of_start), float(of_noisy), float(beta * (1 - before) / (1 - now))

    def chances(self) -> Tensor:
        """Of each step to be trained: its weight in the ELBO, SNR(t - 1) - SNR(t) (Wang et al. 2023, equation 11).

        A step that is drawn in proportion to its weight needs none in the loss. The first one's weight has no
        bound, and counts as the second's. Returns (steps,), of sum 1.
        """
        ratio = self.kept / (1 - self.kept)
        weights = ratio[:-1] - ratio[1:]
        weights[0] = weights[1] if self.steps > 1 else 1.0
        return weights / weights.sum()


def linear_variance(steps: int, first: float, last: float) -> Schedule:
    """Noise whose variance 1 - alpha-bar rises linearly from step 1 to the last (Wang et al. 2023, equation 5).

    first, last: above 0 and below 1; a schedule of one step has the first. Computed in double precision.
    """
    variances = torch.linspace(first, last, steps, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), 1 - variances]).float())


class BehaviourDiffusion(Network):
    """DiffRec (Wang et al. 2023): the bag x_0 of a user's items, noise upon it, and a denoiser that predicts x_0.

    Both lie in the space of items. The bag has length one, and so has the noise of a whole catalogue: its variance is
    that of the schedule over n_items, so that the same schedule suits any catalogue. The denoiser sees them through its
    first layer alone, which is linear: there x_t is a sum of embeddings and a product with the noise, and no bag as
    wide as the catalogue is made.

    Its output is not x_0, as in the paper, but the logits of a multinomial over the items of x_0: an x_0 by squared
    errors gives nothing to sample from. It is trained by the likelihood of what is to come after the context and, half
    as much, of the whole bag. On MovieLens-100K (users of the other fold, ten events to come, 40 epochs, hidden 200,
    step 0.003, two seeds) NDCG@10 of sampled logits is .144 so, .136 from what is to come alone, .141 by squared
    errors, and .115 of the VAE (.124 of its mean); informed by the counts .156, .144 and, of the VAE, .132 (.140).

    In the reverse process x_0 is what it is expected to be: the context, which is known, with the predicted items, as
    many as the context has, by their chance. Each step of it costs some of the ranking (.144 after one, .134 after
    five), so that it starts from sampling_steps, not from the last.

    steps, first_noise, last_noise: see linear_variance. sampling_steps: of the noise that is added and removed again.
    covisitation, likeness, log_popularity: see ItemHead.
    """

    def __init__(
        self,
        n_items: int,
        *,
        hidden: int,
        dropout: float,
        steps: int,
        first_noise: float,
        last_noise: float,
        sampling_steps: int,
        covisitation: CoVisitation | None = None,
        likeness: ItemLikeness | None = None,
        log_popularity: Tensor | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= sampling_steps <= steps:
            raise ValueError(f"sampling_steps {sampling_steps} is not between 1 and the {steps} steps")
        self.n_items, self.sampling_steps = n_items, sampling_steps
        self.schedule = linear_variance(steps, first_noise, last_noise)
        self.bag = Bag(n_items, hidden, dropout)
        self.step = nn.Linear(2 * STEP_FREQUENCIES, hidden)
        self.head = ItemHead(n_items, hidden, covisitation, likeness, log_popularity)

    def noise(self, batch: int, random: torch.Generator | None = None) -> Tensor:
        """Noise of expected length one in the space of items, as the first layer sees it. Returns (batch, hidden)."""
        weight = self.bag.embedding.weight
        device = weight.device if random is None else random.device
        drawn = torch.randn(batch, self.n_items + 1, generator=random, device=device).to(weight.device)
        drawn[:, 0] = 0
        return drawn @ weight / math.sqrt(self.n_items)

    def denoise(self, seen: Tensor, step: Tensor, counted: Tensor | float) -> Tensor:
        """Logits of the items of x_0, from x_t. seen: (batch, hidden), x_t through the first layer; step: (batch,).

        counted: (batch, n_items + 1), the informed term. Returns (batch, n_items + 1), -inf at padding.
        """
        logits: Tensor = self.head(torch.tanh(seen + self.step(step_embedding(step))), counted)
        return logits

    def forward(self, context: Tensor, history: Tensor, step: Tensor) -> Tensor:
        """The training pass, with fresh noise. context, history: (batch, length), see CoVisitation; step: (batch,).

        Returns logits (batch, n_items + 1), -inf at padding.
        """
        counted = self.head.counted(context, history)
        return self.denoise(self.schedule.noisy(self.bag(context), self.noise(len(context)), step), step, counted)

    @torch.no_grad()
    def next_logits(self, items: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Logits of the next item of each context, with noise added and removed, or none of it without a generator.

        items: (batch, length) int64 left-aligned, 0 for padding. Returns (batch, n_items + 1), -inf at padding.
        """
        known = self.bag(items)
        counted = self.head.counted(items)

        def noise() -> Tensor:
            return torch.zeros_like(known) if random is None else self.noise(len(items), random)

        step = torch.full((len(items),), self.sampling_steps, device=items.device)
        seen = self.schedule.noisy(known, noise(), step)
        for number in range(self.sampling_steps, 1, -1):
            logits = self.denoise(seen, step, counted)
            of_start, of_noisy, variance = self.schedule.posterior(number)
            mean = of_start * self._expected(items, known, logits) + of_noisy * seen
            seen, step = mean + math.sqrt(variance) * noise(), step - 1
        return self.denoise(seen, step, counted)

    def _expected(self, items: Tensor, known: Tensor, logits: Tensor) -> Tensor:
        """The bag of the context with as many predicted items, scaled to length one, through the first layer.

        items: (batch, length); known: (batch, hidden), their bag; logits: (batch, n_items + 1).
        Returns (batch, hidden).
        """
        size = (distinct(items) > 0).sum(dim=1, keepdim=True)
        chances = torch.softmax(logits.scatter(1, items, -torch.inf), dim=1).nan_to_num() * size.sqrt()
        length = (1 + chances.square().sum(dim=1, keepdim=True)).sqrt()
        return (known - self.bag.bias + chances @ self.bag.embedding.weight) / length + self.bag.bias


def step_embedding(step: Tensor) -> Tensor:
    """Sinusoids of the step's number (Vaswani et al. 2017). step: (batch,). Returns (batch, 2 * STEP_FREQUENCIES)."""
    exponents = torch.arange(STEP_FREQUENCIES, device=step.device) / STEP_FREQUENCIES
    angles = step[:, None] * LONGEST_PERIOD**-exponents
    return torch.cat([angles.cos(), angles.sin()], dim=1)
