"""Erasure, on a copy of the thin night: nothing that is left, in a table or on the disk, is of the erased users."""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import THIN_DAY

from recaug import cli
from recaug.config import Config, load
from recaug.errors import ContractError
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.inputs import last_night
from recaug.night.nightly import night_context, run_night
from recaug.night.report import SHOWN_USERS
from recaug.night.stage import NIGHT
from recaug.studies import erasure


@pytest.fixture
def copied(night: tuple[Config, dict[str, Any]], tmp_path: Path) -> Path:
    """The YAML of a copy of the night's lake and artifacts."""
    config, _ = night
    given = yaml.safe_load(Path(config.artifacts).with_name("night.yaml").read_text())
    for place, old in (("artifacts", config.artifacts), ("lake", config.lake.path)):
        shutil.copytree(old, tmp_path / place)
    (tmp_path / "night.yaml").write_text(
        yaml.safe_dump(given | {"artifacts": f"{tmp_path}/artifacts", "lake": {"path": f"{tmp_path}/lake"}})
    )
    return tmp_path


def users_in(files: Iterator[Path]) -> set[str]:
    """Whoever is named in Parquet files, whether a table still refers to them or not."""
    found: set[str] = set()
    for file in files:
        schema = pq.read_schema(file)
        columns = [name for name in ("user_id", "source_users") if name in schema.names]
        for column in pq.read_table(file, columns=columns).to_pydict().values():
            found |= {user for value in column for user in (value if isinstance(value, list) else [value])}
    return found


def test_nothing_is_left_of_an_erased_user_and_everything_of_the_others(
    spark: SparkSession, copied: Path, here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """T6: rows stayed in the quarantine, in old files, and on pages of users whose names HTML writes otherwise."""
    lake = Lake(spark, str(copied / "lake"))
    candidates = lake.read("candidate_events")
    artifacts = Store(copied / "artifacts")
    named = json.loads(artifacts.read(f"{THIN_DAY.isoformat()}/report/{SHOWN_USERS}"))
    assert set(named) <= {row["user_id"] for row in users(lake.read("events"))}
    pages = artifacts.list("**/index.html")
    assert any("mlflow" in page for page in pages)
    histories = candidates.where("parent_event_id IS NULL").select(F.explode("source_users").alias("user_id"))
    gone = {named[0], users(histories)[0]["user_id"], "7771"}
    bad = lake.read("events_quarantine")
    given = [
        ('{"household_id":"7771","product_id":"5"}', ["no time"]),
        ('{"household_id":"7772","product_id":"7771"}', ["no time"]),
        ('{"_corrupt_record":"7771,2017-01-0"}', ["unreadable"]),
        ('{"_corrupt_record":"77710,2017-01-0"}', ["unreadable"]),
    ]
    added = spark.createDataFrame([(raw, why, "x", THIN_DAY, False) for raw, why in given], bad.schema)
    lake.replace(bad.unionByName(added), "events_quarantine", {}, "test")
    indexes = {
        row["user_index"]
        for row in lake.read("sequences").where(F.col("user_id").isin(gone)).select("user_index").collect()
    }
    of_them = F.col("user_id").isin(gone) | F.exists("source_users", lambda user: user.isin(gone))
    left = {
        "events": lake.read("events").where(~F.col("user_id").isin(gone)).count(),
        "candidate_events": candidates.where(~of_them).count(),
        "negatives": lake.read("negatives").where(~F.col("user_index").isin(indexes)).count(),
        "recommendations": lake.read("recommendations").where(~F.col("user_id").isin(gone)).count(),
    }
    before = {name: lake.read(name).count() for name in left}
    # erase_list_with_bom: the first id was another one, and nothing said that it was nobody's
    (copied / "gone").write_text("\ufeff" + "\n".join([*gone, "nobody we know", ""]))
    command = ["--config", str(copied / "night.yaml"), "--users", str(copied / "gone"), "--retain-hours", "0"]
    assert cli.forget(command) == 3  # T7: 0, whatever the ids
    said, error = capsys.readouterr()
    assert error.splitlines()[-1].startswith(f"error: --users: no row of 1 of {len(gone) + 1} ids, 'nobody we know'; ")
    assert {name: lake.read(name).count() for name in left} == left
    assert all(0 < left[name] < before[name] for name in left)
    (name,) = artifacts.list("erasures/*.json")
    certificate = json.loads(artifacts.read(name))
    assert certificate["rows_left"] == 0
    assert certificate["users"] == sorted(hashlib.sha256(user.encode()).hexdigest() for user in gone)
    assert len(certificate["nobody"]) == 1
    told = certificate["tables"]["events"]
    assert (told["rows_deleted"], told["rows_left"]) == (before["events"] - left["events"], 0)
    assert told["version_after"] > told["version_before"]
    assert not gone & set(artifacts.read(name).decode().split('"'))
    assert f"events             {before['events'] - left['events']:,} rows deleted" in said
    quarantined = {row["raw"] for row in lake.read("events_quarantine").where("source = 'x'").collect()}
    assert quarantined == {given[1][0], given[3][0]}
    assert not gone & users_in((copied / "lake").glob("**/*.parquet"))
    assert not {row["user_index"] for row in lake.read("negatives").select("user_index").distinct().collect()} & indexes
    assert artifacts.list("**/index.html") == []  # the night's page and MLflow's copy
    assert f"pages              {len(pages):,} deleted" in said
    assert spark.conf.get(erasure.CHECK, "true") == "true"


def test_erased_users_stay_away_and_what_they_taught_is_learnt_from_no_more(
    spark: SparkSession, copied: Path, here: None
) -> None:
    """T5: the next read of the source brought them back, and the models went on from those that they had taught."""
    config = load(copied / "night.yaml")
    night = night_context(config, THIN_DAY, spark)
    events = night.lake.read("events")
    total, (user, *_) = events.count(), [row["user_id"] for row in users(events)]
    theirs = events.where(F.col("user_id") == user).count()
    said_of = F.get_json_object("raw", "$.household_id")
    quarantined = night.lake.read("events_quarantine").where(said_of == user).count()
    (copied / "gone").write_text(user)
    assert cli.forget(["--config", str(copied / "night.yaml"), "--users", str(copied / "gone")]) == 0
    with pytest.raises(ContractError, match="augment: users have been erased since prepare of 2017-01-21; run it agai"):
        run_night(config, THIN_DAY, spark, ["augment"], say=lambda line: None)
    summary = run_night(config, THIN_DAY, spark, ["ingest"], say=lambda line: None)
    assert night.lake.read("events_quarantine").where(said_of == user).isEmpty()
    assert summary["rows"]["ignored"] == theirs + quarantined > theirs > 0
    assert night.lake.read("events").count() == total - theirs
    assert night.lake.read("events").where(F.col("user_id") == user).isEmpty()
    assert night.lake.read("events_quarantine").count() > 0
    warm = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, warm_epochs=1))
    after = night_context(warm, THIN_DAY + dt.timedelta(days=1), spark)
    assert last_night(after.of_stage(NIGHT["train"])) is None
    night.lake.delta("erased_users").delete()
    assert last_night(after.of_stage(NIGHT["train"])) is not None
    assert cli.forget(["--config", str(copied / "night.yaml"), "--users", str(copied / "gone")]) == 3


