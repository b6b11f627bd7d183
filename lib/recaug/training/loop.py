"""The one training loop: any number of optimisers, fixed steps per epoch, resumable after every checkpoint."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from recaug.config import Optimiser
from recaug.errors import TrainingError
from recaug.lake.store import Store
from recaug.results import Curve
from recaug.training.best import Best
from recaug.training.checkpoint import Checkpoint, Optimisers, read_checkpoint, restore, save_checkpoint
from recaug.training.progress import Progress
from recaug.training.sparse import clip
from recaug.training.worker import Worker

FAST = 20.0
TABLES = " tables"  # after a part's name: its second optimiser
Batch = Mapping[str, Tensor]


class ParameterGroup(NamedTuple):
    """Parameters with an optimiser of their own.

    fast: those among them whose learning rate is FAST times as high. tables: and those of a sparse gradient, of which
        SparseAdam moves the rows that it holds, without a weight decay.
    epochs: the first in which they learn, from 0, and the first in which they no longer do; None: the training's end.
        The learning rate rises and falls between these two.
    """

    parameters: list[nn.Parameter]
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.98)
    fast: tuple[nn.Parameter, ...] = ()
    epochs: tuple[int, int | None] = (0, None)
    tables: tuple[nn.Parameter, ...] = ()

    def groups(self) -> list[dict[str, Any]]:
        """The optimiser's groups, each with the share of the learning rate that it takes."""
        others = {id(parameter) for parameter in (*self.fast, *self.tables)}
        slow = [parameter for parameter in self.parameters if id(parameter) not in others]
        groups: list[dict[str, Any]] = [{"params": slow, "share": 1.0}]
        return groups + ([{"params": list(self.fast), "share": FAST}] if self.fast else [])


class Update(NamedTuple):
    """One step of one part: a loss summed over the batch, and the weight that it was summed over (scalars)."""

    part: str
    loss: Tensor
    weight: Tensor


class TrainingTask(Protocol):
    """What is trained. module holds all weights; parts name those that are optimised together."""

    module: nn.Module
    parts: Mapping[str, ParameterGroup]

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """Yield the batch's updates in turn; each is applied before the next is asked for.

        share: 0 to 1, how much of the training is done. epoch: from 0.
        """
        ...

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """Metrics after an epoch (from 0; -1: before the first), on rank 0 only, in evaluation mode."""
        ...


class TrainingPlan(NamedTuple):
    """How long a model trains. name: in progress lines. steps_per_epoch: the same on every rank.

    seed: of the noise of every epoch. checkpoint_epochs: a checkpoint every so many. watched: the metric whose best
    epoch is kept, the start among them; None: the last epoch is.
    """

    name: str
    optimiser: Optimiser
    steps_per_epoch: int
    seed: int
    checkpoint_epochs: int
    watched: str | None = None


def fit(task: TrainingTask, batches: Iterator[Batch], worker: Worker, work: Store, plan: TrainingPlan) -> list[Curve]:
    """Train, and leave every rank with the same weights.

    batches: without end, of this rank. work: the working folder, for checkpoints and progress lines (rank 0 writes one
    every second and after every epoch). Goes on from the newest checkpoint there; the weights are then those of
    an uninterrupted training, since random numbers are drawn from (seed, rank, epoch) and batches are skipped.
    Returns a dict an epoch: epoch (from 1; 0 is the start, of a plan that watches a metric), of each part the loss and
    the mean norm of its gradient (before it is clipped), seconds, rows_per_second, of several ranks communication
    (share of the seconds that this rank spent on averaging gradients, waiting for the slowest included), and the task's
    metrics.
    Raises TrainingError if a loss is not finite.
    """
    module, epochs = task.module.to(worker.device), plan.optimiser.epochs
    optimisers = optimisers_of(task, plan.optimiser.weight_decay)
    held = worker.share(read_checkpoint(work) if worker.rank == 0 else b"")  # rank 0's: a file system may lag
    done, curves, kept = restore(held, module, optimisers)
    worker.broadcast(module)
    best = Best(plan.watched, worker, curves, kept)
    if plan.watched is not None and done == 0:
        curves.append(_start(task, worker))
        best.look(curves[0], module)
    progress = Progress(work, plan.name, plan.steps_per_epoch, epochs) if worker.rank == 0 else None
    for _ in range(done * plan.steps_per_epoch):
        next(batches)
    for number in range(done, epochs):
        if best.out_of(plan.optimiser.patience):
            break
        torch.manual_seed(hash((plan.seed, worker.rank, number)))
        curve = Epoch(number, task, optimisers, worker, plan).run(batches, progress)
        curves.append(curve)
        best.look(curve, module)
        if worker.rank == 0 and (number + 1) % plan.checkpoint_epochs == 0 and number + 1 < epochs:
            save_checkpoint(work, Checkpoint(number + 1, curves, best.state), module, optimisers)
    best.restore(module)
    module.eval()
    return curves


