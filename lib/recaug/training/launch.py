"""Run a function on ranks: Horovod on Spark, pyspark's TorchDistributor, a Spark task each, or here.

Only this file knows Horovod.
"""

import atexit
import io
import json
import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from pyspark import TaskContext
from pyspark.sql import SparkSession
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from tqdm import tqdm

from recaug.config import Training
from recaug.errors import ConfigError, RecaugError, TrainingError
from recaug.training.worker import Worker

START_SECONDS = 120  # for Spark to start the ranks
SLOT_SECONDS = 30  # for executors to register
POLL_SECONDS = 0.0002  # between looks whether the ranks' sum is there

RankFunction = Callable[..., Any]


class Watched(NamedTuple):
    """What the driver shows of a launch. files: progress.jsonl of each training; steps: of all together."""

    title: str
    files: Sequence[Path] = ()
    steps: int = 0


class _Failure(NamedTuple):
    """What a rank that raised gives back instead of its result."""

    rank: int
    message: str
    details: str
    is_echo: bool  # the launcher's own error, because another rank went away


class HorovodWorker(Worker):
    """A rank under horovod.spark.run."""

    def __init__(self, hvd: Any) -> None:
        super().__init__(hvd.rank(), hvd.size(), hvd.local_rank())
        self.hvd = hvd

    def all_reduce(self, flat: Tensor) -> Tensor:
        """Sum over the ranks, in place."""
        # a name of its own for each size, so that Horovod remembers what the ranks have agreed on
        handle = self.hvd.allreduce_async_(flat, op=self.hvd.Sum, name=f"sum {flat.dtype} {flat.numel()}")
        while not self.hvd.poll(handle):  # synchronize alone spins, and takes the cores from Horovod's own threads
            time.sleep(POLL_SECONDS)
        total: Tensor = self.hvd.synchronize(handle)
        return total

    def broadcast_from_first(self, flat: Tensor) -> Tensor:
        """Give what rank 0 has."""
        first: Tensor = self.hvd.broadcast(flat, root_rank=0)
        return first

    def gather(self, value: Any) -> list[Any]:
        """Give what every rank has."""
        values: list[Any] = self.hvd.allgather_object(value)
        return values


class DistributedWorker(Worker):
    """A rank under torch.distributed, gloo or nccl."""

    def __init__(self, local_rank: int) -> None:
        super().__init__(dist.get_rank(), dist.get_world_size(), local_rank)

    def all_reduce(self, flat: Tensor) -> Tensor:
        """Sum over the ranks, in place."""
        dist.all_reduce(flat)
        return flat

    def broadcast_from_first(self, flat: Tensor) -> Tensor:
        """Give what rank 0 has."""
        first = flat.clone()
        dist.broadcast(first, src=0)
        return first

    def gather(self, value: Any) -> list[Any]:
        """Give what every rank has."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


def launch(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Run `function(worker, **arguments)` on every rank and return what each gave, in rank order.

    Each rank is one Spark task and has as many threads as the task has cores. A progress bar follows the watched
    files on stderr; without a new line for training.timeout_seconds, the ranks are ended.
    Raises TrainingError in one line (its notes hold the rank's stack trace) if a rank raises, dies or hangs or if
    there are fewer task slots than ranks; ConfigError for the launchers local and tasks with several workers.
    """
    if training.launcher in ("local", "tasks") and training.workers != 1:
        raise ConfigError(
            f"training.launcher {training.launcher} runs one worker a model, training.workers is {training.workers}"
        )
    if training.launcher == "tasks":
        return launch_each(function, [arguments], spark, training, watched)
    if training.launcher == "local":
        return [_here(function, arguments, training, watched)]
    check_slots(spark, training.workers)
    run = {"horovod": _horovod, "torch_distributor": _torch_distributor}[training.launcher]
    return run(function, arguments, spark, training, watched)


def launch_each(
    function: RankFunction,
    calls: Sequence[Mapping[str, Any]],
    spark: SparkSession,
    training: Training,
    watched: Watched,
) -> list[Any]:
    """Run `function(worker, **arguments)` for each of `calls`, the only rank in a Spark task of its own.

    As many run side by side as there are task slots. Returns what each gave, in order; raises TrainingError as launch.
    """
    threads, given = _threads(spark), [dict(arguments) for arguments in calls]

    def run(numbers: Iterable[int]) -> list[Any]:
        return [_task(function, given[number], number, threads) for number in numbers]

    with _watch(watched, training.timeout_seconds, spark.sparkContext.cancelAllJobs) as hung:
        try:
            results = spark.sparkContext.parallelize(range(len(given)), len(given)).mapPartitions(run).collect()
        except Exception as error:
            raise _died(watched.title, training, hung, error, "") from error
    return _results(watched.title, results)


