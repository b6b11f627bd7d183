"""The one training loop: any number of optimisers, fixed steps per epoch, resumable after every checkpoint."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from recaug.config import Optimiser
from recaug.errors import TrainingError
from recaug.training.checkpoint import load_checkpoint, save_checkpoint
from recaug.training.worker import Worker

PROGRESS_SECONDS = 1.0
FAST = 20.0
Batch = Mapping[str, Tensor]


class Part(NamedTuple):
    """Parameters with an optimiser of their own.

    fast: those among them that learn FAST times as fast. epochs: the first (from 0) and the one after the last in
    which the part learns, so what its learning rate rises and falls over; None is the end.
    """

    parameters: list[nn.Parameter]
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.98)
    fast: tuple[nn.Parameter, ...] = ()
    epochs: tuple[int, int | None] = (0, None)

    def groups(self) -> list[dict[str, Any]]:
        """The optimiser's groups, each with the share of the learning rate that it takes."""
        fast = {id(parameter) for parameter in self.fast}
        slow = [parameter for parameter in self.parameters if id(parameter) not in fast]
        groups: list[dict[str, Any]] = [{"params": slow, "share": 1.0}]
        return groups + ([{"params": list(self.fast), "share": FAST}] if fast else [])


class Update(NamedTuple):
    """One step of one part: a loss summed over the batch, and the weight that it was summed over (scalars)."""

    part: str
    loss: Tensor
    weight: Tensor


