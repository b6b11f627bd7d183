"""DP-SGD: no user moves a sum of gradients by more than a bound, and the noise is as wide as is said."""

from collections.abc import Mapping
from itertools import islice

import numpy as np
import pytest
import torch
from tests.training.conftest import USERS, histories
from torch import Tensor, nn

from recaug.generators.learning import Watch
from recaug.generators.vae import VAE, VAETask
from recaug.training.inputs import Validation
from recaug.training.loop import Batch, ParameterGroup
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.private import CLIP, Chance, Noise, PrivateTask, sampled_users
from recaug.training.worker import Worker

N, CHANCE = 30, Chance(b"secret", "a training")
NONE = torch.zeros(0, 4, dtype=torch.int64)


def private(noise: float = 0.0, worker: Worker | None = None, wild: float = 0.5) -> PrivateTask:
    """A VAE over N items; wild: how far its weights are from their start."""
    torch.manual_seed(0)
    counts = CoVisitation(torch.randint(0, N + 1, (N + 1, 5)), torch.rand(N + 1, 5), window=3, backward=0.1, decay=0.5)
    alike = ItemLikeness(torch.randint(0, N + 1, (N + 1, 5)), torch.rand(N + 1, 5))
    model = BehaviourVAE(N, hidden=8, z_dim=4, dropout=0.3, covisitation=counts, likeness=alike)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=wild)
    watch = Watch(Validation(NONE, NONE, NONE, NONE[:, 0]), True, 0, torch.device("cpu"))
    task = PrivateTask(VAETask(model, VAE(hidden=8, z_dim=4), True, watch), Noise(noise, 6, CHANCE), worker or Worker())
    task.module.train()
    return task


@pytest.fixture
def batch() -> Mapping[str, Tensor]:
    items = torch.randint(1, N + 1, (6, 7), generator=torch.Generator().manual_seed(1))
    items[2, 4:] = 0
    items[3] = 5  # one item again and again
    return {"items": items}


def single(task: PrivateTask, batch: Mapping[str, Tensor]) -> list[list[Tensor]]:
    """Each user's own gradient, one backward pass each."""
    torch.manual_seed(5)
    losses = task.task.losses(batch, 0.5)
    own = [list(torch.autograd.grad(loss, task.parameters, retain_graph=True)) for loss in losses]
    task.watched.clear()
    return own


def length(gradients: list[Tensor]) -> float:
    return float(torch.cat([gradient.flatten() for gradient in gradients]).norm())


def test_the_lengths_are_those_of_single_gradients_and_the_sum_is_of_clipped_ones(batch: Mapping[str, Tensor]) -> None:
    task = private()
    own = single(task, batch)
    torch.manual_seed(5)
    assert task.lengths(task.task.losses(batch, 0.5)).tolist() == pytest.approx([length(g) for g in own], rel=1e-5)
    torch.manual_seed(5)
    total, _ = task.clipped(batch, 0.5)
    for place, summed in enumerate(total):
        clipped = [gradients[place] * min(1.0, CLIP / length(gradients)) for gradients in own]
        assert torch.allclose(summed, torch.stack(clipped).sum(dim=0), atol=1e-5)


def test_every_layer_learns_but_what_has_no_known_length_stays() -> None:
    task = private()
    names = {name for name, parameter in task.module.named_parameters() if not parameter.requires_grad}
    assert len(names) + len(task.parts["model"].parameters) == len(list(task.module.parameters()))
    assert names == {"head.informed.weight", "head.informed.log_floor", "head.informed.log_share"}


class Scaled:
    """A task of one layer: each row's loss is the sum of what comes out, by a factor of the row's own."""

    def __init__(self) -> None:
        self.module = nn.Linear(3, 2)
        self.parts = {"model": ParameterGroup(list(self.module.parameters()), 0.1)}

    def losses(self, batch: Batch, share: float) -> Tensor:
        scaled: Tensor = self.module(batch["x"]).sum(dim=1) * batch["factor"]
        return scaled

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(("factor", "moves"), [(1e12, CLIP), (1e-3, 0.0), (float("inf"), 0.0), (float("nan"), 0.0)])
def test_a_user_moves_the_sum_by_the_bound_at_most_and_not_at_all_without_a_length(factor: float, moves: float) -> None:
    task = PrivateTask(Scaled(), Noise(0.0, 6, CHANCE), Worker())
    x, others = torch.randn(500, 3), torch.rand(499)
    with_it = {"x": x, "factor": torch.cat([others, torch.tensor([factor])])}
    without = {"x": x[:-1], "factor": others}
    sums = [task.clipped(rows, 0.5)[0] for rows in (with_it, without)]
    moved = length([a - b for a, b in zip(*sums, strict=True)])
    assert moved == pytest.approx(moves, abs=0.01)
    assert length(sums[1]) > 10 * CLIP


@pytest.mark.parametrize("size", [1, 2])
def test_the_ranks_noise_together_is_as_wide_as_is_said(size: int) -> None:
    parts = []
    for rank in range(size):
        task = private(7.0, Worker(rank, size))
        (update,) = task.updates({"items": torch.zeros(0, 7, dtype=torch.int64)}, 0.5, 0)  # nobody: noise alone
        parts.append(torch.cat([g.flatten() for g in torch.autograd.grad(update.loss, task.parameters)]))
        assert float(update.weight) == 6 / size
    assert float(torch.stack(parts).sum(dim=0).std()) == pytest.approx(7.0 * CLIP, rel=0.1)
    if size == 2:
        assert abs(float(torch.corrcoef(torch.stack(parts))[0, 1])) < 0.1


def test_every_step_has_noise_of_its_own_and_the_same_training_the_same() -> None:
    nobody = {"items": torch.zeros(0, 7, dtype=torch.int64)}

    def steps(task: PrivateTask, epoch: int) -> list[float]:
        drawn = []
        for _ in range(2):
            (update,) = task.updates(nobody, 0.5, epoch)
            drawn.append(float(torch.autograd.grad(update.loss, task.parameters)[0].flatten()[0]))
        return drawn

    task = private(1.0)
    first, second = steps(task, 0), steps(task, 1)
    assert len({*first, *second}) == 4
    assert steps(private(1.0), 1) == second  # as a training that goes on from a checkpoint


def test_each_user_is_in_a_step_by_chance_and_once(train_files: list[str]) -> None:
    def batches(secret: bytes, worker: Worker) -> list[list[list[int]]]:
        chance = Chance(secret, "a")
        drawn = sampled_users(train_files, ["items", "length"], lambda rows: rows["length"] >= 1, 0.25, chance, worker)
        return [[[item for item in row if item] for row in batch["items"].tolist()] for batch in islice(drawn, 200)]

    drawn = batches(b"s", Worker())
    sizes = [len(batch) for batch in drawn]
    assert np.mean(sizes) == pytest.approx(0.25 * USERS, rel=0.05)
    assert np.var(sizes) == pytest.approx(0.25 * 0.75 * USERS, rel=0.4)  # no fixed number
    known = {tuple(items.tolist()) for items in histories()}
    assert {tuple(row) for batch in drawn for row in batch} == known
    assert batches(b"s", Worker()) == drawn
    assert batches(b"t", Worker()) != drawn
    ranks = [batches(b"s", Worker(rank, 2)) for rank in range(2)]
    assert np.mean([len(a) + len(b) for a, b in zip(*ranks, strict=True)]) == pytest.approx(0.25 * USERS, rel=0.05)