def _task(function: RankFunction, arguments: Mapping[str, Any], number: int, threads: int) -> Any:
    """What each Spark task runs: an error becomes a result, since Spark would bury its message."""
    torch.set_num_threads(threads)
    task = TaskContext.get()
    gpu = task.resources().get("gpu") if task is not None else None
    try:
        return function(Worker(local_rank=int(gpu.addresses[0]) if gpu is not None else 0), **arguments)
    except Exception as error:
        return _failure(number, error)


def check_slots(spark: SparkSession, workers: int) -> None:
    """Raise TrainingError if Spark cannot run so many tasks at once; waits a little for executors to register."""
    jvm_context = spark.sparkContext._jsc.sc()
    profile = jvm_context.resourceProfileManager().defaultResourceProfile()
    deadline = time.monotonic() + (0 if str(spark.sparkContext.master).startswith("local") else SLOT_SECONDS)
    while (slots := jvm_context.maxNumConcurrentTasks(profile)) < workers:
        if time.monotonic() > deadline:
            raise TrainingError(
                f"training.workers is {workers}, but {spark.sparkContext.master} has {slots} task slots; "
                "set it lower or give Spark more cores"
            )
        time.sleep(0.5)


def _here(function: RankFunction, arguments: Mapping[str, Any], training: Training, watched: Watched) -> Any:
    """One rank in this process, with one thread, so that the weights do not depend on the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _watch(watched, training.timeout_seconds, cancel=lambda: None):
            return function(Worker(), **arguments)
    except RecaugError:
        raise
    except Exception as error:
        raise _one_line(watched.title, _failure(0, error)) from error
    finally:
        torch.set_num_threads(threads)


def _horovod(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Ranks under horovod.spark.run with Gloo."""
    import horovod.spark
    from horovod.spark.driver import job_id

    def cancel() -> None:
        spark.sparkContext.cancelJobGroup(f"horovod.spark.run.{job_id.JOB_ID}")

    threads = _threads(spark)
    spoken = io.StringIO()
    with _watch(watched, training.timeout_seconds, cancel) as hung, _quiet_threads():
        try:
            results = horovod.spark.run(
                _horovod_rank,
                args=(function, dict(arguments), threads),
                num_proc=training.workers,
                start_timeout=START_SECONDS,
                use_gloo=True,
                env={"OMP_NUM_THREADS": str(threads)},
                stdout=spoken,
                stderr=spoken,
                verbose=0,
            )
        except Exception as error:
            raise _died(watched.title, training, hung, error, spoken.getvalue()) from error
    return _results(watched.title, results)


def _horovod_rank(function: RankFunction, arguments: Mapping[str, Any], threads: int) -> Any:
    """What each Horovod rank runs: an error becomes a result, since the launcher would lose its message."""
    import horovod.torch as hvd
    from horovod.common.exceptions import HorovodInternalError

    torch.set_num_threads(threads)
    hvd.init()
    try:
        return function(HorovodWorker(hvd), **arguments)
    except Exception as error:
        return _failure(hvd.rank(), error, is_echo=isinstance(error, HorovodInternalError))
    finally:
        hvd.shutdown()  # wakes the ranks that wait for this one


def _torch_distributor(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Ranks under pyspark's TorchDistributor, for runtimes without Horovod."""
    from pyspark.ml.torch.distributor import TorchDistributor

    use_gpu = spark.conf.get("spark.task.resource.gpu.amount", None) is not None
    distributor = TorchDistributor(num_processes=training.workers, local_mode=False, use_gpu=use_gpu)
    with _watch(watched, training.timeout_seconds, spark.sparkContext.cancelAllJobs) as hung:
        try:
            results = distributor.run(_distributed_rank, function, dict(arguments), _threads(spark))
        except Exception as error:
            raise _died(watched.title, training, hung, error, "") from error
    return _results(watched.title, results or [])


def _distributed_rank(function: RankFunction, arguments: Mapping[str, Any], threads: int) -> list[Any]:
    """What each TorchDistributor rank runs: only rank 0's result arrives, so it carries those of all ranks.

    They go through the rendezvous store, which still works when a rank has failed inside a collective.
    """
    torch.set_num_threads(threads)
    store, rank, size = next(rendezvous("env://"))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=PrefixStore("ranks", store), rank=rank, world_size=size)
    try:
        outcome = function(DistributedWorker(int(os.environ["LOCAL_RANK"])), **arguments)
    except Exception as error:
        lost = isinstance(error, RuntimeError) and "onnection" in str(error)
        outcome = _failure(rank, error, is_echo=lost or isinstance(error, dist.DistBackendError))
    store.set(f"outcome/{rank}", pickle.dumps(outcome))
    atexit.register(_leave)
    if rank != 0:
        return []  # the end of this process wakes the ranks that wait for it
    return [pickle.loads(store.get(f"outcome/{one}")) for one in range(size)]


