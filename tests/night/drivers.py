"""Drivers of nights that a test ends, forked from a process that has imported what a night does; and their Java."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.writes import Writes

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["recaug.cli", "recaug.night.tracking", "mlflow", "petastorm"])
PATIENCE = 3600  # seconds


class Java:
    """A Java process that drivers have one after the other: the first minute of each costs as much as a night."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._gateway: Any = None

    @property
    def address(self) -> dict[str, str]:
        """The environment by which a driver finds it; where none is, it is started as a driver would do."""
        from pyspark import SparkConf
        from pyspark.java_gateway import launch_gateway

        from recaug.config import load
        from recaug.session import LOCAL, START, _delta_packages

        if self._gateway is None:
            settings = START | LOCAL | _delta_packages() | load(self._config).spark.settings
            self._gateway = launch_gateway(SparkConf(loadDefaults=False).setAll([*settings.items()]))
        given = self._gateway.gateway_parameters
        return {"PYSPARK_GATEWAY_PORT": str(given.port), "PYSPARK_GATEWAY_SECRET": given.auth_token}

    def leave(self) -> None:
        """Stop the session that a driver left, and forget the tables, which others are put in the place of."""
        sessions = self._gateway.jvm.org.apache.spark.sql.SparkSession
        if (found := sessions.getDefaultSession()).isDefined():
            found.get().stop()
        sessions.clearActiveSession()
        sessions.clearDefaultSession()
        self._gateway.jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()

    def kill(self) -> None:
        """End it at once; the next driver has another."""
        if self._gateway is not None:
            self._gateway.proc.kill()
            self._gateway.proc.wait()
            self._gateway.shutdown()
            self._gateway = None


class Night(NamedTuple):
    """What a driver is to do. log: file that it prints into. writes: that are counted; their points go to `points`.

    with_java: when it ends, its Java process does.
    """

    config: Path
    date: str
    log: Path
    arguments: Sequence[str] = ()
    writes: Writes | None = None
    points: Path | None = None
    with_java: bool = False


def run(night: Night, java: Java) -> int | None:
    """Run `nightly` in a process of its own, with a session that it makes in `java`; give its exit code."""
    process = FORKS.Process(target=drive, args=(night, java.address))
    process.start()
    try:
        process.join(PATIENCE)
        return process.exitcode
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)  # and all that it has started
        process.kill()  # where it has no group yet
        process.join(600)
        (java.kill if night.with_java else java.leave)()


def drive(night: Night, address: dict[str, str]) -> None:
    """Be a driver, in a process group of its own."""
    from pyspark import SparkContext

    from recaug import cli

    os.setsid()
    with night.log.open("w") as out:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(out.fileno(), stream.fileno())
    os.environ |= address
    SparkContext._ensure_initialized()
    for name in address:  # else it would be a driver of spark-submit's
        del os.environ[name]
    if night.writes is not None:
        night.writes.install()
    code = cli.main(["--config", str(night.config), "--date", night.date, *night.arguments])
    if night.writes is not None and night.points is not None:
        night.points.write_text(json.dumps(night.writes.points))
    sys.exit(code)
