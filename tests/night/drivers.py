"""Drivers of nights that a test ends: each a process forked from one that has imported what a night does."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["recaug.cli", "recaug.night.tracking", "mlflow", "petastorm"])


class Driver(NamedTuple):
    """A driver that has its session. begin: set, its night begins."""

    process: BaseProcess
    begin: Event

    def kill(self) -> None:
        """End it and all that it has started, its Java process too."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.kill()  # where it has no group yet


@contextmanager
def warm_driver(config: Path, date: str, log: Path) -> Iterator[Driver]:
    """Start `nightly --resume` up to its session; it prints into `log`."""
    log.touch()
    begin = FORKS.Event()
    driver = Driver(FORKS.Process(target=drive, args=(config, date, log, begin)), begin)
    driver.process.start()
    try:
        yield driver
    finally:
        driver.kill()
        driver.process.join(600)


def drive(config: Path, date: str, log: Path, begin: Event) -> None:
    """Be a driver, in a process group of its own."""
    from recaug import cli
    from recaug.config import load
    from recaug.session import build

    os.setsid()
    with log.open("w") as out:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(out.fileno(), stream.fileno())
    build(load(config).spark, "recaug")
    begin.wait()
    sys.exit(cli.main(["--config", str(config), "--date", date, "--resume"]))
