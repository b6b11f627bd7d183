"""The commands and the YAML of README run as they stand there."""

import datetime as dt
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest
import yaml
from deltalake import DeltaTable

from recaug.config import load

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
# indented lines that start with a command; what follows # is a comment
COMMANDS = [
    line.split("#")[0].strip() for line in re.findall(r"^    ((?:make|\.venv/bin/python|spark-submit) .*)$", TEXT, re.M)
]
OWN_TABLE = [command for command in COMMANDS if "conf/shop.yaml" in command]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's JSON lines of three weeks, and conf/shop.yaml: the demo's with README's sections in place of its own."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "clicks").mkdir()
    midnight = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    rows = [
        {
            "visitor": f"qa-{user}" if user == 0 else f"v{user}",
            "sku": f"s{(user * day) % 7}",
            "ts": int((midnight + dt.timedelta(days=day, hours=8 + user)).timestamp() * 1000),
            "action": ("view", "add", "buy")[day % 3],
            "price": 1999,
            "session": f"{user}-{day}",
            "order_id": f"{user}-{day}",
        }
        for day in range(23)
        for user in range(10)
    ]
    (folder / "clicks" / "log.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = yaml.safe_load((ROOT / "conf" / "demo.yaml").read_text())
    (given,) = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S))
    values["source"] = given["source"]
    values["source"]["events"]["path"] = str(folder / "clicks")
    values["prepare"] |= given["prepare"]
    values["lake"]["path"], values["artifacts"] = str(folder / "lake"), str(folder / "artifacts")
    (folder / "shop.yaml").write_text(yaml.safe_dump(values))
    return folder


# Runs job after job as __main__, and prints each one's exit code.
ONE_BY_ONE = """
import json, runpy, sys
for words in json.loads(sys.argv[1]):
    sys.argv = words
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        print(f"--- exit {end.code}", flush=True)
"""


def run(commands: list[str]) -> list[str]:
    """Run lines in one process with this interpreter, each of which must end well, and give what each printed."""
    jobs = [shlex.split(command)[1:] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, json.dumps(jobs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    printed = re.split(r"^--- exit ", done.stdout, flags=re.M)
    assert [rest.split()[0] for rest in printed[1:]] == ["0"] * len(commands), done.stdout + done.stderr
    return printed[:-1]


def submit(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line with the spark-submit beside this interpreter, on two local cores in place of a cluster."""
    words = shlex.split(command)
    words[0] = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
    words[words.index("--master") + 1] = "local[2]"
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_readme_names_commands() -> None:
    assert {"make demo", "make test"} <= set(COMMANDS)
    assert len(OWN_TABLE) >= 5
    assert any(command.startswith("spark-submit") for command in OWN_TABLE)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_a_target_is_there(command: str) -> None:
    done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_commands_for_an_own_table_run(shop: Path) -> None:
    lines = [command.replace("conf/shop.yaml", str(shop / "shop.yaml")) for command in OWN_TABLE]
    # the backfill's nights are planned only, and two of the 23
    lines = [line.replace("--until 2026-11-23", "--until 2026-11-02") for line in lines]
    plans = [
        line if "--dry-run" in line else f"{line} --dry-run" for line in lines if "-run" in line or "--until" in line
    ]
    for line, printed in zip(plans, run(plans), strict=True):
        assert "rows to ingest" in printed
        assert "--until" in line or "230 rows to ingest" in printed
    assert not (shop / "lake").exists()
    nights = [f"{line} --stages ingest" for line in lines if "-run" not in line and "--until" not in line]
    assert "--resume" in nights[1]
    first, again = run(nights[:2])
    assert "230 rows_in" in first
    assert "skipped" in again
    events = DeltaTable(str(shop / "lake" / "events")).get_add_actions(flatten=True).column("num_records").to_pylist()
    assert sum(events) == 23 * 9  # the account of the testers is no customer
    (submitted,) = nights[2:]
    done = submit(submitted)
    assert done.returncode == 0, done.stderr
    assert "230 rows_in" in done.stdout


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "jobs/nightly" in command and command not in OWN_TABLE]
)
def test_the_command_of_a_shipped_configuration_has_a_plan(command: str) -> None:
    path = load(shlex.split(command)[shlex.split(command).index("--config") + 1]).source.events.path
    if path.startswith("../shared") and not (ROOT / path).exists():
        pytest.skip(f"the data beside the project are not there: {path}")
    (printed,) = run([f"{command} --dry-run"])
    assert "rows to ingest" in printed


@pytest.mark.parametrize("command", [command for command in COMMANDS if "jobs/benchmark" in command])
def test_the_command_of_a_benchmark_names_one(command: str) -> None:
    words = shlex.split(command)
    assert (ROOT / words[1]).exists()
    config = load(words[words.index("--config") + 1])
    assert (config.learning_curve if words[1].endswith("augmentation.py") else config.benchmark) is not None


@pytest.mark.parametrize("command", [command for command in COMMANDS if "jobs/complete" in command])
def test_the_command_of_a_completion_names_one(command: str) -> None:
    words = shlex.split(command)
    assert (ROOT / words[1]).exists()
    config = load(words[words.index("--config") + 1])
    assert config.attributes is not None
    assert config.source.items is not None
