"""conf/emr/: every JSON by AWS's own service models, every command line by running its plan."""

import datetime as dt
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyspark
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from tests.conftest import THIN_DAY

from recaug import cli
from recaug.config import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "conf" / "emr"
DAY = (THIN_DAY + dt.timedelta(days=1)).isoformat()


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def faults(service: str, operation: str, given: dict[str, Any]) -> str:
    """What AWS's model of a call says of its input; nothing where it is one."""
    model = ServiceModel(Loader().load_service_model(service, "service-2")).operation_model(operation)
    return str(ParamValidator().validate(given, model.input_shape).generate_report())


CALLS = {
    "cluster.json": ("emr", "RunJobFlow", lambda given: given),
    "steps.json": ("emr", "AddJobFlowSteps", lambda given: {"JobFlowId": "j-1", "Steps": given}),
    "serverless_application.json": ("emr-serverless", "CreateApplication", lambda given: given | {"clientToken": "a"}),
    "serverless_job.json": ("emr-serverless", "StartJobRun", lambda given: given),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_file_is_what_aws_takes(name: str) -> None:
    service, operation, wrapped = CALLS[name]
    assert faults(service, operation, wrapped(read(name))) == ""


def test_a_key_that_aws_does_not_know_is_noticed() -> None:
    assert "Instance" in faults("emr", "RunJobFlow", read("cluster.json") | {"Instance": {}})


def test_every_json_is_checked() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {*CALLS, "night.asl.json"}


def submitted() -> dict[str, list[str]]:
    """The words of each spark-submit, its job and the job's arguments among them."""
    (step,) = read("steps.json")
    driver = read("serverless_job.json")["jobDriver"]["sparkSubmit"]
    options = shlex.split(driver["sparkSubmitParameters"])
    return {
        "steps.json": step["HadoopJarStep"]["Args"][1:],
        "serverless_job.json": [*options, driver["entryPoint"], *driver["entryPointArguments"]],
    }


@pytest.mark.parametrize("name", ["steps.json", "serverless_job.json"])
def test_each_command_line_is_one_of_spark_submit_and_a_plan_of_the_job(
    name: str, here: None, thin_yaml: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = submitted()[name]
    (place,) = (number for number, word in enumerate(words) if word.endswith(".py"))
    options, job, arguments = words[:place], words[place], words[place + 1 :]
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    known = subprocess.run([submit, "--help"], capture_output=True, text=True, check=False)
    assert {word for word in options if word.startswith("--")} <= set(
        re.findall(r"--[a-z-]+", known.stdout + known.stderr)
    )
    files = [word for flag, word in pairwise(options) if flag == "--files"]
    assert [Path(file).name for file in files] == [arguments[arguments.index("--config") + 1]]
    assert (ROOT / "jobs" / Path(job).name).exists()
    assert "recaug.cli import main" in (ROOT / "jobs" / Path(job).name).read_text()

    there = {"DATE": DAY, "shop.yaml": str(thin_yaml())}
    assert cli.main([*(there.get(word, word) for word in arguments), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(f"night of {THIN_DAY}, run ")


def test_the_state_machine_runs_that_step_and_ends_the_cluster_whatever_comes() -> None:
    machine = read("night.asl.json")
    states = machine["States"]
    (step,) = read("steps.json")
    step["HadoopJarStep"]["Args"] = [
        "{% $date %}" if word == "DATE" else word for word in step["HadoopJarStep"]["Args"]
    ]
    assert states["Run the night"]["Arguments"]["Step"] == step
    nexts = {
        name: {state.get("Next"), *(each["Next"] for each in state.get("Catch", []))} for name, state in states.items()
    }
    assert set().union(*nexts.values()) - {None} == set(states) - {machine["StartAt"]}
    ends = {name for name, state in states.items() if state.get("End") or state["Type"] == "Fail"}
    assert {name for name, after in nexts.items() if after == {None}} == ends
    for name in nexts["Run the night"]:  # the way of a good night, and of a failed one
        way = [name]
        while (after := states[way[-1]].get("Next")) is not None:
            way.append(after)
        assert any(states[each].get("Resource", "").endswith("terminateCluster") for each in way)
    # so the cluster waits for its step, and ends by itself where the state machine is gone
    assert read("cluster.json")["Instances"]["KeepJobFlowAliveWhenNoSteps"]
    assert read("cluster.json")["AutoTerminationPolicy"]["IdleTimeout"] > 0
    call = {"name": "recaug", "roleArn": "arn:aws:iam::000000000000:role/recaug", "definition": json.dumps(machine)}
    assert faults("stepfunctions", "CreateStateMachine", call) == ""


def test_a_rank_has_a_gpu_and_every_core_of_its_executor() -> None:
    given = {each["Classification"]: each["Properties"] for each in read("cluster.json")["Configurations"]}
    spark, arguments = given["spark-defaults"], submitted()["steps.json"]
    assert spark["spark.task.cpus"] == spark["spark.executor.cores"]
    assert f"training.workers={spark['spark.executor.instances']}" in arguments
    assert given["delta-defaults"] == {"delta.enabled": "true"}


def test_the_shipped_configuration_loads_and_the_scripts_are_scripts() -> None:
    assert load(FOLDER / "shop.yaml").lake.path == "s3://BUCKET/recaug/lake"
    for script in ("pack.sh", "bootstrap.sh"):
        assert subprocess.run(["bash", "-n", FOLDER / script], check=False).returncode == 0
