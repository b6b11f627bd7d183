"""A real standalone cluster: a master and two workers of one core each, started here."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.standalone import SPARK_HOME, environment, standalone
from tests.conftest import BRIEF, PLACES_OF_TODAY, THIN_DAY, write_thin
from tests.faults.source import few_households

from recaug.session import LOCAL

ROOT = Path(__file__).parents[2]
DATE = THIN_DAY.isoformat()
JAVA = LOCAL["spark.driver.extraJavaOptions"]  # of the driver; five more, on two cores, do little


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Address of the master, once both workers have joined."""
    with standalone(tmp_path, 2, "2g", BRIEF) as address:
        yield address


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.skipif("cluster" not in PLACES_OF_TODAY, reason="its turn is another day's, or PLACES=cluster")
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
        command,
        env=environment(tmp_path, BRIEF),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
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
