"""What is told of a night: events, attempts, alarms, exit codes, what is unusual, and the budget."""

import datetime as dt
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from pyspark.sql import SparkSession
from tests.conftest import copied_tables
from tests.night.nights import HEAD, context, day, line, note

from recaug import cli
from recaug.config import Alarms, Config, load, loads
from recaug.lake import runs
from recaug.night.alarms import alarm
from recaug.night.context import StageResult
from recaug.night.unusual import FIGURES, far, usual, with_warnings
from recaug.results import Ingest

DATE = "2017-01-05"


def written(spark: SparkSession, folder: Path, **changes: Any) -> Path:
    """A small shop's log, and the YAML of a night over it."""
    (folder / "log").mkdir()
    rows = [line(f"u{n % 7}", f"i{n % 5}", day(1 + n % 5, 8 + n % 9)) for n in range(60)]
    (folder / "log" / "a.csv").write_text(HEAD + "".join(rows))
    values = msgspec.to_builtins(context(spark, folder, dt.date.fromisoformat(DATE)).config)
    values["artifacts"] = str(folder / "artifacts")
    values["lake"] = {"path": str(folder / "lake")}
    path = folder / "night.yaml"
    path.write_text(yaml.safe_dump(values | changes))
    return path


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in out.splitlines()]


@pytest.mark.usefixtures("here")
def test_a_night_tells_each_stage_as_a_line_of_json(spark: SparkSession, tmp_path: Path, capsys) -> None:
    path = written(spark, tmp_path)
    arguments = ["--config", str(path), "--date", DATE, "--stages", "ingest,report", "--log", "json"]
    assert cli.main(arguments) == 0
    told = events(capsys.readouterr().out)
    assert [(event["event"], event.get("stage")) for event in told] == [
        ("started", "ingest"),
        ("finished", "ingest"),
        ("started", "report"),
        ("finished", "report"),
        ("night", None),
    ]
    assert {event["date"] for event in told} == {DATE}
    assert told[1]["rows"] == 60
    assert told[1]["seconds"] > 0
    lake = context(spark, tmp_path, dt.date.fromisoformat(DATE)).lake
    attempts = runs.attempts(lake, dt.date.fromisoformat(DATE))
    assert {stage: attempt.state for stage, attempt in attempts.items()} == {"ingest": "done", "report": "done"}
    assert set(runs.night(lake, dt.date.fromisoformat(DATE))) == {"ingest", "report"}
    assert cli.main([*arguments, "--resume"]) == 0
    assert ("skipped", "ingest") in [(event["event"], event.get("stage")) for event in events(capsys.readouterr().out)]


@pytest.mark.usefixtures("here")
def test_a_stage_that_fails_is_known_and_rings(spark: SparkSession, tmp_path: Path, capsys) -> None:
    rung = tmp_path / "rung.json"
    path = written(spark, tmp_path, alarms={"command": ["tee", str(rung)]})
    path.write_text(path.read_text().replace("user_id: who", "user_id: nobody"))
    assert cli.main(["--config", str(path), "--date", DATE, "--stages", "ingest", "--log", "json"]) == 3
    said = capsys.readouterr()
    failed = events(said.out)[-1]
    assert (failed["event"], failed["stage"], failed["exit_code"]) == ("failed", "ingest", 3)
    assert "nobody" in failed["error"]
    assert json.loads(rung.read_text()) == {"alarm": "failure", **failed}
    lake = context(spark, tmp_path, dt.date.fromisoformat(DATE)).lake
    (attempt,) = runs.attempts(lake, dt.date.fromisoformat(DATE)).values()
    assert attempt.state == "failed"
    assert "nobody" in str(attempt.reason)
    assert runs.night(lake, dt.date.fromisoformat(DATE)) == {}
    assert runs.latest(lake, "ingest") == (None, None)
    runs.begin(lake, runs.Attempt("r", dt.date.fromisoformat(DATE), "prepare", dt.datetime(2017, 1, 6)))
    assert runs.attempts(lake, dt.date.fromisoformat(DATE))["prepare"].state == "started"  # killed, or still at it


