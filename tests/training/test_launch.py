"""Real ranks: Horovod on Spark with Gloo, and pyspark's TorchDistributor."""

import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import torch
from pyspark.sql import SparkSession
from torch import nn

from recaug.config import Optimiser, Training
from recaug.errors import ConfigError, TrainingError
from recaug.lake.store import Store
from recaug.training import launch as launching
from recaug.training import readers
from recaug.training.checkpoint import weights_hash, working_folder
from recaug.training.launch import launch, launcher_name, stand_ins
from recaug.training.launchers.outcome import outcome, values
from recaug.training.launchers.tasks import run_each
from recaug.training.launchers.watch import Watched
from recaug.training.loop import Batch, ParameterGroup, TrainingPlan, Update, fit
from recaug.training.worker import Worker

HOROVOD = Training(launcher="horovod", workers=2, timeout_seconds=240)
DISTRIBUTOR = Training(launcher="torch_distributor", workers=2, timeout_seconds=240)
WATCHED = Watched("test")
needs_horovod = pytest.mark.skipif(find_spec("horovod") is None, reason="no Horovod on this runtime")
LAUNCHERS = [
    pytest.param(HOROVOD, marks=needs_horovod, id="horovod"),
    pytest.param(DISTRIBUTOR, id="torch_distributor"),
]


def batch(rank: int, step: int) -> Batch:
    """Rows of a rank; rank 1 has more of them, so that means of means would be wrong."""
    noise = torch.Generator().manual_seed(1000 * rank + step)
    x = torch.randn(3 + 2 * rank, 4, generator=noise)
    return {"x": x, "y": x.sum(dim=1, keepdim=True)}


class Net(nn.Module):
    """Two layers and a table, of which each rank's rows look up some lines."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        self.table = nn.Embedding(12, 1, sparse=True)
        nn.init.zeros_(self.table.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + self.table((4 * x[:, 0]).long() % 12)


def model(seed: int) -> Net:
    torch.manual_seed(seed)
    return Net()


def losses(module: nn.Module, rows: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return (module(rows["x"]) - rows["y"]).square().sum(), torch.tensor(float(len(rows["x"])))


class Sum:
    """Learn the sum of a row."""

    def __init__(self, seed: int) -> None:
        self.module = model(seed)
        self.parts = {"model": ParameterGroup(list(self.module.parameters()), 0.02, tables=(self.module.table.weight,))}

    def updates(self, rows: Batch, share: float, epoch: int) -> Iterator[Update]:
        yield Update("model", *losses(self.module, rows))

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        return {}


def listening(*processes: int) -> list[str]:
    """The addresses at which processes wait for others."""
    places = [place for process in processes for place in psutil.Process(process).net_connections("tcp")]
    return sorted({place.laddr.ip for place in places if place.status == psutil.CONN_LISTEN})


def train(worker: Worker, folder: Store, driver: int) -> dict[str, Any]:
    """What the ranks do: one averaged gradient, then a whole training."""
    probe = model(7)
    loss, weight = losses(probe, batch(worker.rank, 0))
    loss.backward()
    total = worker.average_gradients(list(probe.parameters()), weight)
    task = Sum(worker.rank)  # weights differ on purpose: the first rank's count
    curves = fit(
        task,
        (batch(worker.rank, step) for step in count()),
        worker,
        working_folder(folder),
        TrainingPlan(
            "two ranks", Optimiser(epochs=5, batch_rows=8, learning_rate=0.02), 10, seed=0, checkpoint_epochs=2
        ),
    )
    return {
        "rank": [worker.rank, worker.size],
        "agree": [worker.agree("00ff"), worker.agree(f"{worker.rank:04x}")],
        "gradients": [parameter.grad.to_dense().tolist() for parameter in probe.parameters()],
        "total": float(total),
        "losses": [curve["loss"] for curve in curves],
        "communication": [curve.get("communication") for curve in curves],
        "weights": weights_hash(task.module),
        "threads": torch.get_num_threads(),
        "listening": listening(driver, os.getpid()),
        "mean": worker.mean({"a": 1.0 + worker.rank}, 1.0 + worker.rank),
    }


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the ranks have this file's functions without finding this file."""
    import sys

    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[function.__module__])
    import cloudpickle as of_horovod

    of_horovod.register_pickle_by_value(sys.modules[function.__module__])
    return function


@pytest.mark.parametrize("training", LAUNCHERS)
def test_two_ranks_train_as_one_process_with_the_whole_batch(
    spark: SparkSession, training: Training, tmp_path: Path
) -> None:
    folder = Store(tmp_path / "model")
    watched = Watched("test", [(folder, 50)])
    first, second = launch(by_value(train), {"folder": folder, "driver": os.getpid()}, spark, training, watched)
    assert [first["rank"], second["rank"]] == [[0, 2], [1, 2]]
    assert first["agree"] == second["agree"] == [True, False]
    assert first["threads"] == 1
    if training is HOROVOD:  # T21: its rendezvous, which knows no password, listened on 0.0.0.0
        assert first["listening"] == second["listening"] == ["127.0.0.1"]
    assert first["weights"] == second["weights"]
    assert first["losses"] == second["losses"]
    assert first["losses"][-1] < first["losses"][0] / 2
    assert all(0 < share < 1 for share in first["communication"])
    assert first["mean"] == {"a": 1.0}
    assert first["total"] == 8.0
    whole = model(7)
    joined = {name: torch.cat([batch(rank, 0)[name] for rank in range(2)]) for name in ("x", "y")}
    (losses(whole, joined)[0] / 8).backward()
    for gradient, parameter in zip(first["gradients"], whole.parameters(), strict=True):
        torch.testing.assert_close(torch.tensor(gradient), parameter.grad.to_dense())