def _leave() -> None:
    """End the process as it is: a thread of Gloo's that drops a tensor after Python has ended aborts it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _threads(spark: SparkSession) -> int:
    """Threads of a rank: the cores of its task."""
    return int(spark.conf.get("spark.task.cpus", "1") or 1)


def _failure(rank: int, error: Exception, is_echo: bool = False) -> _Failure:
    text = " ".join(str(error).split())
    message = text if isinstance(error, RecaugError) else f"{type(error).__name__}: {text}"
    return _Failure(rank, message, traceback.format_exc(), is_echo)


def _results(title: str, results: Sequence[Any]) -> list[Any]:
    """Pass results on; raise for the rank that failed first of itself, not for those that lost it."""
    failures = sorted((result for result in results if isinstance(result, _Failure)), key=lambda one: one.is_echo)
    if failures:
        raise _one_line(title, failures[0])
    return list(results)


def _one_line(title: str, failure: _Failure) -> TrainingError:
    error = TrainingError(f"{title}: rank {failure.rank} failed: {failure.message}")
    error.add_note(failure.details)
    return error


def _died(title: str, training: Training, hung: threading.Event, error: Exception, spoken: str) -> TrainingError:
    """A rank ended without a result."""
    if hung.is_set():
        return TrainingError(f"{title}: no progress for {training.timeout_seconds} s, ended the ranks")
    died = TrainingError(
        f"{title}: a rank died ({' '.join(str(error).split())[:200]}); killed, or out of memory? "
        "What was finished stays; run again to go on from the last checkpoint"
    )
    died.add_note(spoken[-4000:])
    return died


@contextmanager
def _watch(watched: Watched, timeout_seconds: float, cancel: Callable[[], None]) -> Iterator[threading.Event]:
    """Follow progress files with a bar; without a new line for so long, set the event given and cancel."""
    finished, hung = threading.Event(), threading.Event()

    def follow() -> None:
        places, steps = dict.fromkeys(watched.files, 0), dict.fromkeys(watched.files, 0)
        last = time.monotonic()
        with tqdm(total=watched.steps or None, desc=watched.title, unit="step", mininterval=1.0) as bar:
            while not finished.wait(0.5):
                for file in watched.files:
                    for line in _new_lines(file, places):
                        last = time.monotonic()
                        steps[file] = line["step"]
                        bar.set_postfix_str(describe(line), refresh=False)
                bar.update(sum(steps.values()) - bar.n)
                if time.monotonic() - last > timeout_seconds and not hung.is_set():
                    hung.set()
                    cancel()
            for file in watched.files:
                for line in _new_lines(file, places):
                    steps[file] = line["step"]
            bar.update(sum(steps.values()) - bar.n)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield hung
    finally:
        finished.set()
        follower.join()


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Horovod's own threads print the stack trace of a failed job; the error that is raised says it in one line."""
    hook = threading.excepthook
    threading.excepthook = lambda arguments: None
    try:
        yield
    finally:
        threading.excepthook = hook


def _new_lines(file: Path, places: dict[Path, int]) -> Iterator[dict[str, Any]]:
    """Complete lines since the last look; the file lies in the working folder, later in the finished one."""
    for place in (file, file.parent.with_suffix("") / file.name):
        if place.is_file():
            break
    else:
        return
    with place.open("rb") as lines:
        lines.seek(places[file])
        text = lines.read()
    complete = text[: text.rfind(b"\n") + 1]
    places[file] += len(complete)
    yield from map(json.loads, complete.splitlines())


def describe(line: Mapping[str, Any]) -> str:
    """A progress line in a few words: model, losses, rows a second."""
    curve = line.get("curve", {})
    losses = line.get("losses") or {name: value for name, value in curve.items() if name.startswith("loss")}
    said = line | curve
    words = [
        *(f"{name} {value:.3f}" for name, value in losses.items()),
        f"{said.get('rows_per_second', 0):,.0f} rows/s",
    ]
    if "communication" in said:
        words.append(f"{said['communication']:.0%} communication")
    return f"{line['name']} " + ", ".join(words)
