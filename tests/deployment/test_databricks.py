"""conf/databricks/: every resource by Databricks' own types, every command line by running its plan."""

import datetime as dt
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY

from recaug import wheel
from recaug.config import Config, load
from recaug.lake import runs
from recaug.lake.contracts import TABLES
from recaug.lake.tables import Lake

FOLDER = Path(__file__).parents[2] / "conf" / "databricks"
TYPES = {"jobs": Job, "schemas": Schema, "volumes": Volume}
BUNDLE = yaml.safe_load((FOLDER / "databricks.yml").read_text())
TARGETS = ["dev", "test", "staging", "prod", "prod_15_4"]
REFERENCE = re.compile(r"\$\{([^}]+)\}")


def resources() -> dict[str, dict[str, Any]]:
    """Kind -> name -> resource, of every file that the bundle includes."""
    (pattern,) = BUNDLE["include"]
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(FOLDER.glob(pattern)):
        for kind, named in yaml.safe_load(file.read_text())["resources"].items():
            found.setdefault(kind, {}).update(named)
    return found


def bundle(target: str, **given: str) -> dict[str, dict[str, Any]]:
    """The resources of a target, every reference resolved; given: variables, as --var gives them."""
    found = resources()
    own = BUNDLE["targets"][target].get("variables", {})
    variables = {name: said.get("default", f"id-of-{name}") for name, said in BUNDLE["variables"].items()} | own | given
    known = {
        "var": variables,
        "bundle": {"name": BUNDLE["bundle"]["name"], "target": target},
        "workspace": {"file_path": str(FOLDER)},
        "resources": found,
    }

    def text(value: str) -> Any:
        looked = [reduce(lambda at, key: at[key], name.split("."), known) for name in REFERENCE.findall(value)]
        if len(looked) == 1 and REFERENCE.fullmatch(value):
            return resolved(looked[0])  # a number stays one
        return REFERENCE.sub(lambda match: str(resolved(looked.pop(0))), value)

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(each) for key, each in value.items()}
        if isinstance(value, list):
            return [resolved(each) for each in value]
        return text(value) if isinstance(value, str) else value

    whole: dict[str, dict[str, Any]] = resolved(found)
    return whole


def wheel_tasks(target: str, **given: str) -> list[dict[str, Any]]:
    return [task for task in bundle(target, **given)["jobs"]["nightly"]["tasks"] if "python_wheel_task" in task]