def test_only_pages_that_show_an_erased_user_are_deleted(thin_config: Callable[..., Config], tmp_path: Path) -> None:
    artifacts = Store(tmp_path / "artifacts")
    for folder, shown in {
        "2017-01-21/report": ["7", "71"],
        "mlflow/1/a/artifacts": ["7"],
        "2017-01-22/report": ["71"],
        "2017-01-23/report": [],
    }.items():
        artifacts.write(f"{folder}/index.html", "<html>user 7</html>")
        artifacts.write(f"{folder}/{SHOWN_USERS}", json.dumps(shown))
    artifacts.write("2017-01-22/attributes/index.html", "<html>attribute 7</html>")
    nothing: Any = None
    context = Context(nothing, thin_config(), dt.date(2017, 1, 23), nothing, artifacts)
    assert erasure._pages(context, ["7", "nobody"]) == 2
    assert artifacts.list("**/index.html") == [
        "2017-01-22/attributes/index.html",
        "2017-01-22/report/index.html",
        "2017-01-23/report/index.html",
    ]
    assert artifacts.list(f"**/{SHOWN_USERS}") == [f"2017-01-{day}/report/{SHOWN_USERS}" for day in (22, 23)]
    assert erasure._pages(context, ["7"]) == 0


def test_what_cannot_be_read_is_one_line(
    copied: Path, here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.forget(["--config", str(copied / "night.yaml"), "--users", str(tmp_path / "none")]) == 3
    (tmp_path / "empty").write_text("\n")
    assert cli.forget(["--config", str(copied / "night.yaml"), "--users", str(tmp_path / "empty")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: --users ")
    assert second == "error: --users names nobody"


def users(rows: DataFrame) -> list[Any]:
    """Its users, in order."""
    return rows.select("user_id").distinct().orderBy("user_id").collect()
