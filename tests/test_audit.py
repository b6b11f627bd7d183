"""The audit: no known fault is pinned, and those of versions that setup.py allows say what follows."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from packaging.version import Version
from tests import audit

ROOT = Path(__file__).parents[1]


def test_no_known_fault_is_pinned_or_allowed_without_a_word() -> None:
    """T22."""
    assert audit.faults(audit.advisories(), audit.pinned(), audit.lowest()) == []


def test_the_lowest_versions_are_those_of_setup() -> None:
    """T22: pyarrow's floor was 14, below the first version without CVE-2023-47248."""
    floors = audit.lowest()
    assert floors["pyarrow"] == Version("14.0.1")
    assert floors["torch"] == Version("2.3")
    assert floors["setuptools"] == Version("0")


@pytest.mark.parametrize(
    ("pin", "floor", "follows", "said"),
    [
        ("1.0", "2.0", None, "conf/constraints.txt pins shop 1.0, 1.5 is the first"),
        ("2.0", "1.0", None, "setup.py allows shop 1.0; make it 1.5"),
        ("2.0", "1.5", "nothing", "setup.py allows no shop below 1.5; remove what follows"),
        (None, "1.5", None, "shop is pinned nowhere"),
    ],
)
def test_a_fault_is_told(pin: str | None, floor: str, follows: str | None, said: str) -> None:
    entry = {"package": "Shop", "id": "X-1", "fixed": "1.5", "date": "2026-01-01", "source": "s", "follows": follows}
    known = msgspec.convert({"read": "2026-01-01", "advisories": [entry]}, audit.Advisories)
    (line,) = audit.faults(known, {"shop": Version(pin)} if pin else {}, {"shop": Version(floor)})
    assert said in line


def test_bandit_has_nothing_to_say_of_lib_and_jobs() -> None:
    """What it should not speak of is marked where it stands, with a reason."""
    command = [sys.executable, "-m", "bandit", "-q", "-ll", "-r", "lib", "jobs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    marks = [
        line for file in (ROOT / "lib").rglob("*.py") for line in file.read_text().splitlines() if "# nosec" in line
    ]
    assert marks
    assert all(re.search(r"# nosec B\d+: \w+", line) for line in marks)
