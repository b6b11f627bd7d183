"""What is told of a night while it goes: lines for people, events for programs, alarms, attempts in `runs`."""

import contextlib
import datetime as dt
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recaug.config.secrets import hide
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.night.alarms import alarm
from recaug.night.context import Context
from recaug.night.story import tell
from recaug.report.records import warnings
from recaug.results import Augment, Ingest, Prepare, Publish, Recommend, Refit, Result, Search, Trial

Event = Mapping[str, Any]
Say = Callable[[str], None]
ROWS: Mapping[type[Result], Callable[[Any], int]] = {  # the rows that a stage came to
    Ingest: lambda came: came.rows_in,
    Prepare: lambda came: came.events,
    Augment: lambda came: came.candidates,
    Trial: lambda came: came.units["overall"],
    Refit: lambda came: came.candidates,
    Publish: lambda came: came.augmented,
    Recommend: lambda came: came.recommendations,
    Search: lambda came: came.lists.rows if came.lists is not None else 0,
}


@dataclass(frozen=True)
class Voice:
    """Who hears of a night. say: takes a line for people; note: an event for programs, which JSON holds."""

    say: Say = print
    note: Callable[[Event], None] = lambda event: None


def write_event(event: Event) -> None:
    """Print an event as a line of JSON, at once."""
    print(hide(json.dumps(event)), flush=True)


class Monitor:
    """Tells of one night's stages."""

    def __init__(self, context: Context, voice: Voice | Say) -> None:
        self.context = context
        self.voice = voice if isinstance(voice, Voice) else Voice(voice)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell that a stage has started and, where it raises, that it failed, before the error goes on its way."""
        began, started = time.monotonic(), dt.datetime.now(dt.UTC).replace(tzinfo=None)
        attempt = runs.Attempt(self.context.run_id, self.context.date, name, started)
        self._note("started", stage=name)
        runs.begin(self.context.lake, attempt)
        try:
            yield
        except Exception as error:
            words = " ".join(str(error).split())[:1000]
            with contextlib.suppress(Exception):  # the store itself may be what failed
                runs.fail(self.context.lake, attempt, words)
            seconds = round(time.monotonic() - began, 2)
            code = getattr(error, "exit_code", 1)
            event = self._note("failed", stage=name, seconds=seconds, error=words, exit_code=code)
            alarm(self.context.config, "failure", event)
            raise

    def skipped(self, name: str) -> None:
        """Tell that a stage was done before."""
        self.voice.say(f"  {name:<10} done before, skipped")
        self._note("skipped", stage=name)

    def finished(self, record: RunRecord) -> None:
        """Tell what a stage came to, and its warnings."""
        said = warnings({record.stage: record})
        self.voice.say(f"  {record.stage:<10} {record.wall_seconds:6.1f} s  {tell(record)}")
        for warning in said:
            self.voice.say(f"  warning: {warning}")
        count = ROWS.get(type(record.metrics))
        event = self._note(
            "finished",
            stage=record.stage,
            seconds=record.wall_seconds,
            cpu_seconds=record.cpu_seconds,
            rows=count(record.metrics) if count is not None else None,
            decision=record.decision,
            reasons=list(record.reasons),
            warnings=said,
        )
        if said:
            alarm(self.context.config, "warning", event)

    def warn(self, line: str) -> None:
        """Tell what is no stage's."""
        self.voice.say(f"  warning: {line}")
        alarm(self.context.config, "warning", self._note("warning", warnings=[line]))

    def ended(self, summary: Mapping[str, Any]) -> None:
        """Tell how the night ended."""
        told = {key: summary[key] for key in ("decision", "reasons", "warnings", "rows", "lift", "search")}
        event = self._note("night", **told, cpu_seconds=sum(summary["cpu_seconds"].values()))
        if summary["decision"] == "hold":
            alarm(self.context.config, "hold", event)

    def _note(self, event: str, **facts: Any) -> dict[str, Any]:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        night = {"date": self.context.date.isoformat(), "run_id": self.context.run_id}
        whole = {"event": event, **night, "time": now, **facts}
        self.voice.note(whole)
        return whole
