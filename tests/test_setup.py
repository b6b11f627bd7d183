"""The wheel, the pinned constraints, the environment script and the closing line of CI."""

import ast
import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests import conftest

ROOT = Path(__file__).parents[1]
RUNTIMES = sorted((ROOT / "conf" / "constraints").glob("*.txt"))

# What Databricks 15.4 LTS ML has of our base requirements; msgspec is the one package that it lacks.
DATABRICKS_15_4 = {
    "numpy": "1.23.5",
    "pandas": "1.5.3",
    "pyarrow": "14.0.1",
    "scipy": "1.11.1",
    "matplotlib": "3.7.2",
    "jinja2": "3.1.2",
    "pyyaml": "6.0",
    "tqdm": "4.65.0",
    "psutil": "5.9.0",
    "mlflow-skinny": "2.19.0",
    "requests": "2.31.0",
    "charset-normalizer": "2.0.4",
    "pillow": "9.4.0",
    "safetensors": "0.4.2",
    "scikit-learn": "1.3.0",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy, so that the checkout gets no build folder."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "lib", source / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(out), "."]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("recaug-*.whl")))


@pytest.fixture(scope="module")
def requirements(wheel: zipfile.ZipFile) -> list[Requirement]:
    """Every requirement of the wheel, those of the extras included."""
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return [Requirement(line) for line in email.message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist", [])]


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    """Package to version of conf/constraints.txt; each line must be NAME==VERSION or a comment."""
    return pinned(ROOT / "conf" / "constraints.txt")


def pinned(file: Path) -> dict[str, Version]:
    lines = [line.split("==") for line in file.read_text().splitlines() if line and not line.startswith("#")]
    names = [canonicalize_name(name) for name, _ in lines]
    assert len(names) == len(set(names)), "a package is pinned twice"
    return {name: Version(version) for name, (_, version) in zip(names, lines, strict=True)}


def test_the_base_install_leaves_databricks_as_it_is(requirements: list[Requirement]) -> None:
    base = {canonicalize_name(wanted.name): wanted for wanted in requirements if wanted.marker is None}
    assert set(base) - set(DATABRICKS_15_4) == {"msgspec"}
    upgraded = [
        str(wanted) for name, wanted in base.items() if not wanted.specifier.contains(DATABRICKS_15_4.get(name, "1"))
    ]
    assert upgraded == []


def test_the_wheel_asks_for_every_package_that_the_code_imports(requirements: list[Requirement]) -> None:
    asked = {canonicalize_name(wanted.name) for wanted in requirements} | {"recaug"}
    distributions = packages_distributions()
    imported: dict[str, str] = {}
    for path in (ROOT / "lib" / "recaug").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            imported |= {module.split(".")[0]: f"{path.relative_to(ROOT)} imports {module}" for module in modules}
    undeclared = [
        where
        for module, where in imported.items()
        if module not in sys.stdlib_module_names
        and asked.isdisjoint(canonicalize_name(name) for name in distributions.get(module, [module]))
    ]
    assert undeclared == []


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = {
        str(path.relative_to(ROOT / "lib"))
        for path in (ROOT / "lib" / "recaug").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there


def test_the_wheel_plans_a_night_without_a_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    place = tmp_path / "packages"  # before what the environment has of recaug
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*command, str(wheel.filename)], check=True, capture_output=True)
    script = place / "bin" / "recaug-nightly"
    assert {path.name for path in script.parent.iterdir()} == {
        f"recaug-{name}" for name in ("nightly", "init", "stream", "erase", "clean")
    }
    own = os.environ | {"PYTHONPATH": str(place)}
    where = [sys.executable, "-c", "import recaug.wheel; print(recaug.wheel.__file__)"]
    there = subprocess.run(where, env=own, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert there.startswith(str(place))

    shutil.copy(ROOT / "conf" / "demo.yaml", tmp_path / "night.yaml")
    plan = [str(script), "--config", "night.yaml", "--date", "2017-02-05", "--days-before", "1", "--dry-run"]
    done = subprocess.run([sys.executable, *plan], env=own, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("night of 2017-02-04, run ")
    wrong = [*plan[:4], "tomorrow"]
    assert subprocess.run([sys.executable, *wrong], env=own, cwd=tmp_path, check=False).returncode == 2


def disallowed(requirements: list[Requirement], pins: dict[str, Version], absent: set[str]) -> list[str]:
    """What is pinned to a version that setup.py does not allow, or not at all. absent: packages without a pin."""
    wanted = [each for each in requirements if canonicalize_name(each.name) not in absent]
    return [
        str(each)
        for each in wanted
        if not ((pin := pins.get(canonicalize_name(each.name))) and each.specifier.contains(pin))
    ]


def test_every_requirement_is_pinned_to_a_version_that_it_allows(
    requirements: list[Requirement], pins: dict[str, Version]
) -> None:
    assert disallowed(requirements, pins, {"horovod"}) == []  # .ci/horovod builds it


@pytest.mark.parametrize("row", RUNTIMES, ids=lambda path: path.stem)
def test_a_runtimes_pins_are_versions_that_setup_allows_without_horovod_and_petastorm(
    row: Path, requirements: list[Requirement]
) -> None:
    without = [each for each in requirements if "petastorm" not in str(each.marker)]
    own = pinned(row)
    assert disallowed(without, own, {"horovod"}) == []
    assert own.keys().isdisjoint({"horovod", "petastorm"})


def test_horovod_is_built_in_the_version_that_the_wheel_asks_for(requirements: list[Requirement]) -> None:
    built = re.search(r"^version=(.+)$", (ROOT / ".ci" / "horovod").read_text(), re.MULTILINE)
    assert built
    assert [str(wanted.specifier) for wanted in requirements if wanted.name == "horovod"] == [f"=={built[1]}"]


@pytest.mark.parametrize(
    ("there", "missing"),
    [(["python"], "g++"), (["g++"], "Python 3.11")],
    ids=["no g++", "no Python"],
)
def test_setup_says_in_one_line_what_the_machine_lacks(tmp_path: Path, there: list[str], missing: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "find", "head", "sed", "uname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    if "python" in there:
        (tools / "python3.11").symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
    if "g++" in there:
        (tools / "g++").symlink_to("/bin/true")
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "conf").mkdir()
    shutil.copy(ROOT / "conf" / "constraints.txt", tmp_path / "conf")

    done = subprocess.run(
        [tmp_path / ".ci" / "environment"],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"found no {missing}" in done.stderr
    assert not (tmp_path / ".venv").exists()


SOME_TESTS = """
import pytest

def test_good(): pass

def test_skipped(): pytest.skip("no GPU")

@pytest.fixture
def broken(): raise OSError

BAD
"""


def closing_line(junit: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as .ci/run does."""
    command = [sys.executable, str(ROOT / ".ci" / "closing_line.py"), str(junit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("bad", "line", "code"),
    [
        ("", "1 passed, 0 failed, 1 skipped", 0),
        ("def test_bad(): assert 1 == 2", "1 passed, 1 failed, 1 skipped", 1),
        ("def test_error(broken): pass", "1 passed, 1 failed, 1 skipped", 1),
        ("import no_such_module", "0 passed, 1 failed", 1),
    ],
    ids=["good", "a failure", "an error in a fixture", "an error at import"],
)
def test_the_closing_line_counts_what_pytest_ran(tmp_path: Path, bad: str, line: str, code: int) -> None:
    (tmp_path / "test_some.py").write_text(SOME_TESTS.replace("BAD", bad))
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    subprocess.run([*command, "--junitxml=tests.xml"], cwd=tmp_path, check=False, capture_output=True)

    done = closing_line(tmp_path / "tests.xml")

    assert (done.stdout.strip(), done.returncode) == (line, code)


def test_a_run_that_died_closes_as_failed(tmp_path: Path) -> None:
    done = closing_line(tmp_path / "tests.xml")
    assert (done.stdout.strip(), done.returncode) == ("0 passed, 1 failed", 1)


@pytest.mark.parametrize(
    ("failing", "line"),
    [
        ("none", "2 passed, 0 failed"),
        ("lint", "2 passed, 0 failed"),
        ("demo", "2 passed, 0 failed"),
        ("test", "0 passed, 1 failed"),
    ],
)
def test_ci_runs_every_step_and_closes_with_the_count(tmp_path: Path, failing: str, line: str) -> None:
    checkout = tmp_path / "checkout"  # of its own folder: beside it lies no shared/
    shutil.copytree(ROOT / ".ci", checkout / ".ci")
    report = '<testsuites><testsuite tests="2" failures="0" errors="0" skipped="0"/></testsuites>'
    (checkout / "Makefile").write_text(
        f"FAILING := {failing}\n"
        "lint test demo:\n"
        "\t@[ $@ != $(FAILING) ]\n"
        f"\t@[ $@ != test ] || {{ mkdir -p build/ci; echo '{report}' > build/ci/tests.xml; }}\n"
        "\t@touch done-$@\n"
    )

    done = subprocess.run(["bash", ".ci/run"], cwd=checkout, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1] == line
    assert (done.returncode == 0) == (failing == "none")
    assert {path.name for path in checkout.glob("done-*")} == {"done-lint", "done-test", "done-demo"} - {
        f"done-{failing}"
    }


def test_a_slow_test_that_would_begin_too_late_is_left_out_and_others_are_not(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "UNTIL", 0.0)
    conftest.pytest_runtest_setup(request.node)
    request.node.add_marker("slow")
    with pytest.raises(pytest.skip.Exception, match="the time for tests is over"):
        conftest.pytest_runtest_setup(request.node)
    monkeypatch.setattr(conftest, "UNTIL", float("inf"))
    conftest.pytest_runtest_setup(request.node)
