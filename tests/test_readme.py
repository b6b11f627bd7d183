"""The commands and the YAML of README and of docs/ run as they stand there."""

import contextlib
import datetime as dt
import io
import json
import os
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyspark
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from tests.conftest import SMALL_PLANS
from tests.markdown import DOCS, README, ROOT, code, commands

from recaug.config import STAGES, convert, load
from recaug.config.text import parse

OPERATIONS = ROOT / "docs" / "operations.md"
COMMANDS = list(dict.fromkeys(command for page in (README, *DOCS) for command in commands(page)))
BESIDE = ("jobs/erase", "jobs/clean", "jobs/stream", "jobs/audit_privacy")  # of an own table, and no night
OWN_TABLE = [
    command
    for command in COMMANDS
    if "--config conf/shop.yaml" in command and not any(job in command for job in BESIDE)
]
(STREAM,) = (command for command in COMMANDS if "jobs/stream" in command and command.endswith("--once"))
NIGHTS = [command for command in COMMANDS if "jobs/nightly" in command]
AUDITS = [command for command in COMMANDS if "jobs/audit_privacy" in command]
(ERASE,) = (command for command in COMMANDS if "jobs/erase" in command)
(CLEAN,) = (command for command in COMMANDS if "jobs/clean" in command)
INIT, INIT_SEARCH = (command for command in COMMANDS if "jobs/init" in command)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's JSON lines of three weeks, and conf/shop.yaml with its places: README's brief one, docs/' whole one."""
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
    (folder / "items.csv").write_text("sku,name\n" + "".join(f"s{number},Thing {number}\n" for number in range(7)))
    judged = "".join(f"thing {number},s{number},{number % 3}\n" for number in range(7))
    (folder / "searches.csv").write_text(f"query,sku,relevance\n{judged}")
    for page, name in ((OPERATIONS, "shop.yaml"), (README, "brief.yaml")):
        values = shown(page)
        values["source"]["events"]["path"] = str(folder / "clicks")
        values["lake"]["path"], values["artifacts"] = str(folder / "lake"), str(folder / "artifacts")
        values.setdefault("spark", {}).setdefault("settings", {}).update(SMALL_PLANS)
        (folder / name).write_text(yaml.safe_dump(values))
    return folder


def shown(page: Path) -> Any:
    """The YAML that a page shows first."""
    return blocks(page)[0]


def blocks(page: Path) -> list[Any]:
    """What YAML a page shows."""
    shown = (block for block in code(page) if block.startswith("```yaml"))
    return [parse(block.removeprefix("```yaml").removesuffix("```")) for block in shown]


@pytest.mark.parametrize("page", [OPERATIONS, README], ids=lambda page: page.name)
def test_sections_that_a_page_shows_go_with_its_first_file(page: Path) -> None:
    whole, *sections = blocks(page)
    for section in ({}, *sections):
        assert convert(whole | section).hash


@pytest.fixture
def in_session(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs find the tests' session, as they find the one of Databricks; it is then as it was."""
    before = {key: spark.conf.get(key) for key in ("spark.sql.session.timeZone", "spark.sql.shuffle.partitions")}
    monkeypatch.setattr(type(spark), "stop", lambda _: None)
    monkeypatch.chdir(ROOT)
    yield
    for key, value in before.items():
        spark.conf.set(key, value)


def run(commands: list[str]) -> list[str]:
    """Run each line's job as __main__, each of which must end well, and give what each printed."""
    printed = []
    for command in commands:
        words, out = shlex.split(command)[1:], io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patched,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            pytest.raises(SystemExit) as ended,
        ):
            patched.setattr(sys, "argv", words)
            runpy.run_path(words[0], run_name="__main__")
        assert ended.value.code == 0, f"{command}\n{out.getvalue()}"
        printed.append(out.getvalue())
    return printed


# Java lives for one small stage.
BRIEF = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"}
# A cluster's own 200 and 50 tasks, for some hundred rows, would take a minute.
ONE_TASK = ["--conf", "spark.sql.shuffle.partitions=1", "--conf", "spark.databricks.delta.snapshotPartitions=1"]


