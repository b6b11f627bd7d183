"""A stream of a real Kafka broker: its messages become what a night makes of the same rows in a file, each once."""

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession
from tests.conftest import write_thin
from tests.night.nights import note, rows_of
from tests.servers import class_path, free_port, wait
from tests.stream.broker import Broker

from recaug import cli
from recaug.config import load
from recaug.night import ingest
from recaug.night.context import Context, StageResult
from recaug.night.nightly import night_context
from recaug.results import Ingest
from recaug.stream.batch import Batch
from recaug.stream.job import run_stream

FIRST, SECOND = dt.date(2017, 1, 1), dt.date(2017, 1, 2)
BROKEN = '{"household_id": 1, "product_'
EVENTS = ("event_id", "user_id", "item_id", "event_type", "event_time", "price", "quantity", "event_date")
AT_ONCE = 150  # messages of a batch


@pytest.fixture(scope="module")
def broker(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that listens; the session has Spark's reader of Kafka, as by spark.jars.packages."""
    for jar in class_path("kafka").split(":"):
        if "kafka" in jar or "commons-pool2" in jar:  # the others are Spark's own
            spark.sql(f"ADD JAR '{jar}'")
    started = Broker(tmp_path_factory.mktemp("broker"))
    try:
        started.start()
        yield started
    finally:
        started.kill()


@pytest.fixture(scope="module")
def purchases(thin_source: Path) -> dict[dt.date, list[str]]:
    """The retailer's rows of the log's first two days, as lines of JSON: what 250 households bought."""
    rows = pd.read_parquet(thin_source)
    rows = rows[rows["household_id"].astype(int) <= 250]
    rows = rows.assign(transaction_timestamp=rows["transaction_timestamp"].astype(str))
    of_day = {day: rows[rows["transaction_timestamp"].str.startswith(str(day))] for day in (FIRST, SECOND)}
    return {day: own.to_json(orient="records", lines=True).splitlines() for day, own in of_day.items()}


def is_purchase(message: str) -> bool:
    """Say whether a message is an event by the YAML's rules."""
    return bool(json.loads(message)["quantity"] > 0)


def shop(broker: Broker, folder: Path, name: str, source: Path, **kafka: Any) -> Path:
    """Write the configuration of a shop whose log is the folder `log` as JSON, and whose topic has its name."""
    arrive = {"kind": "kafka", "servers": broker.servers, "topic": name} | kafka
    stream = {"source": arrive, "trigger_seconds": 0.2, "max_rows_per_trigger": AT_ONCE}
    path = write_thin(folder / name, source, {})
    given = yaml.safe_load(path.read_text()) | {"stream": stream}
    given["source"] |= {"items": None, "users": None}
    given["source"]["events"] |= {"path": str(folder / "log"), "format": "json"}
    path.write_text(yaml.safe_dump(given))
    return path


def streamed(night: Context, done: Callable[[Batch], None] | None = None, ended: Any = None) -> list[Batch]:
    """Run a stream; until all that is there is taken, where nothing ends it."""
    batches: list[Batch] = []

    def take(batch: Batch) -> None:
        if batch.rows:
            batches.append(batch)

    run_stream(night, lambda line: None, once=ended is None, done=done or take, ended=ended)
    return batches


def rows(folder: Path, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """All rows, sorted, as another reader than Spark finds them."""
    return sorted(tuple(str(row[name]) for name in columns) for row in rows_of(folder, table))


def test_messages_become_what_a_night_makes_of_the_same_rows(
    broker: Broker, spark: SparkSession, purchases: dict[dt.date, list[str]], thin_source: Path, tmp_path: Path
) -> None:
    """Among them rows that came twice, late ones, and one that is no JSON; a restart takes none again."""
    (tmp_path / "log").mkdir()
    late = purchases[FIRST][0]
    alone, live = (load(shop(broker, tmp_path, name, thin_source)) for name in ("alone", "live"))
    taken_before = Ingest(rows_in=0, events=0, duplicates=0, quarantined=0, items=0, reasons={}, days=(None, ""))
    note(night_context(live, FIRST, spark), "ingest", StageResult(taken_before, "content"))

    third = len(purchases[SECOND]) // 3
    sent = [[*purchases[SECOND][:third], *purchases[SECOND][:7]]]
    sent += [[BROKEN, late, *purchases[SECOND][third - 5 :]]]
    taken = []
    for messages in sent:
        broker.send("live", [*messages, None])  # a message without a value is no row
        taken.append(streamed(night_context(live, SECOND, spark)))
    assert [sum(batch.rows for batch in batches) for batches in taken] == [len(messages) for messages in sent]
    assert all(batch.rows <= AT_ONCE for batches in taken for batch in batches)
    assert sum(batch.late for batch in taken[1]) == 1  # is left to the night
    again = [*purchases[SECOND][:7], *purchases[SECOND][third - 5 : third]]
    assert sum(batch.duplicates for batches in taken for batch in batches) == sum(map(is_purchase, again)) > 5

    (tmp_path / "log" / "log.json").write_text("\n".join(line for lines in sent for line in lines if line != late))
    ingest.run(night_context(alone, SECOND, spark))
    events = rows(tmp_path / "live", "events", *EVENTS)
    assert events == rows(tmp_path / "alone", "events", *EVENTS)
    assert len({event[0] for event in events}) == len(events) > 300
    bad = rows(tmp_path / "live", "events_quarantine", "raw", "reasons", "event_date", "dated")
    assert bad == rows(tmp_path / "alone", "events_quarantine", "raw", "reasons", "event_date", "dated")
    reasons = [row[1] for row in bad]
    assert "['nothing bought']" in reasons
    assert sum("malformed row" in told for told in reasons) == 1


def test_a_stream_goes_on_when_the_broker_is_back(
    broker: Broker, spark: SparkSession, purchases: dict[dt.date, list[str]], thin_source: Path, tmp_path: Path
) -> None:
    (tmp_path / "log").mkdir()
    night = night_context(load(shop(broker, tmp_path, "away", thin_source)), FIRST, spark)
    broker.send("away", purchases[FIRST][:50])
    taken: list[int] = []
    ended = threading.Event()

    def away() -> None:
        try:
            wait(lambda: sum(taken) == 50)
            broker.kill()
            time.sleep(3)
            broker.start()
            broker.send("away", purchases[FIRST][40:90])
            wait(lambda: sum(taken) == 100)
        finally:
            ended.set()

    chaos = threading.Thread(target=away)
    chaos.start()
    streamed(night, lambda batch: taken.append(batch.rows), ended)
    chaos.join()
    assert sum(taken) == 100
    kept = rows(tmp_path / "away", "events", "event_id")
    bad = rows(tmp_path / "away", "events_quarantine", "raw")
    assert len(set(kept)) == len(kept)
    assert len(kept) + len(bad) == len(set(purchases[FIRST][:90]))


@pytest.mark.parametrize("there", [True, False])
def test_no_topic_and_no_broker_are_a_line_each(
    broker: Broker, here: None, thin_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    (tmp_path / "log").mkdir()
    patience = {
        "kafka.default.api.timeout.ms": "2000",
        "kafka.request.timeout.ms": "1000",
        "fetchoffset.numretries": "1",
    }
    more: dict[str, Any] = {} if there else {"servers": f"127.0.0.1:{free_port()}", "options": patience}
    path = shop(broker, tmp_path, "nowhere", thin_source, **more)
    assert cli.stream(["--config", str(path), "--once"]) == 3
    said = capsys.readouterr().err.strip()
    wrong = (
        f"stream.source.topic: topic nowhere of {broker.servers} is not there; create it, or mend the name"
        if there
        else f"stream.source.servers: {more['servers']} does not answer; is Kafka up?"
    )
    assert said == f"error: {wrong}"
    assert not (tmp_path / "nowhere" / "lake").exists()
