"""What a driver writes, counted as it goes; and its end at one of these writes, as a power cut would have it.

Nobody lists the writes: Python tells each file that it opens, renames or removes (sys.addaudithook), and the tables'
commits pass through Delta's two doors, DataFrameWriter.save and DeltaTable.update and delete.
"""

import os
import re
import shutil
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

SIDES = {
    "commit": ("before", "files, no log entry", "after"),
    "open": ("before", "empty"),  # a file that is there, and has nothing in it yet
    "rename": ("before",),
    "remove": ("before",),
}
AUDITED = {"open": "open", "os.rename": "rename", "os.remove": "remove", "shutil.rmtree": "remove"}
TIMED = "progress.jsonl"  # a line a second: how many there are is no property of the night
RANDOM = re.compile(r"[0-9a-f]{8,}")  # of names that are other ones in every run
KINDS = re.compile(r"(mlflow/.*/(?:params|metrics|tags))/.*")  # MLflow's files of one line each: as one place
PLACES = ("lake", "artifacts")


class Point(NamedTuple):
    """A moment of a night. turn: which of the stage's writes of this kind and place; side: of the write."""

    stage: str
    how: str
    what: str
    turn: int
    side: str

    def __str__(self) -> str:
        return f"{self.stage:<9} {self.how} {self.what} {self.turn}: {self.side}"


class Writes:
    """Counts a process's writes below a folder; ends it at a point, or keeps what is there as each stage begins."""

    def __init__(self, root: Path, at: Point | None = None, keep: Path | None = None) -> None:
        self.root, self.at, self.keep = root, at, keep
        self.stage, self.busy = "begin", False
        self.turns: Counter[tuple[str, str]] = Counter()
        self.points: list[Point] = []

    def install(self) -> None:
        """Begin to count, for as long as the process lives."""
        from delta.tables import DeltaTable
        from pyspark.sql import DataFrameWriter

        from recaug.night.monitor import Monitor

        plain = DeltaTable.forPath

        def placed(spark: Any, path: str, *rest: Any) -> Any:
            table = plain(spark, path, *rest)
            table.place = path  # type: ignore[attr-defined]
            return table

        DeltaTable.forPath = staticmethod(placed)  # type: ignore[assignment]
        self._watch(DataFrameWriter, "save", lambda writer, path: path)
        for name in ("update", "delete"):
            self._watch(DeltaTable, name, lambda table, *given: table.place)
        Monitor.stage = self._staged(Monitor.stage)  # type: ignore[method-assign]
        sys.addaudithook(self._audit)

    def _staged(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def stage(monitor: Any, name: str) -> Iterator[None]:
            self._enter(name)
            with plain(monitor, name):
                yield
            if name == "report":
                self._enter("end")

        return stage

    def _enter(self, stage: str) -> None:
        self.stage, self.turns = stage, Counter()
        if self.keep is not None:
            self.busy = True
            for place in PLACES:
                if (self.root / place).exists():
                    shutil.copytree(self.root / place, self.keep / stage / place)
            self.busy = False

    def _watch(self, owner: type, name: str, place: Callable[..., str]) -> None:
        """Count a method's calls as commits of the table at `place`."""
        plain = getattr(owner, name)

        @wraps(plain)
        def commit(this: Any, *given: Any, **named: Any) -> Any:
            if self.busy or threading.current_thread() is not threading.main_thread():
                return plain(this, *given, **named)
            point = self._reach("commit", Path(place(this, *given)).name)
            before = self._logs()
            done = plain(this, *given, **named)
            for side in SIDES["commit"][1:]:
                self._end_at(point, side, before)
            return done

        setattr(owner, name, commit)

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        how = AUDITED.get(event)
        if how is None or self.busy or threading.current_thread() is not threading.main_thread():
            return
        if how == "open" and not int(given[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        path = str(given[1 if how == "rename" else 0])
        if path.startswith(f"{self.root}/") and not path.endswith(TIMED):
            point = self._reach(how, KINDS.sub(r"\1/*", RANDOM.sub("*", path[len(str(self.root)) + 1 :])))
            if how == "open" and self._is(point, "empty"):
                self.busy = True
                Path(path).write_bytes(b"")
                kill()

    def _reach(self, how: str, what: str) -> Point:
        """Count a write that is about to be made."""
        self.turns[how, what] += 1
        point = Point(self.stage, how, what, self.turns[how, what], "before")
        self.points += [point._replace(side=side) for side in SIDES[how]]
        self._end_at(point, "before", {})
        return point

    def _end_at(self, point: Point, side: str, before: dict[Path, bytes]) -> None:
        if not self._is(point, side):
            return
        self.busy = True
        if side == SIDES["commit"][1]:  # an entry of the log is made as a whole or not at all: take it back
            for file, content in self._logs().items():
                if file not in before:
                    file.unlink()
                elif content != before[file]:
                    file.write_bytes(before[file])
        kill()

    def _is(self, point: Point, side: str) -> bool:
        return self.at == point._replace(side=side)

    def _logs(self) -> dict[Path, bytes]:
        """What lies in the tables' logs, as far as it is needed to take a commit back."""
        if self.at is None:
            return {}
        files = self.root.glob("lake/*/_delta_log/*")
        return {file: file.read_bytes() if file.name.endswith("_last_checkpoint") else b"" for file in files}


def kill() -> None:
    """End this process, and those that it has started, at once."""
    os.killpg(os.getpgid(0), signal.SIGKILL)
