"""Training with differential privacy (DP-SGD, Abadi et al. 2016): no user moves the weights by more than a bound.

A step takes each user by chance (Poisson sampling, which the accountant asks for), clips the user's own gradient to a
length of CLIP, and adds noise to the sum. The lengths of single gradients come from what goes into and out of the
layers (Goodfellow 2015; Lee and Kifer 2021), so that no gradient of a single user is ever held. All chance comes from a
secret: who could draw the noise again would take it off. It is drawn by numpy and torch, whose generators are no
cryptography.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from recaug.training.batches import Keep, decode
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models.context import Bag
from recaug.training.readers import reader as reader_of
from recaug.training.worker import Worker

CLIP = 1.0  # length of a user's gradient at most
ROWS = 256  # users whose gradients are summed at once: memory is theirs times the catalogue


class LossesTask(Protocol):
    """What is trained: one part, whose loss is a sum over users, of whom each is seen alone."""

    module: nn.Module
    parts: Mapping[str, ParameterGroup]

    def losses(self, batch: Batch, share: float) -> Tensor:
        """Give each row's loss, (rows,), which knows nothing of the other rows."""
        ...

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """As of TrainingTask."""
        ...


@dataclass(frozen=True)
class Chance:
    """Random numbers that a secret decides. training: names the data and all that decides the weights."""

    secret: bytes = field(repr=False)
    training: str

    def of(self, *use: object) -> np.random.Generator:
        """Give numbers of their own to each use."""
        name = "\x1f".join(map(str, (self.training, *use))).encode()
        key = hmac.digest(self.secret, name, hashlib.sha256)[:16]
        return np.random.Generator(np.random.Philox(key=np.frombuffer(key, "<u8")))


class Noise(NamedTuple):
    """noise: standard deviation on the sum of gradients, by CLIP. users: of a step, in expectation, over all ranks."""

    noise: float
    users: int
    chance: Chance


class PrivateTask:
    """A task whose updates are sums of clipped gradients with noise.

    Only layers of LENGTHS learn; other parameters stay as they are.
    """

    def __init__(self, task: LossesTask, noise: Noise, worker: Worker) -> None:
        self.task, self.noise, self.worker, self.module = task, noise, worker, task.module
        self.watched: list[Watched] = []
        ((self.part, group),) = task.parts.items()
        self.parameters = _with_lengths(self.module, self.watched)
        for parameter in self.module.parameters():
            parameter.requires_grad_(any(parameter is learnt for learnt in self.parameters))
        self.parts: Mapping[str, ParameterGroup] = {
            self.part: group._replace(parameters=self.parameters, fast=(), tables=())
        }
        self.epoch, self.step = -1, 0

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update: its gradient is that of the noisy sum, its value the users' loss."""
        self.step = self.step + 1 if epoch == self.epoch else 0
        self.epoch = epoch
        chance = self.noise.chance.of("step", epoch, self.step, self.worker.rank)
        torch.manual_seed(int(chance.integers(2**63)))
        with torch.autocast(self.worker.device.type, enabled=False):  # a length in bfloat16 would be no bound
            total, loss = self.clipped(batch, share)
            deviation = self.noise.noise * CLIP / self.worker.size**0.5
            for gradient in total:
                drawn = chance.standard_normal(tuple(gradient.shape), dtype=np.float32)
                gradient.add_(torch.from_numpy(drawn).to(gradient.device), alpha=deviation)
            pairs = zip(total, self.parameters, strict=True)
            noisy = torch.stack([(gradient * parameter).sum() for gradient, parameter in pairs]).sum()
        users = torch.tensor(self.noise.users / self.worker.size, device=loss.device)
        yield Update(self.part, noisy - noisy.detach() + loss, users)

    def clipped(self, batch: Batch, share: float) -> tuple[list[Tensor], Tensor]:
        """Sum the users' clipped gradients, by parameter, and their losses (scalar).

        A user whose gradient is not finite adds nothing, for no factor would bound it.
        """
        total = [torch.zeros_like(parameter) for parameter in self.parameters]
        loss = torch.zeros((), device=self.worker.device)
        for start in range(0, len(next(iter(batch.values()))), ROWS):
            seen = self._seen({name: rows[start : start + ROWS] for name, rows in batch.items()}, share)
            if seen is None:
                continue
            losses, lengths = seen
            factors = (CLIP / lengths.clamp(min=1e-12)).clamp(max=1.0)
            gradients = torch.autograd.grad((factors * losses).sum(), self.parameters)
            for summed, gradient in zip(total, gradients, strict=True):
                summed.add_(gradient)
            loss += losses.detach().sum()
        return total, loss

    def _seen(self, rows: Batch, share: float) -> tuple[Tensor, Tensor] | None:
        """Losses and their gradients' lengths, (rows,), of those of a finite length; None where there is no such."""
        while len(next(iter(rows.values()))):
            losses = self.task.losses(rows, share)
            lengths = self.lengths(losses)
            finite = lengths.isfinite()
            if finite.all():
                return losses, lengths
            rows = {name: values[finite] for name, values in rows.items()}
        return None

    def lengths(self, losses: Tensor) -> Tensor:
        """Length of each row's gradient: (rows,)."""
        watched, self.watched[:] = list(self.watched), []
        assert len({id(each.layer) for each in watched}) == len(watched), "a layer that is used twice adds up"
        out = torch.autograd.grad(losses.sum(), [each.output for each in watched], retain_graph=True)
        squares = [
            LENGTHS[type(each.layer)](each, gradient.square().sum(dim=1))
            for each, gradient in zip(watched, out, strict=True)
        ]
        return torch.stack(squares).sum(dim=0).sqrt().detach()

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """As of the task; none of it decides anything."""
        measured = self.task.measure(epoch, last)
        self.watched.clear()
        return measured