class Task(Protocol):
    """What is trained. module holds all weights; parts name those that are optimised together."""

    module: nn.Module
    parts: Mapping[str, Part]

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """Yield the batch's updates in turn; each is applied before the next is asked for.

        share: 0 to 1, how much of the training is done. epoch: from 0.
        """
        ...

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Metrics after an epoch (from 0), on rank 0 only, in evaluation mode."""
        ...


def fit(
    task: Task,
    batches: Iterator[Batch],
    worker: Worker,
    *,
    work: Path,
    name: str,
    optimiser: Optimiser,
    steps_per_epoch: int,
    seed: int,
    checkpoint_epochs: int,
) -> list[dict[str, float]]:
    """Train, and leave every rank with the same weights.

    batches: without end, of this rank. work: the working folder, for checkpoints and progress.jsonl (rank 0 writes a
    line every second and after every epoch). Goes on from the newest checkpoint there; the weights are then those of
    an uninterrupted training, since random numbers are drawn from (seed, rank, epoch) and batches are skipped.
    Returns a dict an epoch: epoch (from 1), of each part the loss and the mean norm of its gradient (before it is
    clipped), seconds, rows_per_second, of several ranks communication (share of the seconds that this rank spent on
    averaging gradients, waiting for the slowest included), and the task's metrics.
    Raises TrainingError if a loss is not finite.
    """
    module = task.module.to(worker.device)
    optimisers: dict[str, torch.optim.Optimizer] = {
        part: torch.optim.AdamW(of.groups(), lr=of.learning_rate, betas=of.betas, weight_decay=optimiser.weight_decay)
        for part, of in task.parts.items()
    }
    done, curves = load_checkpoint(work, module, optimisers)
    worker.broadcast(module)
    progress = Progress(work, name, steps_per_epoch, optimiser.epochs) if worker.rank == 0 else None
    for _ in range(done * steps_per_epoch):
        next(batches)
    total_steps = optimiser.epochs * steps_per_epoch
    for epoch in range(done, optimiser.epochs):
        torch.manual_seed(hash((seed, worker.rank, epoch)))
        module.train()
        started = time.monotonic()
        sums: dict[str, Tensor] = {}
        weights: dict[str, Tensor] = {}
        gradients: dict[str, Tensor] = {}
        rows, communicated = 0, 0.0
        for step in range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch):
            batch = {column: values.to(worker.device) for column, values in next(batches).items()}
            rows += len(next(iter(batch.values()))) * worker.size
            for update in _autocast(task.updates(batch, step / total_steps, epoch), worker.device):
                part = task.parts[update.part]
                first, end = part.epochs[0], optimiser.epochs if part.epochs[1] is None else part.epochs[1]
                own_step, own_steps = step - first * steps_per_epoch, (end - first) * steps_per_epoch
                optimisers[update.part].zero_grad()
                update.loss.backward()
                before = time.monotonic()
                worker.average_gradients(part.parameters, update.weight)
                communicated += time.monotonic() - before
                norm = nn.utils.clip_grad_norm_(part.parameters, optimiser.clip_norm)
                gradients[update.part] = gradients.get(update.part, 0) + norm.detach() / steps_per_epoch
                for group in optimisers[update.part].param_groups:
                    group["lr"] = (
                        group["share"] * part.learning_rate * schedule(own_step, own_steps, optimiser.warmup_share)
                    )
                optimisers[update.part].step()
                sums[update.part] = sums.get(update.part, 0) + update.loss.detach()
                weights[update.part] = weights.get(update.part, 0) + update.weight.detach()
            if progress is not None:
                progress.tick(step + 1, _speed(rows, time.monotonic() - started, communicated, worker), sums, weights)
        losses = {
            _named("loss", part, task): worker.mean({"loss": float(sums[part])}, float(weights[part]))["loss"]
            for part in sorted(sums)
        }
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise TrainingError(f"{name}: {losses} in epoch {epoch + 1} is not finite; lower its learning_rate")
        seconds = time.monotonic() - started
        norms = {_named("gradient", part, task): float(gradients[part]) for part in sorted(gradients)}
        speed = _speed(rows, seconds, communicated, worker)
        curve = {"epoch": epoch + 1, **losses, **norms, "seconds": seconds, **speed}
        if progress is not None:
            module.eval()
            curve |= task.measure(epoch, epoch + 1 == optimiser.epochs)
            progress.epoch(curve)
        curves.append(curve)
        if worker.rank == 0 and (epoch + 1) % checkpoint_epochs == 0 and epoch + 1 < optimiser.epochs:
            save_checkpoint(work, epoch + 1, module, optimisers, curves)
    module.eval()
    return curves


def schedule(step: int, total_steps: int, warmup_share: float) -> float:
    """Factor of the learning rate at a step (from 0): linear warm-up, then half a cosine down to 0."""
    warmup = warmup_share * total_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total_steps - warmup, 1)))


class Progress:
    """Lines of JSON for whoever watches: a line a second with `step`, a line an epoch with its curve."""

    def __init__(self, work: Path, name: str, steps_per_epoch: int, epochs: int) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.file, self.name = work / "progress.jsonl", name
        self.steps_per_epoch, self.steps = steps_per_epoch, steps_per_epoch * epochs
        self.last = time.monotonic()

    def tick(
        self, step: int, speed: Mapping[str, float], sums: Mapping[str, Tensor], weights: Mapping[str, Tensor]
    ) -> None:
        """Write a line if the last one is old enough."""
        if time.monotonic() - self.last < PROGRESS_SECONDS:
            return
        losses = {part: float(sums[part]) / max(float(weights[part]), 1e-9) for part in sums}
        self._write({"step": step, "losses": losses, **speed})

    def epoch(self, curve: Mapping[str, float]) -> None:
        """Write an epoch's curve."""
        self._write({"step": int(curve["epoch"]) * self.steps_per_epoch, "curve": curve})

    def _write(self, line: Mapping[str, Any]) -> None:
        self.last = time.monotonic()
        with self.file.open("a") as file:
            file.write(json.dumps({"name": self.name, "steps": self.steps, **line}) + "\n")


def _autocast(updates: Iterator[Update], device: torch.device) -> Iterator[Update]:
    """Compute each update in bfloat16 where there is a GPU; backward and steps stay outside."""
    while True:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            update = next(updates, None)
        if update is None:
            return
        yield update


def _speed(rows: int, seconds: float, communicated: float, worker: Worker) -> dict[str, float]:
    """Rows a second, and of several ranks the share of the time that this one spent on averaging gradients."""
    speed = {"rows_per_second": rows / seconds}
    return speed | ({"communication": communicated / seconds} if worker.size > 1 else {})


def _named(what: str, part: str, task: Task) -> str:
    """`loss` of a model with one part, `loss_<part>` of one with several; other figures alike."""
    return what if len(task.parts) == 1 else f"{what}_{part}"
