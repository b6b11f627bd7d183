"""The driver's watch: what it reads of progress, and that it ends what hangs."""

import contextlib
import os
import re
import sys
import termios
import threading
import time
from pathlib import Path

import pytest
import torch

from recaug.lake.store import Store
from recaug.training.checkpoint import working_folder
from recaug.training.launchers import watch as watching
from recaug.training.launchers.watch import ProgressReader, Watched, watch
from recaug.training.progress import FILE, Line, Progress, describe


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return Store(tmp_path / "m")


def test_steps_follow_the_lines_and_a_finished_model_has_done_all(folder: Store) -> None:
    other, look = folder.beside("2"), ProgressReader([(folder, 40), (folder.beside("2"), 10)])
    assert look.again() == (False, "")
    progress = Progress(working_folder(folder), "vae", steps_per_epoch=5, epochs=8)
    progress.last = 0.0  # long ago
    progress.tick(3, {"rows_per_second": 7.0}, {"model": torch.tensor(6.0)}, {"model": torch.tensor(2.0)})
    assert look.again() == (True, "vae model 3.000, 7 rows/s")
    progress.epoch({"epoch": 1, "loss": 2.5, "rows_per_second": 9.0, "communication": 0.5})
    assert look.again() == (True, "vae loss 2.500, 9 rows/s, 50% communication")
    assert look.steps == 5
    assert look.again() == (False, "")
    other.publish("", {}, "{}")
    assert look.again() == (True, "")
    assert look.steps == 15
    working_folder(folder).remove()
    folder.publish("", {}, "{}")
    look.again()
    assert look.steps == 50
    assert look.again() == (False, "")


def test_a_loss_that_is_not_finite_is_left_out_of_the_line(folder: Store) -> None:
    progress = Progress(working_folder(folder), "vae", 5, 8)
    progress.epoch({"epoch": 1, "loss": float("nan"), "rows_per_second": 9.0})
    assert ProgressReader([(folder, 40)]).again() == (True, "vae 9 rows/s")


@pytest.mark.parametrize("bad", ["nonsense", "{}", '{"name": "vae", "step": "three", "steps": 40}'])
def test_a_bad_line_is_skipped_and_the_next_one_counts(folder: Store, bad: str) -> None:
    work, look = working_folder(folder), ProgressReader([(folder, 40)])
    work.write(FILE, bad)
    assert look.again() == (True, "")
    Progress(work, "vae", 5, 8).epoch({"epoch": 2, "rows_per_second": 1.0})
    assert look.again()[0]
    assert look.steps == 10


def test_a_file_that_cannot_be_read_now_is_read_later(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Progress(working_folder(folder), "vae", 5, 8).epoch({"epoch": 2, "rows_per_second": 1.0})
    look = ProgressReader([(folder, 40)])

    def fail(*_: object) -> None:
        raise OSError("stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", fail)
        assert look.again() == (False, "")
    assert look.again()[0]


def test_what_says_nothing_for_so_long_is_cancelled_once_after_a_bad_line_too(folder: Store) -> None:
    working_folder(folder).write(FILE, "nonsense")
    cancelled: list[float] = []
    with watch(Watched("test", [(folder, 40)]), 0.3, lambda: cancelled.append(time.monotonic())) as hung:
        assert hung.wait(10)
        time.sleep(0.5)
    assert len(cancelled) == 1


def test_what_goes_on_saying_something_is_left_alone(folder: Store) -> None:
    progress, cancelled = Progress(working_folder(folder), "vae", 1, 100), threading.Event()
    with watch(Watched("test", [(folder, 100)]), 1.0, cancelled.set) as hung:
        for epoch in range(1, 20):
            progress.epoch({"epoch": epoch, "rows_per_second": 1.0})
            time.sleep(0.1)
    assert not hung.is_set()
    assert not cancelled.is_set()


def test_a_terminal_shows_the_time_left_and_a_log_one_line(
    folder: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainings = Watched("generators", [(folder, 40), (folder.beside("2"), 40)])

    def follow() -> None:
        with watch(trainings, 60.0, lambda: None):
            for epoch in (1, 2, 3):
                Progress(working_folder(folder), "vae", 10, 4).epoch({"epoch": epoch, "rows_per_second": 1.0})
                time.sleep(0.6)

    follow()
    assert capsys.readouterr().err == "generators: 80 steps of 2 models\n"
    working_folder(folder).remove()
    monkeypatch.setattr(watching, "SHOWN_SECONDS", 0.1)
    screen, shell = os.openpty()
    termios.tcsetwinsize(shell, (24, 100))
    with os.fdopen(shell, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", terminal)
        follow()
    shown = b""
    with contextlib.suppress(OSError):  # the end, on Linux
        while part := os.read(screen, 1 << 16):
            shown += part
    os.close(screen)
    bar = shown.decode()
    assert re.search(r"generators  38 % \|.+\| 00:0\d, 00:0\d left, vae 1 rows/s", bar)
    assert "\n" not in bar
    assert bar.rstrip("\r").endswith(" ")  # it is wiped out at the end


def test_a_line_in_a_few_words() -> None:
    line = Line("gan", 1, 2, losses={"generator": 0.5, "discriminator": 1.25}, rows_per_second=1234.5)
    assert describe(line) == "gan generator 0.500, discriminator 1.250, 1,234 rows/s"
