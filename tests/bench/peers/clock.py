"""Seconds, seconds of the processor and memory of a piece of work, in any environment: the standard library alone.

A script prints one JSON line for each piece of work, which tests.bench.peers reads.
"""

import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

TICKS = os.sysconf("SC_CLK_TCK")


class Clock:
    """Runs inside `with`, as often as it is entered, and adds up. wall, processor: seconds."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> "Clock":
        """Go on."""
        self._wall, self._processor = time.perf_counter(), processor()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.wall += time.perf_counter() - self._wall
        self.processor += processor() - self._processor


def tell(what: str, by: str, rows: int, clock: Clock, **more: object) -> None:
    """Print what was measured. rows: that were made or read; what `more` holds is for the text."""
    said = {
        "what": what,
        "by": by,
        "rows": rows,
        "seconds": round(clock.wall, 3),
        "processor": round(clock.processor, 3),
        "memory_mb": round(peak_memory_mb()),
    }
    print(json.dumps(said | more), flush=True)


def processor() -> float:
    """Seconds of the processor by this process and by all that it started, ended ones too."""
    of_others = sum(sum(map(int, fields[11:15])) for fields in _started()) / TICKS
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + of_others + ended.ru_utime + ended.ru_stime


def peak_memory_mb() -> float:
    """Most that this process and each of those that it started and that still run have held, added up."""
    return sum(_most(number) for number in (str(os.getpid()), *(fields[-1] for fields in _started())))


def _most(number: str) -> float:
    try:
        return int(Path(f"/proc/{number}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    except (FileNotFoundError, ProcessLookupError, IndexError):  # it has ended
        return 0.0


def _started() -> list[list[str]]:
    """Fields of /proc/<number>/stat from the state on, the number at the end, of every process below this one."""
    fields = {own[-1]: own for own in _stats()}
    below, found = {str(os.getpid())}, True
    while found:
        found = {number for number, own in fields.items() if own[1] in below} - below
        below |= found
    return [fields[number] for number in below if number != str(os.getpid()) and number in fields]


def _stats() -> Iterator[list[str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield [*(folder / "stat").read_text().rpartition(")")[2].split(), folder.name]
        except (FileNotFoundError, ProcessLookupError):
            continue
