from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from recaug.config import Optimiser
from recaug.errors import TrainingError
from recaug.lake.store import Store
from recaug.training import progress
from recaug.training.best import best_epoch
from recaug.training.checkpoint import weights_hash
from recaug.training.loop import Batch, Epoch, ParameterGroup, TrainingPlan, Update, fit, optimisers_of, schedule
from recaug.training.worker import Worker

EIGHT_EPOCHS = Optimiser(epochs=8, batch_rows=4, learning_rate=0.05)


class Line:
    """Fit y = 2 x with dropout, so that random numbers matter."""

    def __init__(self, stop_after: int | None = None) -> None:
        torch.manual_seed(5)
        self.module: nn.Module = nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.2), nn.Linear(16, 1))
        self.parts = {"model": ParameterGroup(list(self.module.parameters()), 0.05, fast=(self.module[0].bias,))}  # type: ignore[index]
        self.stop_after = stop_after

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        if epoch == self.stop_after:
            raise KeyboardInterrupt
        loss = (self.module(batch["x"]) - 2 * batch["x"]).square().sum()
        yield Update("model", loss, torch.tensor(float(len(batch["x"]))))

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        assert not self.module.training
        return {"last": float(last)}


def numbers() -> Iterator[Batch]:
    for step in count():
        yield {"x": torch.rand(4, 1, generator=torch.Generator().manual_seed(step))}


class Watched(Line):
    """Says that the third epoch is the best, and the seventh as good; the others are better the later they come."""

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        said = super().measure(epoch, last)
        return said | ({"score": 9.0 if epoch in (2, 6) else float(epoch)} if epoch % 2 == 0 else {})


def fitted(
    work: Path, line: Line, watched: str | None = None, optimiser: Optimiser = EIGHT_EPOCHS
) -> list[dict[str, float]]:
    plan = TrainingPlan("line", optimiser, 5, seed=3, checkpoint_epochs=2, watched=watched)
    return fit(line, numbers(), Worker(), Store(work), plan)


def test_the_loss_falls_and_every_epoch_leaves_its_curve(tmp_path: Path) -> None:
    curves = fitted(tmp_path, Line())
    assert [curve["epoch"] for curve in curves] == list(range(1, 9))
    assert curves[-1]["loss"] < curves[0]["loss"] / 2
    assert [curve["last"] for curve in curves] == [0.0] * 7 + [1.0]
    newest = msgspec.json.decode(Store(tmp_path).read(progress.FILE), type=progress.Line)
    assert newest.curve == curves[-1]
    assert newest.step == newest.steps == 40


@pytest.mark.parametrize("interrupted", [1, 2, 5])
def test_going_on_from_a_checkpoint_gives_the_same_weights_to_the_last_bit(tmp_path: Path, interrupted: int) -> None:
    whole = Line()
    expected = fitted(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "torn", Line(stop_after=interrupted))
    resumed = Line()
    curves = fitted(tmp_path / "torn", resumed)
    assert weights_hash(resumed.module) == weights_hash(whole.module)
    assert [curve["loss"] for curve in curves] == [curve["loss"] for curve in expected]


def test_the_best_epoch_is_kept_through_an_interruption(tmp_path: Path) -> None:
    third = Watched(stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "third", third)
    whole, torn = Watched(), Watched()
    curves = fitted(tmp_path / "whole", whole, "score")
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "torn", Watched(stop_after=5), "score")
    assert fitted(tmp_path / "torn", torn, "score")[-1]["loss"] == curves[-1]["loss"]
    assert best_epoch("score", curves) == 3
    assert weights_hash(whole.module) == weights_hash(torn.module) == weights_hash(third.module)


def test_the_start_is_kept_where_no_epoch_is_better(tmp_path: Path) -> None:
    class Worse(Line):
        def measure(self, epoch: int, last: bool) -> dict[str, float]:
            return {"score": -float(epoch)}

    line, fresh = Worse(), weights_hash(Worse().module)
    curves = fitted(tmp_path, line, "score")
    assert (curves[0], len(curves)) == ({"epoch": 0, "score": 1.0}, 9)
    assert best_epoch("score", curves) == 0
    assert weights_hash(line.module) == fresh
    assert best_epoch(None, curves) == 8


def test_patience_ends_a_training_through_an_interruption_too(tmp_path: Path) -> None:
    patient = msgspec.structs.replace(EIGHT_EPOCHS, patience=3)
    whole, torn = Watched(), Watched()
    curves = fitted(tmp_path / "whole", whole, "score", patient)
    assert (best_epoch("score", curves), curves[-1]["epoch"]) == (3, 6)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "torn", Watched(stop_after=5), "score", patient)
    assert fitted(tmp_path / "torn", torn, "score", patient)[-1]["epoch"] == 6
    assert weights_hash(whole.module) == weights_hash(torn.module)
    assert fitted(tmp_path / "unwatched", Watched(), None, patient)[-1]["epoch"] == 8


def test_a_loss_that_is_not_finite_ends_the_training_in_one_line(tmp_path: Path) -> None:
    class Broken(Line):
        def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
            yield Update("model", self.module(batch["x"]).sum() * torch.nan, torch.tensor(1.0))

    with pytest.raises(TrainingError, match=r"line: .*nan.* in epoch 1 is not finite; lower its learning_rate"):
        fitted(tmp_path, Broken())


def test_the_learning_rate_rises_and_falls() -> None:
    factors = [schedule(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[10] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] < 0.001


def test_a_sparse_gradient_is_clipped_with_the_others_and_moves_its_rows_alone() -> None:
    """Where every row has a gradient, it does as a dense one."""
    found = {}
    for sparse in (False, True):
        torch.manual_seed(2)
        module = nn.ModuleDict({"table": nn.Embedding(5, 3, sparse=sparse), "layer": nn.Linear(3, 1)})
        task = Line()
        task.module, tables = module, (module["table"].weight,) if sparse else ()
        task.parts = {"model": ParameterGroup(list(module.parameters()), 0.05, tables=tables)}
        plan = TrainingPlan("table", Optimiser(clip_norm=0.3), 4, seed=3, checkpoint_epochs=2)
        epoch = Epoch(0, task, optimisers_of(task, 0.0), Worker(), plan)
        before = module["table"].weight.detach().clone()
        for rows in (torch.arange(5), torch.tensor([4, 3, 2, 1, 0, 0]), torch.tensor([2])):
            loss = (module["layer"](module["table"](rows)) - 3).square().sum()
            epoch._apply(Update("model", loss, torch.tensor(float(len(rows)))), 1)
            if len(rows) > 1:
                before = module["table"].weight.detach().clone()
                found[sparse, len(rows)] = before
        moved = (module["table"].weight != before).any(dim=1)
        assert moved.tolist() == ([False, False, True, False, False] if sparse else [True] * 5)
    for n in (5, 6):
        torch.testing.assert_close(found[True, n], found[False, n])


def test_the_gradient_is_that_of_the_mean_over_the_weight() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    (weight * torch.tensor([3.0, 6.0])).sum().backward()
    Worker().average_gradients([weight], torch.tensor(3.0))
    assert weight.grad is not None
    assert weight.grad.tolist() == [1.0, 2.0]
