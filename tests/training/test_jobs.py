"""Trainings through their folders: what is finished is found again, what is damaged is trained again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from recaug.config import Optimiser, Training
from recaug.errors import StorageError, TrainingError
from recaug.lake.store import Store
from recaug.training.checkpoint import read_meta, weights_hash, working_folder
from recaug.training.jobs import Plain, train, train_on_rank
from recaug.training.launchers.outcome import outcome, values
from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.progress import FILE
from recaug.training.worker import Worker

HERE = Training(launcher="local", workers=1)
TWO_EPOCHS = Optimiser(epochs=2, batch_rows=4, learning_rate=0.05)
SPARK: Any = None  # the local launcher asks nothing of it


class Slope:
    """Fit y = 2 x."""

    def __init__(self) -> None:
        self.module: torch.nn.Module = torch.nn.Linear(1, 1)
        self.parts = {"model": ParameterGroup(list(self.module.parameters()), 0.05)}

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        loss = (self.module(batch["x"]) - 2 * batch["x"]).square().sum()
        yield Update("model", loss, torch.tensor(float(len(batch["x"]))))

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        return {}


@dataclass(frozen=True)
class Job(Plain):
    """A line to fit; trained counts how often."""

    models: Store
    name: str
    seed: int = 0
    optimiser: Optimiser = TWO_EPOCHS
    steps_per_epoch: int = 3

    @property
    def folder(self) -> Store:
        return self.models.at(self.name)

    def task(self, worker: Worker) -> Slope:
        self.models.append("trained", self.name)
        return Slope()

    def batches(self, worker: Worker) -> Iterator[Batch]:
        for step in count():
            yield {"x": torch.rand(4, 1, generator=torch.Generator().manual_seed(step))}

    def meta(self) -> dict[str, Any]:
        return {"arguments": {}}


@pytest.fixture
def models(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def test_a_model_is_trained_once_and_found_again(models: Store) -> None:
    jobs = [Job(models, "a"), Job(models, "b", seed=1)]
    first = train(jobs, SPARK, HERE, "test")
    assert [(model.name, model.folder, model.seed, model.reused) for model in first] == [
        ("a", models.address("a"), 0, False),
        ("b", models.address("b"), 1, False),
    ]
    assert [curve["epoch"] for curve in first[0].curves] == [1, 2]
    assert models.list("a/*") == ["a/meta.json", "a/model.safetensors"]
    assert models.list("*.training/**/*") == []
    again = train(jobs, SPARK, HERE, "test")
    assert [model.reused for model in again] == [True, True]
    assert list(models.lines("trained")) == ["a", "b"]


def test_a_model_that_is_not_to_learn_on_is_the_one_that_it_goes_on_from(models: Store) -> None:
    """As in a refit, of a network whose start was its best epoch."""
    still = Job(models, "a", optimiser=msgspec.structs.replace(TWO_EPOCHS, epochs=0))
    (trained,) = train([still], SPARK, HERE, "test")
    assert (trained.curves, trained.epoch, trained.kept) == ([], 0, {})
    torch.manual_seed(still.seed)
    assert read_meta(trained.folder)["weights"] == weights_hash(Slope().module)
    learnt = train([Job(models, "b")], SPARK, HERE, "test")[0]
    assert learnt.epoch == 2
    assert read_meta(learnt.folder)["weights"] != read_meta(trained.folder)["weights"]


def test_a_damaged_folder_is_trained_again_and_the_others_stay(models: Store) -> None:
    jobs = [Job(models, "a"), Job(models, "b")]
    train(jobs, SPARK, HERE, "test")
    weights = read_meta(models.address("a"))["weights"]
    models.remove("a/meta.json")
    models.write("a/model.safetensors", b"cut off")
    mended = train(jobs, SPARK, HERE, "test")
    assert [model.reused for model in mended] == [False, True]
    assert list(models.lines("trained")) == ["a", "b", "a"]
    assert read_meta(models.address("a"))["weights"] == weights


def test_a_failure_keeps_what_was_finished_before_it(models: Store) -> None:
    class Broken(Job):
        def meta(self) -> dict[str, Any]:
            raise ValueError("nonsense")

    with pytest.raises(TrainingError, match="^test: rank 0 failed: ValueError: nonsense"):
        train([Job(models, "a"), Broken(models, "b")], SPARK, HERE, "test")
    assert models.finished("a")
    assert not models.finished("b")
    said = json.loads(models.read("b.training/job.json"))
    assert said == {"name": "b", "seed": 0, "steps": 6}
    assert working_folder(models.at("b")).read(FILE)


def test_models_that_cannot_be_written_are_refused_before_they_train(models: Store) -> None:
    models.write("x", "")  # a file where the folder should be
    with pytest.raises(StorageError, match="set artifacts elsewhere"):
        train([Job(models.at("x"), "a")], SPARK, HERE, "test")
    assert not models.exists("trained")


def test_ranks_that_differ_publish_nothing(models: Store) -> None:
    """T12: the weights were compared once the model was finished, and a rerun took it."""

    class Apart(Worker):
        def agree(self, digest: str) -> bool:
            return False

    with pytest.raises(TrainingError, match="^a: the ranks ended with different weights$"):
        train_on_rank(Apart(), [Job(models, "a")], 1)
    assert not models.finished("a")


def test_a_rank_gives_its_value_or_its_failure_as_json() -> None:
    def fail(worker: Worker, error: Exception) -> None:
        raise error

    given = [
        outcome(lambda worker, a: {"a": [a, worker.rank]}, Worker(), {"a": 1.5}, 0),
        outcome(fail, Worker(), {"error": ConnectionError("connection\nlost")}, 1, lambda error: True),
        outcome(fail, Worker(), {"error": StorageError("disk is full")}, 2),
    ]
    assert values("test", given[:1]) == [{"a": [1.5, 0]}]
    with pytest.raises(TrainingError, match="^test: rank 2 failed: disk is full") as caught:
        values("test", given)  # rank 1 only lost rank 2
    assert "StorageError" in caught.value.__notes__[0]
    with pytest.raises(TrainingError, match="^test: rank 1 failed: ConnectionError: connection lost"):
        values("test", given[:2])
    with pytest.raises(TrainingError, match="^test: rank 0 failed: TypeError: "):
        values("test", [outcome(lambda worker: object(), Worker(), {}, 0)])