def submit(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line with the spark-submit beside this interpreter, on two local cores in place of a cluster."""
    words = shlex.split(command)
    words[0] = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
    words[words.index("--master") + 1] = "local[2]"
    words[1:1] = ONE_TASK
    environment = os.environ | BRIEF | {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_readme_names_commands() -> None:
    assert {"make demo", "make test", INIT} <= set(commands(README))
    assert set(OWN_TABLE[:2]) == {command for command in OWN_TABLE if command in commands(README)}
    assert set(commands(README)) <= set(commands(OPERATIONS))
    assert len(OWN_TABLE) >= 5
    assert AUDITS
    assert any(command.startswith("spark-submit") for command in OWN_TABLE)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_a_target_is_there(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def given(command: str, option: str) -> list[str]:
    """What a command gives for an option, each time that it does."""
    words = shlex.split(command)
    return [value for name, value in pairwise(words) if name == option]


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--config conf/" in command])
def test_what_a_command_sets_is_a_setting(command: str) -> None:
    (config,) = given(command, "--config")
    if config != "conf/shop.yaml":
        assert load(config, given(command, "--set")).hash
    for stages in given(command, "--stages"):
        assert {*stages.split(",")} <= {*STAGES}


def readable(command: str) -> bool:
    """Whether a shipped configuration's log is there: some lie beside the project, where there are any."""
    if command in OWN_TABLE:
        return False
    source = load(given(command, "--config")[0]).source
    logs = [log for log in (*source.logs, source.search) if log is not None]
    return not any(log.path.startswith("../shared") and not (ROOT / log.path).exists() for log in logs)


@pytest.mark.slow
def test_the_commands_of_nights_run(shop: Path, in_session: None) -> None:
    """One session plans the shipped configurations and an own table's nights, and takes its log in."""
    lines = [command.replace("conf/shop.yaml", str(shop / "shop.yaml")) for command in OWN_TABLE]
    # the backfill's nights are planned only, and two of the 23
    lines = [line.replace("--until 2026-11-23", "--until 2026-11-02") for line in lines]
    plans = [
        line if "--dry-run" in line else f"{line} --dry-run" for line in lines if "-run" in line or "--until" in line
    ]
    first = {given(command, "--config")[0]: command for command in reversed(NIGHTS) if readable(command)}
    shipped = [f"{command} --dry-run" for command in first.values()]  # one a configuration
    nights = [f"{line} --stages ingest" for line in lines if "-run" not in line and "--until" not in line]
    assert "--resume" in nights[1]
    (shop / "erased.txt").write_text("v1\n")
    erase = ERASE.replace("conf/shop.yaml", str(shop / "shop.yaml")).replace("erased.txt", str(shop / "erased.txt"))
    propose, propose_search = (
        line.replace("/mnt/shop", str(shop)).replace("conf/", f"{shop}/proposed_") for line in (INIT, INIT_SEARCH)
    )
    brief = plans[0].replace("shop.yaml", "brief.yaml")  # README's own
    stream = STREAM.replace("conf/shop.yaml", str(shop / "shop.yaml"))
    clean = CLEAN.replace("conf/shop.yaml", str(shop / "shop.yaml"))
    *planned, taken, again, erased, cleaned, streamed, proposed, searched = run(
        [*shipped, brief, *plans, *nights[:2], erase, clean, stream, propose, propose_search]
    )
    columns = load(shop / "proposed_shop.yaml").source.events.columns
    assert (columns["user_id"], columns["item_id"]) == ("visitor", "sku")
    assert f"jobs/nightly.py --config {shop / 'proposed_shop.yaml'} --date 2026-11-" in proposed
    assert load(shop / "proposed_search.yaml").tasks == ["search"]
    assert "7 rows: 7 judgements, 0 to quarantine" in searched
    for line, printed in zip([*shipped, brief, *plans], planned, strict=True):
        assert "rows to ingest" in printed or "no events to ingest" in printed  # of search alone
        assert "--until" in line or line in shipped or "230 rows to ingest" in printed
    assert "230 rows_in" in taken
    assert "skipped" in again
    events = DeltaTable(str(shop / "lake" / "events")).get_add_actions(flatten=True).column("num_records").to_pylist()
    assert sum(events) == 23 * 8  # the account of the testers is no customer, and v1 is erased
    assert "events             23 rows deleted" in erased
    assert "kept: 1 of 1 nights, from 2026-11-23 on" in cleaned
    assert "230 rows: 0 events" in streamed  # the night has taken these days
    assert "nothing is left to take" in streamed
    (submitted,) = nights[2:]
    done = submit(submitted)
    assert done.returncode == 0, done.stderr
    assert "207 rows_in" in done.stdout  # v1 is read no more


@pytest.mark.parametrize("command", AUDITS)
def test_the_command_of_an_audit_names_a_job_and_a_night(command: str) -> None:
    words = shlex.split(command)
    assert (ROOT / words[1]).exists()
    assert dt.date.fromisoformat(words[words.index("--date") + 1])


@pytest.mark.parametrize("command", [command for command in COMMANDS if "jobs/benchmark" in command])
def test_the_command_of_a_benchmark_names_one(command: str) -> None:
    words = shlex.split(command)
    assert (ROOT / words[1]).exists()
    config = load(words[words.index("--config") + 1])
    sections = {"augmentation": config.learning_curve, "recommenders": config.benchmark, "search": config.source.search}
    assert sections[Path(words[1]).stem.removeprefix("benchmark_")] is not None


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "jobs/complete" in command or "jobs/generate" in command]
)
def test_the_command_of_a_catalogue_job_names_one(command: str) -> None:
    words = shlex.split(command)
    assert (ROOT / words[1]).exists()
    config = load(words[words.index("--config") + 1])
    assert (config.images if "generate" in words[1] else config.attributes) is not None
