"""The command: jobs/stream.py."""

import datetime as dt
import signal
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any

import torch
from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.lake.store import Store
from recaug.night.nightly import night_context
from recaug.stream.batch import Say
from recaug.stream.job import checkpoint_of, run_stream

DESCRIPTION = "Takes events as they arrive, until it is ended by SIGTERM or Ctrl-C."
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("--once", {"action": "store_true", "help": "end when all that is there has been taken"})
]


def begin(say: Say, config: Config, given: Namespace) -> Callable[[SparkSession], None]:
    """Check what can be checked before Spark starts, and give the work."""
    checkpoint_of(config, Store(config.artifacts))

    ended = Event()

    def work(spark: SparkSession) -> None:
        torch.set_num_threads(1)  # as in the night's tasks, so that a list is the night's to the last bit
        with suppress(ValueError):  # of a thread that is not the main one
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ended.set())
        batches = run_stream(night_context(config, dt.date.today(), spark), say, given.once, ended=ended)
        say(f"  {batches} batches; {'ended, and a restart goes on' if ended.is_set() else 'nothing is left to take'}")

    return work
