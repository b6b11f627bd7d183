"""What generated events and training rows cost as the catalogue grows: scored as a whole, and by candidates.

PYTHONPATH=. .venv/bin/python -m tests.bench.catalogue --items 10000 100000 1000000

Models of the right shape that have learnt nothing: 100 neighbours an item, hidden 200, 64 latent dimensions, informed
by the counts. Items, of users' histories and among neighbours, are drawn by a power law. One process of one thread
draws continuations as a Spark task does, and learns as one rank does; the two ways in turn, so that what else the
machine does falls on both alike.
"""

import argparse
import datetime as dt
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recaug.generators.base import DrawContinuations, Model, Request
from recaug.generators.counts import LeaveOneOut
from recaug.generators.histories import Histories
from recaug.generators.learning import Watch
from recaug.generators.samplers import Continuing, NetworkModel
from recaug.generators.vae import VAE
from recaug.training.inputs import Validation
from recaug.training.loop import Epoch, TrainingPlan, optimisers_of
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.counts import CountsGenerator
from recaug.training.models.covisitation import CoVisitation
from recaug.training.worker import Worker

NEIGHBOURS, EVENTS, LENGTH = 100, 60, 50  # of an item; of a user; of a context, at most
POWER = 3.0  # of a uniform number: item popularity falls with the rank to the power of 1 / POWER - 1
ENTRY = VAE()
WAYS = ("whole", "candidates")
Rates = dict[str, tuple[float, ...]]  # by way: of the wall, of the processor


class Catalogue(NamedTuple):
    """A made catalogue of items. popularity: its logarithm."""

    items: int
    counts: CoVisitation
    popularity: Tensor

    @classmethod
    def of(cls, items: int) -> "Catalogue":
        """Draw neighbours by popularity."""
        torch.manual_seed(0)
        near, weights = drawn(items, items + 1, NEIGHBOURS), torch.rand(items + 1, NEIGHBOURS)
        near[0], weights[0] = 0, 0
        counts = CoVisitation(near, weights.sort(dim=1, descending=True).values, window=50, backward=1.0, decay=0.95)
        rank = torch.arange(items + 1).double().clamp(min=1)
        return cls(items, counts, ((1 / POWER - 1) * rank.log()).float())

    def vae(self, way: str) -> BehaviourVAE:
        """A VAE that has learnt nothing."""
        arguments = ENTRY.arguments() | {"full_softmax_items": self._bound(way)}
        return BehaviourVAE(self.items, **arguments, covisitation=self.counts, log_popularity=self.popularity)

    def by_counts(self, way: str) -> CountsGenerator:
        """The counts as a generator."""
        return CountsGenerator(self.counts, share=0.0, whole=self._bound(way))

    def _bound(self, way: str) -> int:
        return self.items if way == "whole" else 0


def drawn(items: int, *shape: int) -> Tensor:
    """Items by a power law, int64."""
    return 1 + (items * torch.rand(shape) ** POWER).long().clamp(max=items - 1)


def histories(items: int, users: int) -> Histories:
    """Users of EVENTS events each."""
    n = users * EVENTS
    return Histories(
        np.array([f"u{user}" for user in range(users)], dtype=object),
        np.zeros(users, dtype=np.int64),
        np.arange(0, n + 1, EVENTS),
        drawn(items, n).numpy(),
        np.arange(n),
        np.array([f"e{event}" for event in range(n)], dtype=object),
    )


def sampling(model: Model, continuations: int, own: Histories) -> Callable[[], int]:
    """Draw continuations of every event."""
    request = Request("bench", 1, dt.date(2024, 1, 1), LENGTH, discovery=True, batch_rows=128)
    sampler = Continuing(model, DrawContinuations(continuations=continuations))

    def work() -> int:
        with torch.inference_mode():
            return sum(map(len, sampler.draw(own, 0, request, torch.Generator().manual_seed(1))))

    return work


def training(vae: BehaviourVAE, steps: int) -> Callable[[], int]:
    """Take steps of batches as a rank does."""
    nobody = torch.zeros(0, LENGTH, dtype=torch.int64)
    validation = Validation(nobody, nobody, nobody, nobody[:, 0])
    task = ENTRY.task(vae, True, Watch(validation, True, 1, torch.device("cpu")))
    plan = TrainingPlan("bench", ENTRY.optimiser, steps, 1, 1)
    epoch = Epoch(0, task, optimisers_of(task, plan.optimiser.weight_decay), Worker(), plan)
    vae.train()

    def work() -> int:
        rows = 0
        for step in range(steps):
            batch = {"items": drawn(vae.head.output.out_features - 1, plan.optimiser.batch_rows, LENGTH)}
            epoch.step(step, batch)
            rows += len(batch["items"])
        return rows

    return work


def rates(works: dict[str, Callable[[], int]], repeats: int) -> Rates:
    """Medians a second of each, of the wall and of the processor, after a warm-up, in turn."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in works}
    for _ in range(repeats + 1):
        for way, work in works.items():
            wall, processor = time.perf_counter(), time.process_time()
            done = work()
            found[way].append((done / (time.perf_counter() - wall), done / (time.process_time() - processor)))
    return {way: tuple(map(statistics.median, zip(*runs[1:], strict=True))) for way, runs in found.items()}


def measured(items: int, given: argparse.Namespace) -> Iterator[tuple[str, Rates]]:
    """Rates of a catalogue's benches, by way."""
    catalogue = Catalogue.of(items)
    users = {"whole": max(given.users * 10_000 // items, 4), "candidates": given.users}
    own = {way: histories(items, users[way]) for way in WAYS}
    both = [way for way in WAYS if way == "candidates" or items <= given.whole_items]
    counts = {way: LeaveOneOut(catalogue.by_counts(way)) for way in both}
    yield "counts: events", rates({way: sampling(counts[way], 8, own[way]) for way in both}, given.repeats)
    for name, continuations in (("VAE: events, 2 a context", 2), ("VAE: events, 8 a context", 8)):
        vaes = {way: NetworkModel(catalogue.vae(way).eval()) for way in both}
        yield name, rates({way: sampling(vaes[way], continuations, own[way]) for way in both}, given.repeats)
        del vaes
    steps = {"whole": 2, "candidates": given.steps}
    for way in (way for way in WAYS if way == "candidates" or items <= given.whole_training):
        yield "VAE: training rows", rates({way: training(catalogue.vae(way), steps[way])}, given.repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--whole-items", type=int, default=100_000, help="most that rows are drawn from as a whole")
    parser.add_argument("--whole-training", type=int, default=100_000, help="most that are learnt as a whole")
    parser.add_argument("--users", type=int, default=40, help="whose events are continued")
    parser.add_argument("--steps", type=int, default=8, help="of a training")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first one")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for items in given.items:
        for name, found in measured(items, given):
            told = ", ".join(f"{way} {wall:,.0f} ({processor:,.0f})" for way, (wall, processor) in found.items())
            print(f"{items:,} items, {name}: {told} a second (of the processor)", flush=True)
    print(f"most memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")


if __name__ == "__main__":
    main()
