"""With a key, what leaves the shop's own tables names nobody; and all that a night does goes on working."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.night.nights import HEAD, context, day, line, note

from recaug.lake.pseudonyms import Pseudonyms
from recaug.lake.tables import Lake
from recaug.night import ingest, prepare
from recaug.night.context import Context
from recaug.night.nightly import inputs_of
from recaug.night.stage import NIGHT
from recaug.studies.erasure import erase

KEY, OTHER = "0123456789abcdef" * 2, "another key than that of before.."
DATE = dt.date(2017, 1, 10)
PREPARE = {"train_days": 6, "validation_days": 2, "test_days": 2, "min_item_users": 2, "max_length": 4}
OWN = ("events", "events_quarantine")  # the shop's
GONE = "shopper-7"


def keyed(spark: SparkSession, folder: Path, key: str = KEY) -> Context:
    sections = {"prepare": PREPARE, "negatives": {"per_user": 5}, "covisitation": {"window": 3}}
    night = context(spark, folder, DATE, **sections)
    return replace(night, lake=Lake(spark, night.lake.path, pseudonyms=Pseudonyms(key)))


@pytest.fixture(scope="module")
def prepared(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty users over ten days, prepared under a key."""
    folder, random = tmp_path_factory.mktemp("keyed"), np.random.default_rng(1)
    (folder / "log").mkdir()
    lines = [
        line(f"shopper-{user}", f"i{int(8 * random.random() ** 2)}", day(number, 8 + user / 10))
        for number in range(1, 11)
        for user in range(20)
    ]
    bad = line(GONE, "i1", "soon")
    (folder / "log" / "log.csv").write_text(HEAD + "".join([*lines, bad]))
    night = keyed(spark, folder)
    for name, run in (("ingest", ingest.run), ("prepare", prepare.run)):
        note(night, name, run(night), inputs_of(night, NIGHT[name]))
    return folder


def texts(folder: Path, but: tuple[str, ...] = OWN) -> str:
    """All that the lake's files hold, but for some tables', as text."""
    files = [file for file in (folder / "lake").glob("**/*.parquet") if file.relative_to(folder).parts[1] not in but]
    assert len(files) > 10
    return "\n".join(str(pq.ParquetFile(file).read().to_pydict()) for file in files)


def test_past_the_shops_own_tables_nobody_is_named(spark: SparkSession, prepared: Path) -> None:
    """T10: event ids were hashes of what everybody knows, which the user's name followed from."""
    lake = keyed(spark, prepared).lake
    events = lake.own("events").toPandas()
    of = lake.pseudonyms.of
    assert set(events["user_id"]) == {f"shopper-{user}" for user in range(20)}
    found = texts(prepared)
    assert "shopper-" not in found
    assert not any(event in found for event in events["event_id"])
    known = lake.read("sequences").where("split = 'serve'").toPandas()
    assert set(known["user_id"]) == {of("user_id", user) for user in events["user_id"]}
    named = {event for ids in known["event_ids"] for event in ids}
    assert named < {of("event_id", event) for event in events["event_id"]}
    read = lake.read("events").toPandas()
    assert {of("event_id", event) for event in events["event_id"]} == set(read["event_id"])
    assert of("session_id", events["session_id"][0]) in set(read["session_id"])


def test_the_log_is_met_by_its_own_names(spark: SparkSession, prepared: Path) -> None:
    """A rerun finds its rows; the same key gives the same rows."""
    night = keyed(spark, prepared)
    before = {name: night.lake.content_hash(name) for name in ("events", "sequences", "covisitation")}
    assert ingest.run(night).metrics.events == 200  # type: ignore[attr-defined]
    prepare.run(night)
    assert {name: night.lake.content_hash(name) for name in before} == before


def test_another_key_is_another_input(spark: SparkSession, prepared: Path) -> None:
    """So that --resume makes anew what holds the old pseudonyms; the log is as it was."""
    nights = keyed(spark, prepared), keyed(spark, prepared, OTHER)
    for name, same in (("ingest", True), ("prepare", False), ("recommend", False), ("train", True)):
        of_one, of_other = (inputs_of(night, NIGHT[name]).records for night in nights)
        assert (of_one == of_other) == same
        assert KEY not in json.dumps(of_one)


def test_an_erasure_finds_the_user_behind_the_pseudonym(spark: SparkSession, prepared: Path) -> None:
    night = keyed(spark, prepared)
    lake, known = night.lake, night.lake.pseudonyms.of("user_id", GONE)
    index = lake.read("sequences").where(F.col("user_id") == known).first()["user_index"]  # type: ignore[index]
    others = lake.read("sequences").where(F.col("user_id") != known).count()
    erase(night, [GONE], retain_hours=0, say=lambda line: None)
    assert lake.read("sequences").count() == others > 0
    assert lake.read("negatives").where(f"user_index = {index}").isEmpty()
    assert known not in texts(prepared, but=())
    assert GONE not in texts(prepared, but=())
    (name,) = night.artifacts.list("erasures/*.json")
    certificate = json.loads(night.artifacts.read(name))
    assert certificate["users"] == [known]
    ingest.run(night)  # the log still has the rows
    assert GONE not in texts(prepared, but=())
