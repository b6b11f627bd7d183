"""Two jobs on one lake: real processes, of which one is paused, killed or done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from recaug import cli
from recaug.lake.contracts import TABLES
from recaug.lake.lease import LakeHeldError, hold
from recaug.lake.tables import Lake

HOLDER = Path(__file__).with_name("holder.py")


@contextmanager
def holder(place: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lake."""
    command = [sys.executable, "-u", str(HOLDER), place, str(seconds)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert answer(process) == "holds"
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    """Its next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def asked(process: subprocess.Popen[str]) -> str:
    """Let it write, and give what it says of that."""
    assert process.stdin is not None
    process.stdin.write("write\n")
    process.stdin.flush()
    return answer(process)


def items(spark: SparkSession, name: str) -> DataFrame:
    """One item."""
    row = [(name, None, None, None, None, None, None)]
    return spark.createDataFrame(row, TABLES["items"].columns)


def test_two_jobs_one_writes_and_a_paused_one_that_wakes_up_cannot(
    spark: SparkSession, tmp_path: Path, thin_yaml: Callable[..., Path], here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """T4: two nights wrote one lake at once, and one read the other's tables."""
    path = thin_yaml({"lake": {"path": str(tmp_path / "lake")}})
    lake = Lake(spark, str(tmp_path / "lake"))
    with ExitStack() as stack:
        other = stack.enter_context(holder(str(tmp_path / "lake"), 20.0))
        time.sleep(21)  # it is renewed meanwhile
        assert cli.main(["--config", str(path), "--date", "2017-01-21", "--stages", "ingest"]) == 5
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert f"lake {tmp_path}/lake is held by the night of 2017-01-21 (process {other.pid} on " in line
        assert " since 20" in line
        assert not lake.exists("events")
        assert asked(other) == "wrote"
        os.kill(other.pid, signal.SIGSTOP)
        began = time.monotonic()
        with hold(lake, "a second night", 60, wait=90):
            assert time.monotonic() - began > 3  # it had renewed its lease some 7 seconds before
            lake.replace(items(spark, "second"), "items", {}, "second")
            version = lake.version("items")
            os.kill(other.pid, signal.SIGCONT)
            said = asked(other)
            assert said.startswith(f"refused: lake {tmp_path}/lake: this job lost its lease")
            assert f"to a second night (process {os.getpid()} on " in said
            assert lake.version("items") == version
            note = lake.delta("items").history(1).select("userMetadata").first()
            assert json.loads(note[0])["lease"] == 2  # type: ignore[index]
    assert [row["item_id"] for row in lake.read("items").collect()] == ["second"]


def test_a_job_that_was_killed_holds_nothing_where_it_is_seen_to_be_dead(spark: SparkSession, lake: Lake) -> None:
    """T4: a lock that a killed night leaves would keep the next one out until somebody removes it."""
    assert lake.path is not None
    with holder(lake.path, 3600) as other:
        with pytest.raises(LakeHeldError), hold(lake, "a second night", 60):
            raise AssertionError("two hold it")
        other.kill()
        other.wait()
        with hold(lake, "a second night", 60):
            lake.replace(items(spark, "second"), "items", {}, "second")
    with hold(lake, "a third night", 60):  # the second gave it back
        lake.replace(items(spark, "third"), "items", {}, "third")
    assert [row["item_id"] for row in lake.read("items").collect()] == ["third"]


def test_a_lease_is_no_longer_held_after_its_block_and_commits_without_one_say_none(
    spark: SparkSession, lake: Lake
) -> None:
    for _ in range(2):
        with hold(lake, "a night", 60):
            lake.replace(items(spark, "a"), "items", {}, "r")
    lake.replace(items(spark, "b"), "items", {}, "r")
    notes = [row[0] for row in lake.delta("items").history(3).select("userMetadata").collect()]
    assert ["lease" in json.loads(note) for note in notes] == [False, True, True]
    assert lake.version("leases") == 4  # made, taken and released twice: 2 commits a night