@pytest.fixture
def posted() -> Iterator[tuple[str, list[bytes]]]:
    """An address that takes what is posted."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", bodies
    server.shutdown()


def configured(**alarms: Any) -> Any:
    base = {"artifacts": "a", "lake": {"path": "l"}, "alarms": alarms}
    columns = {"user_id": "u", "item_id": "i", "event_time": "t"}
    return loads(yaml.safe_dump(base | {"source": {"events": {"path": "e", "format": "csv", "columns": columns}}}))


def test_a_webhook_gets_what_is_asked_for_alone(posted: tuple[str, list[bytes]]) -> None:
    address, bodies = posted
    config = configured(webhook=address, about=["hold"])
    alarm(config, "warning", {"event": "finished"})
    alarm(config, "hold", {"event": "night", "reasons": ["no lift"]})
    assert [json.loads(body) for body in bodies] == [{"alarm": "hold", "event": "night", "reasons": ["no lift"]}]


@pytest.mark.parametrize(
    "hook",
    [
        {"command": ["/no/such/program"]},
        {"command": [sys.executable, "-c", "import sys; sys.exit(3)"]},
        {"command": ["sleep", "60"], "timeout_seconds": 0.5},
        {"webhook": "http://127.0.0.1:9/services/T000/secretOfTheHook", "timeout_seconds": 0.5},
    ],
    ids=["no program", "fails", "hangs", "nobody there"],
)
def test_an_alarm_that_fails_is_a_line_in_the_log_within_its_time(
    hook: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        alarm(configured(**hook), "failure", {"event": "failed"})
    assert time.monotonic() - began < 10
    assert "the night goes on without it" in caplog.text
    assert "secretOfTheHook" not in caplog.text  # T8: whoever has the address can post


@pytest.mark.usefixtures("here")
def test_a_night_that_would_cost_more_than_its_budget_holds(
    spark: SparkSession, night: tuple[Config, dict[str, Any]], thin_yaml, capsys, tmp_path: Path
) -> None:
    rung = tmp_path / "rung.json"
    path = thin_yaml({"budget": {"cpu_minutes": 0.001}, "alarms": {"command": ["tee", str(rung)], "about": ["hold"]}})
    (path.parent / "lake").mkdir()
    copied_tables(night[0], load(path), spark, "ingest", "prepare")  # which cost what they cost
    stages = ["--resume", "--stages", "ingest,prepare,train,publish,recommend,report"]
    code = cli.main(["--config", str(path), "--date", "2017-01-21", "--exit-on-hold", "10", *stages])
    said = capsys.readouterr()
    assert code == 10, said.err
    summary = json.loads((path.parent / "artifacts" / "2017-01-21" / "summary.json").read_text())
    assert summary["decision"] == "hold"
    assert "budget.cpu_minutes is 0.001" in summary["reasons"][0]
    assert set(summary["cpu_seconds"]) == {"ingest", "prepare", "publish", "report"}
    assert json.loads(rung.read_text())["reasons"] == summary["reasons"]
    assert "budget.cpu_minutes is 0.001" in (path.parent / "artifacts/2017-01-21/report/index.html").read_text()


def test_a_code_that_no_process_ends_with_is_refused(thin_yaml, capsys) -> None:
    assert cli.main(["--config", str(thin_yaml()), "--date", "2017-01-21", "--exit-on-hold", "256"]) == 2
    assert "--exit-on-hold is 256" in capsys.readouterr().err


def came(quarantined: int) -> Ingest:
    """What ingest came to of 1,000 rows."""
    return Ingest(
        rows_in=1000,
        events=1000 - quarantined,
        duplicates=0,
        quarantined=quarantined,
        items=5,
        reasons={},
        days=(None, "2017-01-05"),
    )


@pytest.mark.parametrize(("now", "rings"), [(21, False), (60, False), (90, True), (990, True)])
def test_a_share_far_from_the_last_nights_rings(now: int, rings: bool) -> None:
    """Nights of 2 % with one of 50 %: the odd one does not widen the bounds, and less than .01 is no spread."""
    before = [came(number) for number in (20, 22, 19, 500, 21, 20, 20)]
    said = far(FIGURES["ingest"], came(now), before, Alarms())
    assert bool(said) is rings
    assert far(FIGURES["ingest"], came(990), before[:3], Alarms()) == []  # too few nights to know


def test_bounds_are_the_median_and_its_deviation() -> None:
    assert usual([1.0, 2.0, 3.0, 4.0, 5.0], spreads=2) == (pytest.approx(3 - 2 * 1.4826), pytest.approx(3 + 2 * 1.4826))


def test_what_is_far_is_a_warning_of_the_night(spark: SparkSession, tmp_path: Path) -> None:
    for number in range(1, 6):
        night = context(spark, tmp_path, dt.date(2017, 1, number))
        note(night, "ingest", StageResult(came(20)))
    night = context(spark, tmp_path, dt.date(2017, 1, 6))
    told = with_warnings(night, "ingest", came(400))
    assert told.warnings == (
        "share of rows in quarantine: 0.400 is far from the last 5 nights, of which -0.030 to 0.070 is usual",
    )
    assert with_warnings(context(spark, tmp_path, dt.date(2017, 1, 3)), "ingest", came(400)) == came(400)
