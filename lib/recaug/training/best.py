"""The weights of the epoch that measured best, kept while a training goes on."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from recaug.results import Curve
from recaug.training.worker import Worker

State = dict[str, Tensor]


class Best:
    """A copy of the weights of the epoch in which a metric was highest, the earliest of equals.

    metric: of the epochs' curves; None: none is kept, and the last epoch's weights count. Rank 0 alone measures; every
    rank keeps its own copy of the same epoch. curves, state: of an interrupted training that goes on.
    """

    def __init__(self, metric: str | None, worker: Worker, curves: Sequence[Curve], state: State | None) -> None:
        self.metric, self.worker, self.state = metric, worker, state
        self.highest = max((curve[metric] for curve in curves if metric in curve), default=-torch.inf)
        self.since = len(curves) - 1 - best_place(metric, curves)  # epochs, on every rank

    def look(self, curve: Mapping[str, float], module: nn.Module) -> None:
        """Keep the weights if the epoch's curve is the best so far; called on every rank."""
        if self.metric is None:
            return
        value = curve.get(self.metric, -torch.inf)
        better = torch.tensor([float(value > self.highest)], device=self.worker.device)
        self.since += 1
        if self.worker.broadcast_from_first(better).item():
            self.highest, self.since = value, 0
            self.state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    def restore(self, module: nn.Module) -> None:
        """Give the module the weights that were kept."""
        if self.state is not None:
            module.load_state_dict(self.state)

    def out_of(self, patience: int | None) -> bool:
        """Say whether so many epochs have brought nothing better; None: never."""
        return patience is not None and self.metric is not None and self.since >= patience


def best_place(metric: str | None, curves: Sequence[Curve]) -> int:
    """Place of the curve whose weights are kept, the last where nothing is watched; -1: there is none."""
    measured = [place for place, curve in enumerate(curves) if metric in curve]
    return max(measured, key=lambda place: curves[place][str(metric)]) if measured else len(curves) - 1


def best_epoch(metric: str | None, curves: Sequence[Curve]) -> int:
    """Number of the epoch whose weights are kept: 0 is the start, before anything was learnt."""
    return int(curves[best_place(metric, curves)]["epoch"]) if curves else 0
