"""A standalone cluster on this machine: a master and workers, each a process of Spark's own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark
from tests.servers import free_port

SPARK_HOME = Path(pyspark.__file__).parent
CLASS = "org.apache.spark.deploy"


def environment(work: Path, java: str = "") -> dict[str, str]:
    """Variables of the cluster's processes, and of a spark-submit to it. work: folder. java: options of the daemons."""
    return os.environ | {
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(work),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_DAEMON_JAVA_OPTS": java,
    }


@contextlib.contextmanager
def standalone(folder: Path, workers: int, memory: str, java: str = "") -> Iterator[str]:
    """Give the master's address once all workers, of one core each, have joined; logs lie in `<folder>/daemon<n>`."""
    address, started = f"spark://127.0.0.1:{(port := free_port())}", []
    daemons = [["master.Master", "-h", "127.0.0.1", "-p", str(port), "--webui-port", "0"]]
    daemons += [["worker.Worker", "-h", "127.0.0.1", "-c", "1", "-m", memory, "--webui-port", "0", address]] * workers
    try:
        for number, (name, *arguments) in enumerate(daemons):
            work = folder / f"daemon{number}"
            work.mkdir(parents=True)
            command = [str(SPARK_HOME / "bin" / "spark-class"), f"{CLASS}.{name}", *arguments]
            with (work / "log").open("w") as log:
                started.append(subprocess.Popen(command, env=environment(work, java), stdout=log, stderr=log))
        log = folder / "daemon0" / "log"
        for _ in range(600):
            if log.read_text().count("Registering worker") == workers:
                break
            time.sleep(0.5)
        else:
            raise TimeoutError(log.read_text()[-2000:])
        yield address
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=30)
