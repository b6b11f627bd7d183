"""Ranks under pyspark's TorchDistributor, for runtimes without Horovod."""

import atexit
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from pyspark.sql import SparkSession
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from recaug.config import Training
from recaug.training.launchers.outcome import RankFunction, died, outcome, own_jobs, threads, values
from recaug.training.launchers.watch import Watched, watch
from recaug.training.worker import Worker


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


def run(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Run it on training.workers ranks, each a Spark task."""
    from pyspark.ml.torch.distributor import TorchDistributor

    use_gpu = spark.conf.get("spark.task.resource.gpu.amount", None) is not None
    distributor = TorchDistributor(num_processes=training.workers, local_mode=False, use_gpu=use_gpu)
    with own_jobs(spark) as cancel, watch(watched, training.timeout_seconds, cancel) as hung:
        try:
            outcomes = distributor.run(_rank, function, dict(arguments), threads(spark))
        except Exception as error:
            raise died(watched.title, training, hung, error) from error
    return values(watched.title, outcomes or [])


def _rank(function: RankFunction, arguments: Mapping[str, Any], cores: int) -> list[str]:
    """What each rank runs: only rank 0's result arrives, so it carries the outcomes of all ranks.

    They go through the rendezvous store, which still works when a rank has failed inside a collective. The store is
    open to whoever reaches its port, so what is read from it is JSON and never a pickle.
    """
    torch.set_num_threads(cores)
    store, rank, size = next(rendezvous("env://"))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=PrefixStore("ranks", store), rank=rank, world_size=size)
    worker = DistributedWorker(int(os.environ["LOCAL_RANK"]))
    store.set(f"outcome/{rank}", outcome(function, worker, arguments, rank, _lost))
    atexit.register(_leave)
    if rank != 0:
        return []  # the end of this process wakes the ranks that wait for it
    return [store.get(f"outcome/{number}").decode() for number in range(size)]


def _lost(error: Exception) -> bool:
    """Whether another rank went away; Gloo says so in words alone."""
    return isinstance(error, dist.DistBackendError) or (isinstance(error, RuntimeError) and "onnection" in str(error))


def _leave() -> None:
    """End the process as it is: a thread of Gloo's that drops a tensor after Python has ended aborts it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