def optimisers_of(task: TrainingTask, decay: float) -> Optimisers:
    """AdamW, one a part, and SparseAdam for the tables of a part that has some."""
    optimisers: Optimisers = {}
    for name, part in task.parts.items():
        optimisers[name] = torch.optim.AdamW(part.groups(), part.learning_rate, part.betas, weight_decay=decay)
        if part.tables:
            tables = [{"params": list(part.tables), "share": 1.0}]
            optimisers[name + TABLES] = torch.optim.SparseAdam(tables, part.learning_rate, part.betas)
    return optimisers


def _start(task: TrainingTask, worker: Worker) -> Curve:
    """Measure what the weights are worth before anything was learnt."""
    task.module.eval()
    return {"epoch": 0, **(task.measure(-1, False) if worker.rank == 0 else {})}


class Epoch:
    """One epoch on one rank: updates, and by part what losses and weights add up to and the gradients' mean norm."""

    def __init__(
        self, number: int, task: TrainingTask, optimisers: Optimisers, worker: Worker, plan: TrainingPlan
    ) -> None:
        self.number, self.task, self.optimisers, self.worker, self.plan = number, task, optimisers, worker, plan
        self.sums: dict[str, Tensor] = {}
        self.weights: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.rows, self.communicated = 0, 0.0
        self.started = time.monotonic()

    def run(self, batches: Iterator[Batch], progress: Progress | None) -> Curve:
        """Take the epoch's steps and say what came of them; progress: of rank 0, which measures, too."""
        module, steps = self.task.module, self.plan.steps_per_epoch
        module.train()
        for step in range(self.number * steps, (self.number + 1) * steps):
            self.step(step, next(batches))
            if progress is not None:
                progress.tick(step + 1, self.speed(), self.sums, self.weights)
        curve = self.curve()
        if progress is not None:
            module.eval()
            curve |= self.task.measure(self.number, self.number + 1 == self.plan.optimiser.epochs)
            progress.epoch(curve)
        return curve

    def step(self, step: int, rows: Batch) -> None:
        """Apply the updates of a batch. step: from 0, of the whole training."""
        device = self.worker.device
        batch = {column: values.to(device) for column, values in rows.items()}
        self.rows += len(next(iter(batch.values()))) * self.worker.size
        share = step / (self.plan.optimiser.epochs * self.plan.steps_per_epoch)
        for update in _autocast(self.task.updates(batch, share, self.number), device):
            self._apply(update, step)

    def _apply(self, update: Update, step: int) -> None:
        name, part = update.part, self.task.parts[update.part]
        optimisers = [self.optimisers[own] for own in (name, name + TABLES) if own in self.optimisers]
        for optimiser in optimisers:
            optimiser.zero_grad()
        update.loss.backward()
        before = time.monotonic()
        self.worker.average_gradients(part.parameters, update.weight)
        self.communicated += time.monotonic() - before
        norm = clip(part.parameters, self.plan.optimiser.clip_norm)
        self.gradients[name] = self.gradients.get(name, 0) + norm.detach() / self.plan.steps_per_epoch
        factor = self._factor(part, step)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["share"] * part.learning_rate * factor
            optimiser.step()
        self.sums[name] = self.sums.get(name, 0) + update.loss.detach()
        self.weights[name] = self.weights.get(name, 0) + update.weight.detach()

    def _factor(self, part: ParameterGroup, step: int) -> float:
        """Factor of a part's learning rate, over the epochs in which it learns."""
        first, end = part.epochs[0], self.plan.optimiser.epochs if part.epochs[1] is None else part.epochs[1]
        own_steps = (end - first) * self.plan.steps_per_epoch
        return schedule(step - first * self.plan.steps_per_epoch, own_steps, self.plan.optimiser.warmup_share)

    def speed(self) -> Curve:
        """Rows a second, and of several ranks the share of the time that this one spent on averaging gradients."""
        seconds = time.monotonic() - self.started
        speed = {"rows_per_second": self.rows / seconds}
        return speed | ({"communication": self.communicated / seconds} if self.worker.size > 1 else {})

    def curve(self) -> Curve:
        """What is said of the epoch, losses over all ranks. Raises TrainingError if one is not finite."""
        losses = {
            self._named("loss", part): self.worker.mean({"loss": float(total)}, float(self.weights[part]))["loss"]
            for part, total in sorted(self.sums.items())
        }
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise TrainingError(
                f"{self.plan.name}: {losses} in epoch {self.number + 1} is not finite; lower its learning_rate"
            )
        norms = {self._named("gradient", part): float(norm) for part, norm in sorted(self.gradients.items())}
        seconds = time.monotonic() - self.started
        return {"epoch": self.number + 1, **losses, **norms, "seconds": seconds, **self.speed()}

    def _named(self, what: str, part: str) -> str:
        """`loss` of a model with one part, `loss_<part>` of one with several; other figures alike."""
        return what if len(self.task.parts) == 1 else f"{what}_{part}"


def schedule(step: int, total_steps: int, warmup_share: float) -> float:
    """Factor of the learning rate at a step (from 0): linear warm-up, then half a cosine down to 0."""
    warmup = warmup_share * total_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total_steps - warmup, 1)))


def _autocast(updates: Iterator[Update], device: torch.device) -> Iterator[Update]:
    """Compute each update in bfloat16 where there is a GPU; backward and steps stay outside."""
    while True:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            update = next(updates, None)
        if update is None:
            return
        yield update