def fail_on_rank_1(worker: Worker) -> None:
    if worker.rank == 1:
        raise ValueError("the files hold\nnonsense")
    worker.all_reduce(torch.ones(2))  # waits for rank 1


def kill_rank_1(worker: Worker) -> None:
    if worker.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    worker.all_reduce(torch.ones(2))


def hang_on_rank_1(worker: Worker) -> None:
    if worker.rank == 1:
        time.sleep(300)
    worker.all_reduce(torch.ones(2))


@pytest.mark.parametrize("training", LAUNCHERS)
def test_a_rank_that_raises_is_named_with_its_cause(spark: SparkSession, training: Training) -> None:
    with pytest.raises(TrainingError) as caught:
        launch(by_value(fail_on_rank_1), {}, spark, training, WATCHED)
    assert str(caught.value) == "test: rank 1 failed: ValueError: the files hold nonsense"
    assert "fail_on_rank_1" in caught.value.__notes__[0]  # the stack trace, for who wants it
    assert spark.range(10).count() == 10


def test_what_comes_back_from_a_rank_is_json() -> None:
    """T21: TorchDistributor's results were read by pickle from a store that is open to all."""

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.mkdir, ("evil",)

    given = outcome(lambda worker, n: {"n": [n]}, Worker(), {"n": 1}, 0)
    assert values("test", [given]) == [{"n": [1]}] == [json.loads(given)["value"]]
    with pytest.raises(msgspec.DecodeError):
        values("test", [pickle.dumps(Evil())])
    assert not Path("evil").exists()


@needs_horovod
def test_a_killed_rank_is_one_line_and_the_session_stays_usable(spark: SparkSession) -> None:
    with pytest.raises(TrainingError, match=r"^test: a rank died \(.*\); killed, or out of memory\? "):
        launch(by_value(kill_rank_1), {}, spark, HOROVOD, WATCHED)
    assert spark.range(10).count() == 10


@needs_horovod
def test_a_rank_that_hangs_is_ended(spark: SparkSession) -> None:
    training = msgspec.structs.replace(HOROVOD, timeout_seconds=25)
    started = time.monotonic()
    with pytest.raises(TrainingError, match="^test: no progress for 25 s, ended the ranks$"):
        launch(by_value(hang_on_rank_1), {}, spark, training, WATCHED)
    assert time.monotonic() - started < 90
    assert spark.range(10).count() == 10


@needs_horovod
def test_a_job_that_ends_without_results_is_one_line(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """So Horovod returned once where its job was cancelled while the ranks wrote; no run makes it so at will."""
    import horovod.spark

    monkeypatch.setattr(horovod.spark, "run", lambda *_, **__: [None, None])
    with pytest.raises(TrainingError, match=r"^test: a rank died \(a rank gave no result\)"):
        launch(by_value(fail_on_rank_1), {}, spark, HOROVOD, WATCHED)


@needs_horovod
def test_more_ranks_than_task_slots_are_refused_at_once(spark: SparkSession) -> None:
    training = msgspec.structs.replace(HOROVOD, workers=3)
    with pytest.raises(TrainingError, match=r"training\.workers is 3, but local\[2\] has 2 task slots"):
        launch(fail_on_rank_1, {}, spark, training, WATCHED)


def test_where_horovod_and_petastorm_are_missing_others_stand_in_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (launching, readers):
        monkeypatch.setattr(module, "find_spec", lambda name: name)
    assert launcher_name(Training()) == "horovod"
    assert stand_ins(Training()) == []
    for module in (launching, readers):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert launcher_name(Training()) == "torch_distributor"
    said = ["no Horovod here: torch_distributor trains", "no Petastorm here: arrow reads what trains"]
    assert stand_ins(Training()) == said
    assert stand_ins(Training(launcher="tasks", workers=1, reader="arrow")) == []  # as the YAML says
    with pytest.raises(ConfigError, match="horovod, which is not installed here"):
        launcher_name(Training(launcher="horovod"))


def test_the_local_launcher_runs_one_worker_here(spark: SparkSession) -> None:
    local = Training(launcher="local", workers=1)
    assert launch(lambda worker: (os.getpid(), worker.size), {}, spark, local, WATCHED) == [(os.getpid(), 1)]
    with pytest.raises(ConfigError, match="runs one worker"):
        launch(fail_on_rank_1, {}, spark, msgspec.structs.replace(local, workers=2), WATCHED)


def test_the_tasks_launcher_runs_each_call_in_a_process_of_its_own(spark: SparkSession) -> None:
    tasks = Training(launcher="tasks", workers=1, timeout_seconds=240)

    def own(worker: Worker, number: int) -> tuple[int, int, int, int]:
        time.sleep(3)  # so long that one process cannot take both
        return number, worker.size, os.getpid(), torch.get_num_threads()

    first, second = run_each(own, [{"number": 1}, {"number": 2}], spark, tasks, WATCHED)
    assert (first[:2], second[:2]) == ([1, 1], [2, 1])
    assert len({first[2], second[2], os.getpid()}) == 3
    assert first[3] == second[3] == 1


def test_a_call_that_fails_in_its_task_is_named_with_its_cause(spark: SparkSession) -> None:
    tasks = Training(launcher="tasks", workers=1, timeout_seconds=240)

    def fail(worker: Worker, number: int) -> None:
        if number == 1:
            raise ValueError("the files hold\nnonsense")

    with pytest.raises(TrainingError, match="^test: rank 1 failed: ValueError: the files hold nonsense"):
        run_each(fail, [{"number": 0}, {"number": 1}], spark, tasks, WATCHED)
    with pytest.raises(ConfigError, match="tasks runs one worker"):
        launch(fail_on_rank_1, {}, spark, msgspec.structs.replace(tasks, workers=2), WATCHED)
