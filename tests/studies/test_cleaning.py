"""What a clean-up takes of nights past, and what stays (T25 of the review: a lake that only grows)."""

import dataclasses
import datetime as dt
import os
import re
import time
from collections.abc import Iterator
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
from recaug.lake.runs import record
from recaug.lake.store import META, Store
from recaug.lake.tables import Lake
from recaug.results import Publish, Train, TrainedModel

PUBLISHED, PAST, NEWEST = (dt.date(2017, 3, day) for day in (4, 5, 6))
# Model -> the nights that name it.
MODELS = {
    "vae-published": [PUBLISHED],
    "vae-past": [PAST],
    "vae-of-two": [PAST, NEWEST],
    "vae-newest": [NEWEST],
    "somebodys": [],
}
OLD, YOUNG = "old.parquet", "young.parquet"  # files of a table that no version names


def _row(lake: Lake, name: str, date: dt.date) -> None:
    """Write a row of a night into a table."""
    columns = [column.split(" ")[:2] for column in TABLES[name].columns.split(", ")]
    row = lake.spark.range(1).select(*(F.lit(None).cast(kind).alias(column) for column, kind in columns))
    where = {"run_id": f"{date}-abc"} if "run_id" in row.columns else {"event_date": date}
    row = row.withColumns({key: F.lit(value) for key, value in where.items()})
    lake.replace(row, name, where, f"{date}-abc")


class Cleaned(NamedTuple):
    """A shop after a clean-up. refused, nights: of one beside a night, and the candidates' nights that it left."""

    folder: Path
    lake: Lake
    refused: str
    nights: set[str]
    said: str


@pytest.fixture(scope="module")
def cleaned(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cleaned]:
    """Clean beside a night, and then alone."""
    folder = tmp_path_factory.mktemp("cleaned")
    lake = Lake(spark, str(folder / "lake"))
    config = _shop(lake, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "build", lambda *_: spark)
        patch.setattr(type(spark), "stop", lambda _: None)
        with hold(lake, "the night of 2017-03-07", seconds=300), redirect_stderr(StringIO()) as refused:
            assert cli.tidy(["--config", str(config)]) != 0
        nights = _nights(lake, "candidate_events")
        with redirect_stdout(StringIO()) as said:
            assert cli.tidy(["--config", str(config)]) == 0
        yield Cleaned(folder, lake, refused.getvalue(), nights, said.getvalue())


def _shop(lake: Lake, folder: Path) -> Path:
    """Fill a lake with three nights, the first of which published; give the shop's YAML."""
    store = Store(folder / "artifacts").at("models")
    for name in MODELS:
        store.publish(name, {"model.safetensors": b"weights"}, "{}")
    for date in (PUBLISHED, PAST, NEWEST):
        for table in ("candidate_events", "negatives", "recommendations"):
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
    for name, age in ((OLD, 365 * 24 * 3600 * 30), (YOUNG, 3600)):
        file = folder / "lake" / "negatives" / f"event_date={NEWEST}" / name
        file.write_bytes(b"of a write that was killed")
        os.utime(file, (time.time() - age,) * 2)
    given = yaml.safe_load((Path(__file__).parents[2] / "conf" / "weeks.yaml").read_text())
    given |= {"artifacts": str(folder / "artifacts"), "lake": {"path": lake.path, "retention": {"nights": 1}}}
    (folder / "shop.yaml").write_text(yaml.safe_dump(given))
    return folder / "shop.yaml"


def _nights(lake: Lake, name: str) -> set[str]:
    night = "left(run_id, 10)" if "run_id" in lake.read(name).columns else "string(event_date)"
    return {row[0] for row in lake.read(name).selectExpr(night).collect()}


def test_a_clean_up_leaves_what_the_newest_nights_and_the_published_one_are_of(cleaned: Cleaned) -> None:
    lake, kept = cleaned.lake, {str(PUBLISHED), str(NEWEST)}
    assert _nights(lake, "candidate_events") == _nights(lake, "negatives") == kept
    assert _nights(lake, "recommendations") == kept | {str(PAST)}  # what a night is for stays
    models = {file.split("/")[0] for file in Store(cleaned.folder / "artifacts").at("models").list(f"*/{META}")}
    assert models == MODELS.keys() - {"vae-past"}
    left = {file.name for file in (cleaned.folder / "lake" / "negatives").rglob("*.parquet")}
    assert YOUNG in left
    assert OLD not in left
    assert "candidate_events         1 rows of nights past deleted" in cleaned.said
    assert "models                   1 of nights past deleted" in cleaned.said
    assert f"kept: 2 of 3 nights, from {PUBLISHED} on" in cleaned.said


def test_files_of_old_versions_stay_for_the_stream_of_the_night_that_published(cleaned: Cleaned) -> None:
    hours = (dt.datetime.now(dt.UTC).replace(tzinfo=None) - RUN.started).total_seconds() / 3600 + 1
    assert re.search(r"of the versions of ([\d,]+) hours", cleaned.said)[1] in (  # type: ignore[index]
        f"{hours:,.0f}",
        f"{hours - 1:,.0f}",
    )


def test_a_clean_up_beside_a_night_is_refused(cleaned: Cleaned) -> None:
    assert "the night of 2017-03-07" in cleaned.refused
    assert cleaned.nights == {str(PUBLISHED), str(PAST), str(NEWEST)}


def test_a_week_is_the_least(cleaned: Cleaned, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.tidy(["--config", str(cleaned.folder / "shop.yaml"), "--set", "lake.retention.hours=24"]) == 2
    assert "lake.retention.hours" in capsys.readouterr().err