class Watched(NamedTuple):
    """What went into a layer, and what came out: (rows, width)."""

    layer: nn.Module
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    output: Tensor


def _linear(seen: Watched, squares: Tensor) -> Tensor:
    """Weights: input times gradient of the output, whose length is the product of theirs; bias: the gradient itself."""
    return (seen.arguments[0].square().sum(dim=1) + 1.0) * squares


def _embedding_bag(seen: Watched, squares: Tensor) -> Tensor:
    """Each item's row: the gradient of the sum by the item's weight, for a row's items are distinct."""
    return seen.keywords["per_sample_weights"].square().sum(dim=1) * squares


def _bias(seen: Watched, squares: Tensor) -> Tensor:
    """A bias of a Bag; its embedding is a layer of its own."""
    return squares


Length = Callable[[Watched, Tensor], Tensor]  # of a row's gradient, squared, by that of the output's gradient
LENGTHS: Mapping[type[nn.Module], Length] = {nn.Linear: _linear, nn.EmbeddingBag: _embedding_bag, Bag: _bias}


def _with_lengths(module: nn.Module, watched: list[Watched]) -> list[nn.Parameter]:
    """Watch the layers whose gradients' lengths are known, and give their parameters."""

    def watch(layer: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Tensor) -> None:
        if torch.is_grad_enabled():
            watched.append(Watched(layer, arguments, keywords, output))

    parameters: list[nn.Parameter] = []
    for layer in module.modules():
        if type(layer) in LENGTHS:
            layer.register_forward_hook(watch, with_kwargs=True)
            parameters += layer.parameters(recurse=False)
    return parameters


def sampled_users(
    files: Sequence[str], columns: Sequence[str], keep: Keep, rate: float, chance: Chance, worker: Worker
) -> Iterator[dict[str, Tensor]]:
    """Batches without end, of each of this rank's rows by chance: the columns that are kept, one row a user.

    columns: the first is given, the others are for `keep` alone. All of the rank's rows are held in memory.
    """
    kept = []
    for raw in reader_of(worker.reader)(files, columns, worker.rank, worker.size, 1):
        group = {name: decode(name, values) for name, values in raw.items()}
        kept.append(group[columns[0]][keep(group)].astype(np.int32))
    rows, random = np.concatenate(kept), chance.of("sample", worker.rank)
    while True:
        yield {columns[0]: torch.from_numpy(rows[random.random(len(rows)) < rate].astype(np.int64))}
