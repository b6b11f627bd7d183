"""The driver's watch over a launch: a bar that follows the trainings' progress, and the end of one that hangs."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec
from tqdm import tqdm

from recaug.errors import StorageError
from recaug.lake.store import Store
from recaug.training.checkpoint import working_folder
from recaug.training.progress import FILE, Line, describe

LOOK_SECONDS = 0.5  # between looks at the progress
SHOWN_SECONDS = 1.0  # between two states of the bar
LINE = "{desc} {percentage:3.0f} % |{bar:20}| {elapsed}, {remaining} left{postfix}"


class Watched(NamedTuple):
    """What the driver shows of a launch. trainings: where each model will lie, and the steps of its training."""

    title: str
    trainings: Sequence[tuple[Store, int]] = ()


class ProgressReader:
    """What the trainings' progress files said so far. steps: done, of all together."""

    def __init__(self, trainings: Sequence[tuple[Store, int]]) -> None:
        self.trainings = trainings
        self.read, self.done = [b""] * len(trainings), [0] * len(trainings)

    @property
    def steps(self) -> int:
        """Of all trainings."""
        return sum(self.done)

    def again(self) -> tuple[bool, str]:
        """Read on. Returns whether anything is new, and the newest line in words, empty where there is none.

        A finished model has no progress file any more: all its steps are done. A line that is no Line is news without
        words, and a file that cannot be read now is read at the next look.
        """
        news, words = False, ""
        for place, (folder, steps) in enumerate(self.trainings):
            try:
                if self.done[place] < steps and folder.finished():
                    news, self.done[place] = True, steps
                    continue
                line = working_folder(folder).read(FILE)
            except (FileNotFoundError, StorageError):
                continue
            if line == self.read[place]:
                continue
            news, self.read[place] = True, line
            with suppress(msgspec.MsgspecError):
                said = msgspec.json.decode(line, type=Line)
                self.done[place], words = said.step, describe(said)
        return news, words


def _bar(watched: Watched) -> "tqdm[Any]":
    """A bar with the time left, gone when all is done; into a log goes one line, as the steps begin."""
    total = sum(steps for _, steps in watched.trainings)
    if total and not sys.stderr.isatty():
        print(f"{watched.title}: {total:,} steps of {len(watched.trainings)} models", file=sys.stderr, flush=True)
    return tqdm(
        total=total or None,
        desc=f"  {watched.title}",
        bar_format=LINE if total else None,
        dynamic_ncols=True,
        leave=False,
        disable=None,  # where stderr is no terminal
        mininterval=SHOWN_SECONDS,
    )


@contextmanager
def watch(watched: Watched, timeout_seconds: float, cancel: Callable[[], None]) -> Iterator[threading.Event]:
    """Follow progress with a bar on a terminal; without a new line for so long, set the event given and cancel."""
    ended, hung, look = threading.Event(), threading.Event(), ProgressReader(watched.trainings)

    def follow() -> None:
        last = time.monotonic()
        with _bar(watched) as bar:
            while True:
                over = ended.wait(LOOK_SECONDS)
                news, words = look.again()
                last = time.monotonic() if news else last
                if words:
                    bar.set_postfix_str(words, refresh=False)
                bar.update(look.steps - bar.n)
                if over:
                    return
                if time.monotonic() - last > timeout_seconds and not hung.is_set():
                    hung.set()
                    cancel()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield hung
    finally:
        ended.set()
        follower.join()
