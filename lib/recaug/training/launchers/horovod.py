"""Ranks under horovod.spark.run with Gloo. Only this file knows Horovod."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from psutil import net_if_addrs
from pyspark.sql import SparkSession
from torch import Tensor

from recaug.config import Training
from recaug.training.launchers.outcome import RankFunction, died, outcome, threads, values
from recaug.training.launchers.watch import Watched, watch
from recaug.training.worker import Worker

START_SECONDS = 120  # for Spark to start the ranks
POLL_SECONDS = 0.0002  # between looks whether the ranks' sum is there


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


def run(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Run it on training.workers ranks, each a Spark task."""
    import horovod.spark
    from horovod.spark.driver import job_id

    def cancel() -> None:
        spark.sparkContext.cancelJobGroup(f"horovod.spark.run.{job_id.JOB_ID}")

    cores, spoken = threads(spark), io.StringIO()
    with watch(watched, training.timeout_seconds, cancel) as hung, _quiet_threads(), _bound(spark) as nics:
        try:
            outcomes = horovod.spark.run(
                _rank,
                args=(function, dict(arguments), cores),
                num_proc=training.workers,
                start_timeout=START_SECONDS,
                use_gloo=True,
                nics=nics,
                env={"OMP_NUM_THREADS": str(cores)},
                stdout=spoken,
                stderr=spoken,
                verbose=0,
            )
            if None in outcomes:  # so Horovod returns where its job was cancelled
                raise RuntimeError("a rank gave no result")
        except Exception as error:
            raise died(watched.title, training, hung, error, spoken.getvalue()) from error
    return values(watched.title, outcomes)


def _rank(function: RankFunction, arguments: Mapping[str, Any], cores: int) -> str:
    """What each Horovod rank runs."""
    import horovod.torch as hvd
    from horovod.common.exceptions import HorovodInternalError

    torch.set_num_threads(cores)
    hvd.init()
    try:
        worker = HorovodWorker(hvd)
        return outcome(function, worker, arguments, worker.rank, lambda error: isinstance(error, HorovodInternalError))
    finally:
        hvd.shutdown()  # wakes the ranks that wait for this one


@contextmanager
def _bound(spark: SparkSession) -> Iterator[set[str] | None]:
    """Let Horovod's servers of this process listen where Spark's do, in local mode; give the interfaces of it.

    Its rendezvous knows no password, and listens on every address of the machine. On a cluster, where interfaces differ
    from machine to machine, it stays so: None.
    """
    from horovod.runner.common.util import network
    from horovod.runner.http import http_server

    address = spark.sparkContext.getConf().get("spark.driver.bindAddress")
    own = {name for name, places in net_if_addrs().items() if address in {place.address for place in places}}
    if not own or not str(spark.sparkContext.master).startswith("local"):
        yield None
        return
    plain = network.find_port

    def bound(server: Callable[[tuple[str, int]], Any]) -> Any:
        return plain(lambda place: server((str(address), place[1])))

    network.find_port = http_server.find_port = bound
    try:
        yield own
    finally:
        network.find_port = http_server.find_port = plain


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Horovod's own threads print the stack trace of a failed job; the error that is raised says it in one line."""
    hook = threading.excepthook
    threading.excepthook = lambda arguments: None
    try:
        yield
    finally:
        threading.excepthook = hook
