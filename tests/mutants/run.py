"""Mutants of lib: `make mutants` puts one wrong line at a time into a copy of the tree, and a test must fail.

mutants.yaml lists them. A mutant is found by its text and a test by its name, so that both may move from file to file.
What it says of each mutant:

- killed: one of its tests failed, or hung. It names that test.
- survived: its tests passed with the wrong line.
- not found: its text does not stand in one place of lib, or one of its tests is not there.
- not run: pytest could not run them.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

ROOT = Path(__file__).parents[2]
NEEDED = ("lib", "tests", "conf", "jobs", "pyproject.toml")  # of the tree, for the tests to run
SECONDS = 900  # after so many a test hangs
PASSED, FAILED = 0, 1  # exit codes of pytest; others are of a pytest that could not run


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wrong line. See mutants.yaml for the fields."""

    id: str
    breaks: str
    old: str
    tests: list[str]
    new: str = ""
    survived_before: bool = False


class Outcome(NamedTuple):
    """verdict: killed, survived, not found or not run; why: the test that failed, or what is missing."""

    mutant: Mutant
    verdict: str
    why: str
    seconds: float = 0.0


class MissingError(Exception):
    """What a mutant names is not there, or more than once."""


def load() -> list[Mutant]:
    """Read the list."""
    return msgspec.yaml.decode(Path(__file__).with_name("mutants.yaml").read_bytes(), type=list[Mutant])


def place(mutant: Mutant, root: Path) -> Path:
    """Find the file of lib that holds the mutant's text. Raises MissingError where it stands in no place or several."""
    files = {file: file.read_text().count(mutant.old) for file in sorted((root / "lib" / "recaug").rglob("*.py"))}
    holding = [file for file, times in files.items() if times]
    if sum(files.values()) != 1:
        where = ", ".join(str(file.relative_to(root)) for file in holding) or "lib"
        raise MissingError(f"{mutant.old!r} stands {sum(files.values())} times in {where}")
    return holding[0]


def node_ids(mutant: Mutant, root: Path) -> list[str]:
    """Find the mutant's tests: ids of pytest. Raises MissingError for a name of no test or of several."""
    ids = []
    for name in mutant.tests:
        stem, _, function = name.rpartition("::")
        files = [
            file
            for file in sorted((root / "tests").rglob(f"{stem or 'test_*'}.py"))
            if re.search(rf"^def {function}\(", file.read_text(), re.MULTILINE)
        ]
        if len(files) != 1:
            raise MissingError(f"{len(files)} files have a test {name}")
        ids.append(f"{files[0].relative_to(root)}::{function}")
    return ids


def apply(mutant: Mutant, root: Path) -> tuple[Path, str]:
    """Put the wrong line in. Returns the file and its text as it was."""
    file = place(mutant, root)
    text = file.read_text()
    file.write_text(text.replace(mutant.old, mutant.new))
    return file, text


def copy_tree(folder: Path) -> Path:
    """Copy what the tests need, without bytecode: Python must never take an old line for the new one."""
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_tests(ids: Iterable[str], root: Path) -> tuple[int, str]:
    """Run tests of a copy in a process of their own. Returns pytest's exit code and the first test that failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *ids]
    brief = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}  # no session lives long
    env = os.environ | brief | {"PYTHONPATH": str(root / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return FAILED, f"still running after {SECONDS} s"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    return process.returncode, failed[1] if failed else said.strip().rpartition("\n")[2]


def judge(mutant: Mutant, root: Path) -> Outcome:
    """Put a mutant into a copy, run its tests, and take it out again."""
    started = time.monotonic()
    try:
        ids = node_ids(mutant, root)
        file, text = apply(mutant, root)
    except MissingError as error:
        return Outcome(mutant, "not found", str(error))
    try:
        code, why = run_tests(ids, root)
    finally:
        file.write_text(text)
    verdict = {PASSED: "survived", FAILED: "killed"}.get(code, "not run")
    return Outcome(mutant, verdict, why, time.monotonic() - started)


def judge_all(mutants: Sequence[Mutant], jobs: int) -> Iterator[Outcome]:
    """Judge mutants, so many at a time, each in a copy of the tree that no other uses meanwhile."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for job in range(jobs):
            (Path(folder) / str(job)).mkdir()
            copies.put(copy_tree(Path(folder) / str(job)))

        def judged(mutant: Mutant) -> Outcome:
            root = copies.get()
            try:
                return judge(mutant, root)
            finally:
                copies.put(root)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(judged, mutants)


def fails_without(mutants: Sequence[Mutant]) -> str | None:
    """Run the tests of all of these on lib as it is. Returns the first that fails, which would kill any mutant."""
    ids = dict.fromkeys(name for mutant in mutants for name in node_ids(mutant, ROOT))
    with TemporaryDirectory(prefix="mutants-") as folder:
        code, why = run_tests(ids, copy_tree(Path(folder)))
    return None if code == PASSED else why


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the mutants that are asked for. Returns 1 if one survived, is not found or could not be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", help="only these mutants")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (2)")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a mutant first")
    asked = parser.parse_args(arguments)
    mutants = [mutant for mutant in load() if not asked.ids or mutant.id in asked.ids]
    if unknown := set(asked.ids) - {mutant.id for mutant in mutants}:
        parser.error(f"no mutant {', '.join(sorted(unknown))}")
    if not asked.trust and (failed := fails_without(mutants)):
        print(f"{failed} fails without any mutant")
        return 1
    counts: Counter[str] = Counter()
    for mutant, verdict, why, seconds in judge_all(mutants, asked.jobs):
        counts[verdict] += 1
        print(f"{verdict:<9} {seconds:4.0f} s  {mutant.id}: {mutant.breaks} ({why})", flush=True)
    print(f"of {len(mutants)} mutants {', '.join(f'{n} {verdict}' for verdict, n in sorted(counts.items()))}")
    return 0 if counts["killed"] == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
