"""What a clean-up takes of nights past, and what stays (T25 of the review: a lake that only grows)."""

import dataclasses
import datetime as dt
import os
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.lake.test_runs import RUN

from recaug import cli
from recaug.lake.contracts import TABLES
from recaug.lake.lease import hold
from recaug.lake.runs import find, record
from recaug.lake.store import META, Store
from recaug.lake.tables import Lake
from recaug.results import Publish, Train, TrainedModel

PUBLISHED, PAST, NEWEST = (dt.date(2017, 3, day) for day in (4, 5, 6))
LOOK_UP = "similar_items"  # not made every night: the newest one stays, whatever its age
NIGHTLY = ("candidate_events", "negatives", "recommendations", LOOK_UP)  # lists are what a night is for
# Model -> the nights that name it.
MODELS = {
    "vae-published": [PUBLISHED],
    "vae-past": [PAST],
    "vae-of-two": [PAST, NEWEST],
    "vae-newest": [NEWEST],
    "somebodys": [],
}
# Files of a table that no version names -> their age in hours. The night that published lies years back.
FILES = {"old.parquet": 30 * 365 * 24, "a-month-old.parquet": 30 * 24, "young.parquet": 1}


def _row(lake: Lake, name: str, date: dt.date) -> None:
    """Write a row of a night into a table."""
    columns = [column.split(" ")[:2] for column in TABLES[name].columns.split(", ")]
    row = lake.spark.range(1).select(*(F.lit(None).cast(kind).alias(column) for column, kind in columns))
    where = {"run_id": f"{date}-abc"} if "run_id" in row.columns else {"event_date": date}
    row = row.withColumns({key: F.lit(value) for key, value in where.items()})
    lake.replace(row, name, where, f"{date}-abc")


class Left(NamedTuple):
    """What a clean-up has said and left: nights by table, models, and which of FILES."""

    said: str
    nights: dict[str, set[str]]
    models: set[str]
    files: set[str]


class Cleaned(NamedTuple):
    """A shop after clean-ups: beside a night, alone, and where no night has published after all."""

    config: Path
    beside: Left
    alone: Left
    held: Left


@pytest.fixture(scope="module")
def cleaned(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    """Clean beside a night, then alone, and again once the night that published is one that held."""
    folder = tmp_path_factory.mktemp("cleaned")
    lake = Lake(spark, str(folder / "lake"))
    config = _shop(lake, folder)

    def clean(code: int) -> Left:
        with redirect_stderr(StringIO()) as said, redirect_stdout(said):
            assert cli.tidy(["--config", str(config)]) == code
        models = {file.split("/")[0] for file in Store(folder / "artifacts").at("models").list(f"*/{META}")}
        files = {file.name for file in (folder / "lake" / "negatives").rglob("*.parquet")} & FILES.keys()
        return Left(said.getvalue(), {name: _nights(lake, name) for name in NIGHTLY}, models, files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "build", lambda *_: spark)
        patch.setattr(type(spark), "stop", lambda _: None)
        with hold(lake, "the night of 2017-03-07", seconds=300):
            beside = clean(5)
        alone = clean(0)
        record(lake, dataclasses.replace(find(lake, PUBLISHED, "publish"), decision="hold"))  # type: ignore[type-var]
        return Cleaned(config, beside, alone, clean(0))


def _shop(lake: Lake, folder: Path) -> Path:
    """Fill a lake with three nights, the first of which published; give the shop's YAML."""
    store = Store(folder / "artifacts").at("models")
    for name in MODELS:
        store.publish(name, {"model.safetensors": b"weights"}, "{}")
    for date in (PUBLISHED, PAST, NEWEST):
        for table in NIGHTLY:
            if table != LOOK_UP or date != NEWEST:
                _row(lake, table, date)
        models = [
            TrainedModel(name=name, folder=store.address(name), seed=0, seconds=1.0)
            for name, nights in MODELS.items()
            if date in nights
        ]
        for stage, metrics in (("train", Train(models=models)), ("publish", Publish(augmented=1))):
            values = {"run_id": f"{date}-abc", "event_date": date, "stage": stage, "metrics": metrics}
            decision = "none" if stage == "train" else "publish" if date == PUBLISHED else "hold"
            record(lake, dataclasses.replace(RUN, **values, decision=decision))
    for name, age in FILES.items():
        file = folder / "lake" / "negatives" / f"event_date={NEWEST}" / name
        file.write_bytes(b"of a write that was killed")
        os.utime(file, (time.time() - age * 3600,) * 2)
    given = yaml.safe_load((Path(__file__).parents[2] / "conf" / "weeks.yaml").read_text())
    given |= {"artifacts": str(folder / "artifacts"), "lake": {"path": lake.path, "retention": {"nights": 1}}}
    (folder / "shop.yaml").write_text(yaml.safe_dump(given))
    return folder / "shop.yaml"


def _nights(lake: Lake, name: str) -> set[str]:
    night = "left(run_id, 10)" if "run_id" in lake.read(name).columns else "string(event_date)"
    return {row[0] for row in lake.read(name).selectExpr(night).collect()}


EVERY = {str(date) for date in (PUBLISHED, PAST, NEWEST)}


def test_a_clean_up_leaves_what_the_newest_nights_and_the_published_one_are_of(cleaned: Cleaned) -> None:
    left, kept = cleaned.alone, {str(PUBLISHED), str(NEWEST)}
    looked_up = {str(PUBLISHED), str(PAST)}
    assert left.nights == {"candidate_events": kept, "negatives": kept, "recommendations": EVERY, LOOK_UP: looked_up}
    assert left.models == MODELS.keys() - {"vae-past"}
    assert "candidate_events         1 rows of nights past deleted" in left.said
    assert "models                   1 of nights past deleted" in left.said
    assert f"kept: 2 of 3 nights, from {PUBLISHED} on" in left.said


def test_files_of_old_versions_stay_for_the_stream_of_the_night_that_published(cleaned: Cleaned) -> None:
    assert cleaned.beside.files == FILES.keys()
    assert cleaned.alone.files == {"a-month-old.parquet", "young.parquet"}


def test_where_no_night_has_published_the_newest_and_a_week_of_versions_stay(cleaned: Cleaned) -> None:
    left, kept = cleaned.held, {str(NEWEST)}
    looked_up = {str(PAST)}
    assert left.nights == {"candidate_events": kept, "negatives": kept, "recommendations": EVERY, LOOK_UP: looked_up}
    assert left.models == MODELS.keys() - {"vae-past", "vae-published"}
    assert left.files == {"young.parquet"}
    assert f"kept: 1 of 3 nights, from {NEWEST} on, and files of the versions of 168 hours" in left.said


def test_a_clean_up_beside_a_night_is_refused(cleaned: Cleaned) -> None:
    assert "the night of 2017-03-07" in cleaned.beside.said
    assert cleaned.beside.nights == dict.fromkeys(NIGHTLY, EVERY) | {LOOK_UP: EVERY - {str(NEWEST)}}
    assert cleaned.beside.models == MODELS.keys()


def test_a_week_is_the_least(cleaned: Cleaned, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.tidy(["--config", str(cleaned.config), "--set", "lake.retention.hours=24"]) == 2
    assert "lake.retention.hours" in capsys.readouterr().err
