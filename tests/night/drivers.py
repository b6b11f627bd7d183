"""Drivers of nights that a test ends: each a process forked from one that has imported what a night does."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

from tests.faults.writes import Writes

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


class Night(NamedTuple):
    """What a driver is to do. log: file that it prints into. writes: that are counted; their points go to `points`."""

    config: Path
    date: str
    log: Path
    arguments: Sequence[str] = ()
    writes: Writes | None = None
    points: Path | None = None


@contextmanager
def warm_driver(night: Night) -> Iterator[Driver]:
    """Start `nightly` up to its session."""
    night.log.touch()
    begin = FORKS.Event()
    driver = Driver(FORKS.Process(target=drive, args=(night, begin)), begin)
    driver.process.start()
    try:
        yield driver
    finally:
        driver.kill()
        driver.process.join(600)


def drive(night: Night, begin: Event) -> None:
    """Be a driver, in a process group of its own."""
    from recaug import cli
    from recaug.config import load
    from recaug.session import build

    os.setsid()
    with night.log.open("w") as out:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(out.fileno(), stream.fileno())
    build(load(night.config).spark, "recaug")
    begin.wait()
    if night.writes is not None:
        night.writes.install()
    code = cli.main(["--config", str(night.config), "--date", night.date, *night.arguments])
    if night.writes is not None and night.points is not None:
        night.points.write_text(json.dumps(night.writes.points))
    sys.exit(code)
