"""Erasure, on a copy of the thin night: nothing that is left, in a table or on the disk, is of the erased users."""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

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
from recaug.lake import upkeep
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.inputs import last_night
from recaug.night.nightly import night_context, run_night
from recaug.night.report import SHOWN_USERS
from recaug.night.stage import NIGHT
from recaug.studies import erasure

GONE = "7771"  # who is in the quarantine alone


class Erasing(NamedTuple):
    """A copy of the night after an erasure. left, before: rows of tables, by what they should be and as they were."""

    folder: Path
    gone: set[str]
    indexes: set[int]
    left: dict[str, int]
    before: dict[str, int]
    quarantined: list[str]
    pages: list[str]
    code: int
    said: str
    error: str


@pytest.fixture(scope="module")
def erased(
    night: tuple[Config, dict[str, Any]], spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Erasing:
    """Three users erased from a copy of the night's lake and artifacts, and an id that is nobody's."""
    config, folder = night[0], tmp_path_factory.mktemp("erased")
    given = yaml.safe_load(Path(config.artifacts).with_name("night.yaml").read_text())
    for place, old in (("artifacts", config.artifacts), ("lake", config.lake.path)):
        shutil.copytree(str(old), folder / place)
    (folder / "night.yaml").write_text(
        yaml.safe_dump(given | {"artifacts": f"{folder}/artifacts", "lake": {"path": f"{folder}/lake"}})
    )
    lake, artifacts = Lake(spark, str(folder / "lake")), Store(folder / "artifacts")
    named = json.loads(artifacts.read(f"{THIN_DAY.isoformat()}/report/{SHOWN_USERS}"))
    events, candidates = lake.read("events"), lake.read("candidate_events")
    assert set(named) <= {row["user_id"] for row in users(events)}
    pages = artifacts.list("**/index.html")
    assert any("mlflow" in page for page in pages)
    histories = candidates.where("parent_event_id IS NULL").select(F.explode("source_users").alias("user_id"))
    gone = {named[0], users(histories)[0]["user_id"], GONE}
    bad = lake.read("events_quarantine")
    rows = [
        (f'{{"household_id":"{GONE}","product_id":"5"}}', ["no time"]),
        (f'{{"household_id":"7772","product_id":"{GONE}"}}', ["no time"]),
        (f'{{"_corrupt_record":"{GONE},2017-01-0"}}', ["unreadable"]),
        (f'{{"_corrupt_record":"{GONE}0,2017-01-0"}}', ["unreadable"]),
    ]
    added = spark.createDataFrame([(raw, why, "x", THIN_DAY, False) for raw, why in rows], bad.schema)
    lake.replace(bad.unionByName(added), "events_quarantine", {}, "test")
    of_them = F.col("user_id").isin(gone) | F.exists("source_users", lambda user: user.isin(gone))
    serve = lake.read("sequences").where(F.col("user_id").isin(gone)).select("user_index").distinct()
    indexes = {row["user_index"] for row in serve.collect()}
    rest = {
        "events": events.where(~F.col("user_id").isin(gone)),
        "candidate_events": candidates.where(~of_them),
        "negatives": lake.read("negatives").where(~F.col("user_index").isin(indexes)),
        "recommendations": lake.read("recommendations").where(~F.col("user_id").isin(gone)),
    }
    left = {name: rows.count() for name, rows in rest.items()}
    before = {name: lake.read(name).count() for name in left}
    # erase_list_with_bom: the first id was another one, and nothing said that it was nobody's
    (folder / "gone").write_text("\ufeff" + "\n".join([*gone, "nobody we know", ""]))
    code, said, error = forget(spark, folder, "--retain-hours", "0")
    return Erasing(folder, gone, indexes, left, before, [raw for raw, _ in rows], pages, code, said, error)


def forget(spark: SparkSession, folder: Path, *more: str) -> tuple[int, str, str]:
    """Run the job on the tests' session over the ids in `folder`/gone. Returns its exit code and what it printed."""
    command = ["--config", str(folder / "night.yaml"), "--users", str(folder / "gone"), *more]
    out, error = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setattr(cli, "build", lambda *_: spark)
        patch.setattr(type(spark), "stop", lambda _: None)
        code = cli.forget(command)
    return code, out.getvalue(), error.getvalue()


def users_in(files: Iterator[Path]) -> set[str]:
    """Whoever is named in Parquet files, whether a table still refers to them or not."""
    found: set[str] = set()
    for file in files:
        schema = pq.read_schema(file)
        columns = [name for name in ("user_id", "source_users") if name in schema.names]
        for column in pq.read_table(file, columns=columns).to_pydict().values():
            found |= {user for value in column for user in (value if isinstance(value, list) else [value])}
    return found


def test_nothing_is_left_of_an_erased_user_and_everything_of_the_others(spark: SparkSession, erased: Erasing) -> None:
    """T6: rows stayed in the quarantine, in old files, and on pages of users whose names HTML writes otherwise."""
    lake, gone, left, before = Lake(spark, str(erased.folder / "lake")), erased.gone, erased.left, erased.before
    artifacts = Store(erased.folder / "artifacts")
    assert erased.code == 3  # T7: 0, whatever the ids
    assert erased.error.splitlines()[-1].startswith(
        f"error: --users: no row of 1 of {len(gone) + 1} ids, 'nobody we know'; "
    )
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
    assert f"events             {before['events'] - left['events']:,} rows deleted" in erased.said
    quarantined = {row["raw"] for row in lake.read("events_quarantine").where("source = 'x'").collect()}
    assert quarantined == {erased.quarantined[1], erased.quarantined[3]}
    assert not gone & users_in((erased.folder / "lake").glob("**/*.parquet"))
    indexes = {row["user_index"] for row in lake.read("negatives").select("user_index").distinct().collect()}
    assert not indexes & erased.indexes
    assert artifacts.list("**/index.html") == []  # the night's page and MLflow's copy
    assert f"pages              {len(erased.pages):,} deleted" in erased.said
    assert spark.conf.get(upkeep.CHECK, "true") == "true"


def test_erased_users_stay_away_and_what_they_taught_is_learnt_from_no_more(
    spark: SparkSession, night: tuple[Config, dict[str, Any]], erased: Erasing
) -> None:
    """T5: the next read of the source brought them back, and the models went on from those that they had taught."""
    config, gone = load(erased.folder / "night.yaml"), F.col("user_id").isin(erased.gone)
    after, whole = night_context(config, THIN_DAY, spark), Lake(spark, night[0].lake.path)
    theirs = whole.read("events").where(gone).count()
    said_of = F.get_json_object("raw", "$.household_id").isin(erased.gone)
    quarantined = whole.read("events_quarantine").where(said_of).count()
    with pytest.raises(ContractError, match="augment: users have been erased since prepare of 2017-01-21; run it agai"):
        run_night(config, THIN_DAY, spark, ["augment"], say=lambda line: None)
    summary = run_night(config, THIN_DAY, spark, ["ingest"], say=lambda line: None)
    assert after.lake.read("events_quarantine").where(said_of).isEmpty()
    assert summary["rows"]["ignored"] == theirs + quarantined > theirs > 0
    assert after.lake.read("events").count() == erased.before["events"] - theirs
    assert after.lake.read("events").where(gone).isEmpty()
    assert after.lake.read("events_quarantine").count() > 0
    warm = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, warm_epochs=1))
    following = night_context(warm, THIN_DAY + dt.timedelta(days=1), spark)
    assert last_night(following.of_stage(NIGHT["train"])) is None
    after.lake.delta("erased_users").delete()
    assert last_night(following.of_stage(NIGHT["train"])) is not None


