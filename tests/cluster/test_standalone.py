"""A real standalone cluster: a master and two workers of one core each, started here."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from tests.conftest import BRIEF, THIN_DAY, write_thin
from tests.faults.source import few_households

from recaug.session import LOCAL

ROOT = Path(__file__).parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
DATE = THIN_DAY.isoformat()
JAVA = LOCAL["spark.driver.extraJavaOptions"]  # of the driver; five more, on two cores, do little


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(work: Path) -> dict[str, str]:
    return os.environ | {
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(work),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_DAEMON_JAVA_OPTS": BRIEF,
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Address of the master, once both workers have joined."""
    port, started = free_port(), []
    command = [str(SPARK_HOME / "bin" / "spark-class"), "org.apache.spark.deploy"]
    address = f"spark://127.0.0.1:{port}"
    daemons = [["master.Master", "-h", "127.0.0.1", "-p", str(port), "--webui-port", "0"]]
    daemons += [["worker.Worker", "-h", "127.0.0.1", "-c", "1", "-m", "2g", "--webui-port", "0", address]] * 2
    try:
        for number, (name, *arguments) in enumerate(daemons):
            work = tmp_path / f"daemon{number}"
            work.mkdir()
            log = (work / "log").open("w")
            started.append(
                subprocess.Popen(
                    [command[0], f"{command[1]}.{name}", *arguments], env=environment(work), stdout=log, stderr=log
                )
            )
        for _ in range(120):
            if sum("Registering worker" in line for line in (tmp_path / "daemon0" / "log").open()) == 2:
                break
            time.sleep(0.5)
        else:
            pytest.fail((tmp_path / "daemon0" / "log").read_text()[-2000:])
        yield address
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=30)


@pytest.mark.cluster
@pytest.mark.slow
def test_a_night_by_spark_submit_trains_on_two_executors(cluster, tmp_path):
    places = {
        "artifacts": "night/artifacts",
        "lake": {"path": "night/lake"},
    }  # the driver's folder, as in conf/weeks.yaml
    changes = {
        "spark": {"master": None},
        "training": {"launcher": None, "workers": 2},
        "augment": {"generators": [{"kind": "vae"}]},
        "evaluate": {"seeds": 1},
    }
    path = write_thin(tmp_path / "night", few_households(tmp_path), changes | places)
    command = [
        str(SPARK_HOME / "bin" / "spark-submit"),
        *("--master", cluster, "--executor-memory", "1g", "--driver-memory", "1g"),
        *("--driver-java-options", JAVA, "--conf", f"spark.executor.extraJavaOptions={BRIEF}"),
        *("--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.sql.shuffle.partitions=2"),
        *("--conf", "spark.databricks.delta.snapshotPartitions=2"),  # else 50 tasks read each small log
        # compiled for the driver and each executor anew, plans would take more than what is learnt here
        *("--conf", "spark.sql.codegen.wholeStage=false", "--conf", "spark.sql.codegen.factoryMode=NO_CODEGEN"),
        *(str(ROOT / "jobs" / "nightly.py"), "--config", str(path), "--date", DATE),
    ]
    ended = subprocess.run(
        command, env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=1500, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    summary = json.loads((path.parent / "artifacts" / DATE / "summary.json").read_text())
    assert summary["rows"]["candidates"] > 0
    assert summary["decision"] in ("publish", "hold")
    # each worker ran an executor, and a rank of the training in it
    executors = [next((tmp_path / f"daemon{worker}").glob("app-*/*/stderr")) for worker in (1, 2)]
    assert len({executor.parent.name for executor in executors}) == 2
    models = list((path.parent / "artifacts" / "models").glob("sasrec-*/meta.json"))
    assert len(models) == 2  # with and without generated rows