def test_the_targets_are_those_that_are_tested() -> None:
    assert list(BUNDLE["targets"]) == TARGETS
    assert [name for name, target in BUNDLE["targets"].items() if target.get("default")] == ["dev"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_resource_is_of_databricks_own_types(target: str) -> None:
    for kind, named in bundle(target).items():
        for name, resource in named.items():
            loaded = TYPES[kind].from_dict(resource)  # raises for an unknown field or a value of another type
            assert loaded.name, name
            assert "${" not in str(loaded)


def test_a_field_that_databricks_does_not_know_is_noticed() -> None:
    job = bundle("dev")["jobs"]["nightly"]
    with pytest.raises(ValueError, match="retries"):
        Job.from_dict(job | {"tasks": [job["tasks"][0] | {"retries": 2}]})


def test_the_tasks_are_the_stages_of_a_night_in_their_order_on_clusters_that_are_there() -> None:
    job = bundle("prod")["jobs"]["nightly"]
    clusters = {each["job_cluster_key"]: each["new_cluster"] for each in job["job_clusters"]}
    stages, before = [], None
    for task in wheel_tasks("prod"):
        (given,) = (word for word in task["python_wheel_task"]["parameters"] if word.startswith("--stages="))
        stages += given.removeprefix("--stages=").split(",")
        assert [each["task_key"] for each in task.get("depends_on", [])] == ([before] if before else [])
        trains = not {"train", "evaluate", "refit"}.isdisjoint(given.removeprefix("--stages=").split(","))
        assert ("gpu" in clusters[task["job_cluster_key"]]["spark_version"]) == trains
        before = task["task_key"]
    assert stages == list(load(FOLDER / "shop.yaml").stages)
    # runs on Spark's Java side, and so on dedicated access alone
    assert {cluster["data_security_mode"] for cluster in clusters.values()} == {"SINGLE_USER"}


@pytest.mark.parametrize("target", ["prod", "prod_15_4"])
def test_each_task_is_a_plan_that_the_wheel_makes(
    target: str,
    spark: SparkSession,
    here: None,
    thin_yaml: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    night, after = thin_yaml({"lake": {"path": None, "catalog": "main.shop"}}), THIN_DAY + dt.timedelta(days=1)
    for task in wheel_tasks(target, catalog="spark_catalog", config=str(night)):
        called = task["python_wheel_task"]
        words = [
            word.replace("{{job.parameters.date}}", after.isoformat()).replace(f"{FOLDER}/", "")
            for word in called["parameters"]
        ]
        words = [word for word in words if "/Volumes/" not in word]  # there is none here
        assert not [word for word in words if "{{" in word or "${" in word]
        monkeypatch.setattr(sys, "argv", [called["entry_point"], *words, "--dry-run"])
        getattr(wheel, called["entry_point"].removeprefix("recaug-"))()
        plan = capsys.readouterr().out
        assert plan.startswith(f"night of {THIN_DAY}, run ")
        assert "lake: spark_catalog.recaug" in plan


def test_a_date_that_the_scheduler_did_not_fill_in_fails_the_task(
    thin_yaml: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", str(thin_yaml()), "--date", "{{job.parameters.date}}"]
    monkeypatch.setattr(sys, "argv", ["recaug-nightly", *words])
    with pytest.raises(SystemExit) as ended:
        wheel.nightly()
    assert ended.value.code == 2
    assert "not a date" in capsys.readouterr().err


def test_the_shipped_configuration_and_the_wheels_build_are_there() -> None:
    assert load(FOLDER / BUNDLE["variables"]["config"]["default"]).lake.catalog == "main.recaug"
    artifact = BUNDLE["artifacts"]["recaug"]
    assert (FOLDER / artifact["path"] / "setup.py").exists()
    assert shlex.split(artifact["build"])[-3:] == ["--wheel-dir", "dist", "."]
    for task in wheel_tasks("dev"):
        (library,) = task["libraries"]
        place = (FOLDER / "resources" / library["whl"]).resolve()
        assert place.parent == (FOLDER / artifact["path"] / "dist").resolve()


# --- bounds.sql, over what a night recorded


def bounds(spark: SparkSession, lake: Lake, **given: str) -> str:
    task = next(task for task in bundle("prod")["jobs"]["nightly"]["tasks"] if "sql_task" in task)["sql_task"]
    after = (THIN_DAY + dt.timedelta(days=1)).isoformat()
    values = task["parameters"] | {"runs": lake.location("runs"), "date": after} | given
    text = (FOLDER / "resources" / task["file"]["path"]).read_text()
    assert set(re.findall(r"(?<!:):([a-z_]+)", text)) == set(task["parameters"])
    return str(spark.sql(text, args=values).collect()[0]["bounds"])


@pytest.fixture
def recorded(spark: SparkSession, night: tuple[Config, dict[str, Any]]) -> Iterator[Lake]:
    """A lake in the catalogue with the night's runs alone."""
    spark.sql("CREATE DATABASE IF NOT EXISTS bounds")
    lake = Lake(spark, catalog="bounds")
    rows = spark.read.format("delta").load(f"{night[0].lake.path}/runs")
    rows.write.format("delta").partitionBy(*TABLES["runs"].partitioned_by).saveAsTable("bounds.runs")
    yield lake
    spark.sql("DROP DATABASE bounds CASCADE")


def test_a_good_night_violates_no_bound(spark: SparkSession, recorded: Lake) -> None:
    assert bounds(spark, recorded) == "no bound is violated"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_cpu_minutes": "0.001"}, r"the night cost [\d.,]+ CPU minutes, more than 0.001"),
        ({"date": "2017-03-01"}, "the night has no report"),
        ({"max_holds": "0"}, "the last 1 nights held, more than 0 in a row"),
    ],
)
def test_a_violated_bound_is_an_error(spark: SparkSession, recorded: Lake, given: dict[str, str], said: str) -> None:
    if "max_holds" in given:
        recorded.delta("runs").update("stage = 'evaluate'", {"decision": "'hold'"})
    with pytest.raises(Exception, match=said):
        bounds(spark, recorded, **given)


def test_a_stage_that_failed_and_a_warning_are_violations(spark: SparkSession, recorded: Lake) -> None:
    said = """'{"warnings": ["lift: 0.500 is far"]}'"""
    recorded.delta("runs").update("stage = 'ingest'", {"metrics": said})
    began = dt.datetime(2036, 1, 1)
    runs.fail(recorded, runs.Attempt("a run", THIN_DAY, "publish", began), "no space left on device")
    with pytest.raises(Exception, match="ingest: lift: 0.500 is far\nstage publish.attempt failed: no space left"):
        bounds(spark, recorded)