def test_an_erased_user_is_known_for_as_long_as_the_erasure_is(
    spark: SparkSession, night: tuple[Config, dict[str, Any]], thin_yaml: Callable[..., Path], tmp_path: Path
) -> None:
    """Who was there is erased with exit code 0; an id of nobody that no erasure knows, with another."""
    path, lake = thin_yaml({"lake": {"path": str(tmp_path / "lake")}}), Lake(spark, str(tmp_path / "lake"))
    shutil.copytree(f"{night[0].lake.path}/events", tmp_path / "lake" / "events")
    (path.parent / "gone").write_text(users(lake.read("events"))[0]["user_id"])
    assert forget(spark, path.parent)[0] == 0
    lake.delta("erased_users").delete()
    assert forget(spark, path.parent)[0] == 3


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
    thin_yaml: Callable[..., Path], here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = thin_yaml()
    assert cli.forget(["--config", str(path), "--users", str(tmp_path / "none")]) == 3
    (tmp_path / "empty").write_text("\n")
    assert cli.forget(["--config", str(path), "--users", str(tmp_path / "empty")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: --users ")
    assert second == "error: --users names nobody"


def users(rows: DataFrame) -> list[Any]:
    """Its users, in order."""
    return rows.select("user_id").distinct().orderBy("user_id").collect()
