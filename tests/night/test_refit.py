"""The recipe learns from all days once it is proved."""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import THIN_DAY, copied

from recaug.clickstream.splits import window_events
from recaug.config import Config
from recaug.lake import runs
from recaug.lake.contracts import REFIT, REFITTED
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.lake.views import Room
from recaug.night import refit
from recaug.night.context import Context
from recaug.night.experiment import recommend_task
from recaug.night.nightly import night_context, run_night
from recaug.results import Refit, Train
from recaug.studies.erasure import erase
from recaug.training.checkpoint import read_meta

AFTER = ["refit", "publish", "recommend"]
JUDGED = [name for name in REFITTED if name != "training_rows"]  # made before the bounds are asked


def refitting(night: tuple[Config, dict[str, Any]], folder: Path) -> Config:
    """A copy of the night that is to be refitted."""
    return msgspec.structs.replace(copied(night[0], folder), refit=True)


class Broken(NamedTuple):
    """What came of rows of all days that broke a bound, on eight shuffle partitions. content: of their tables."""

    summary: dict[str, Any]
    lines: list[str]
    served: str
    content: dict[str, str]


@pytest.fixture(scope="module")
def both(
    night: tuple[Config, dict[str, Any]], spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Context, Broken]:
    """A night whose gate lets the VAE's rows pass, refitted, up to its lists: first with rows that break a bound."""
    context = night_context(refitting(night, tmp_path_factory.mktemp("refitted")), THIN_DAY, spark)
    judged = context.recorded("evaluate")
    passed = msgspec.structs.replace(judged.metrics, chosen="vae")
    runs.record(context.lake, dataclasses.replace(judged, decision="publish", metrics=passed))
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch, partitions(spark, 8):
        patch.setattr(refit, "faults_of", lambda fidelity, gate: [f"copies {fidelity.copies:.0f}"])
        summary = run_night(context.config, THIN_DAY, spark, AFTER, say=lines.append)
    broken = Broken(summary, lines, context.recorded("recommend").metrics.model, content(context, JUDGED))
    run_night(context.config, THIN_DAY, spark, AFTER, say=lambda line: None)
    return context, broken


@pytest.fixture(scope="module")
def published(both: tuple[Context, Broken]) -> Context:
    """The night without a broken bound. Read it."""
    return both[0]


@contextmanager
def partitions(spark: SparkSession, number: int) -> Iterator[None]:
    """Shuffle into so many partitions."""
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", str(number))
    try:
        yield
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(before))


def content(context: Context, names: Sequence[str]) -> dict[str, str]:
    """The hashes of tables of all days, as their last commits have them."""
    tables = {name: DeltaTable(f"{context.config.lake.path}/{REFIT}_{name}") for name in names}
    return {name: json.loads(table.history(1)[0]["userMetadata"])["content_hash"] for name, table in tables.items()}


def found(context: Context) -> Refit:
    metrics = context.recorded("refit").metrics
    assert isinstance(metrics, Refit)
    return metrics


def test_every_event_of_the_windows_is_learnt_from(published: Context) -> None:
    room = Room(published.lake, REFIT)
    counting = window_events(published.lake.read("events"), THIN_DAY, published.config.prepare)
    known = counting.join(room.read("vocabulary"), "item_id", "left_semi")
    assert room.read("vocabulary").agg(F.sum("events")).first()[0] == known.count()  # type: ignore[index]
    rows = room.read("sequences")
    assert {row["split"] for row in rows.select("split").distinct().collect()} == {"train", "serve"}
    learnt = rows.where("split = 'train'").select(F.explode("event_ids").alias("event_id")).distinct()
    assert learnt.count() == known.select("event_id").distinct().count()
    new = room.read("vocabulary").join(published.lake.read("vocabulary"), "item_id", "left_anti")
    assert new.count() > 0


def test_the_models_go_on_from_those_that_were_proved(published: Context) -> None:
    refitted, proved = found(published), published.recorded("evaluate").metrics
    *generators, recommender = refitted.models
    assert recommender.started_from == proved.arms[proved.chosen].measured.models[0].folder
    assert recommender.folder == refitted.recommender
    assert [curve["epoch"] for curve in recommender.curves] == [1.0]  # of two, a third
    trained = {model.name: model for model in published.recorded("train").metrics.models}
    assert {model.generator for model in generators} == {proved.chosen}
    for model in generators:
        assert model.started_from == trained[model.name].folder
        assert len(model.curves) == -(-(trained[model.name].epoch or 0) // refit.SHARE)
    words = published.lake.read(f"{REFIT}_vocabulary").count()
    assert read_meta(recommender.folder)["arguments"]["n_items"] == words
    drawn = {"candidate_events, parent", "candidate_events, time", "training_rows", "training_rows, generated"}
    assert drawn <= set(refitted.leaks)
    assert not {"seen", "covisitation", "negatives"} & set(refitted.leaks)  # nothing is held out
    assert not any(refitted.leaks.values())


def test_rows_and_lists_are_of_all_days(published: Context) -> None:
    chosen = published.recorded("evaluate").metrics.chosen
    rows = published.lake.read("augmented_events").where(F.col("event_date") == F.lit(THIN_DAY))
    drawn = published.lake.read(f"{REFIT}_candidate_events").where(F.col("generator") == chosen)
    assert rows.count() == drawn.count() == found(published).candidates > 0
    assert {row["run_id"] for row in rows.select("run_id").distinct().collect()} == {published.run_id}
    latest = published.lake.read("events").where(F.col("event_date") == F.lit(THIN_DAY)).select("event_id")
    assert rows.join(latest, rows["parent_event_id"] == latest["event_id"], "left_semi").count() > 0
    listed = published.recorded("recommend").metrics
    assert listed.model == found(published).recommender
    assert listed.arm == chosen


def test_the_rows_of_all_days_do_not_depend_on_shuffle_partitions(both: tuple[Context, Broken], tmp_path: Path) -> None:
    """Nor on what is there already: the models are found again, the tables are replaced."""
    published, broken = both
    assert content(published, JUDGED) == broken.content
    *generators, _ = found(published).models
    assert all(model.reused for model in generators)
    again = night_context(copied(published.config, tmp_path), THIN_DAY, published.spark)
    arm = refit.served_arm(again.recorded("evaluate")).arm
    with partitions(published.spark, 8):
        recommend_task(refit._of_all_days(again, arm), Train(models=generators)).jobs(arm, 1)
        run_night(again.config, THIN_DAY, published.spark, AFTER[1:], say=lambda line: None)
    assert content(again, REFITTED) == content(published, REFITTED)
    for stage in AFTER[1:]:
        assert again.recorded(stage).content_hash == published.recorded(stage).content_hash is not None, stage


def test_a_night_that_holds_refits_its_recommender_alone(
    night: tuple[Config, dict[str, Any]], spark: SparkSession, tmp_path: Path
) -> None:
    config = refitting(night, tmp_path)
    run_night(config, THIN_DAY, spark, ["refit", "publish", "recommend"], say=lambda line: None)
    held = night_context(config, THIN_DAY, spark)
    assert held.recorded("publish").decision == "hold"
    assert [model.name for model in found(held).models] == ["none-seed0"]
    assert held.recorded("recommend").metrics.model == found(held).recommender
    assert not held.lake.exists(f"{REFIT}_candidate_events")
    assert not held.lake.exists("augmented_events")


def test_rows_of_all_days_that_break_a_bound_are_not_used(both: tuple[Context, Broken]) -> None:
    context, broken = both
    proved = context.recorded("evaluate").metrics
    assert broken.served == proved.arms[proved.chosen].measured.models[0].folder
    own = context.lake.read("candidate_events").where(F.col("generator") == proved.chosen).count()
    assert broken.summary["rows"]["augmented"] == own
    assert broken.summary["warnings"] == ["the rows of all days are not used but those that were proved: copies 0"]
    assert any("what was proved serves, for copies 0" in line for line in broken.lines)


def test_who_is_erased_is_in_no_table_of_all_days(published: Context, tmp_path: Path) -> None:
    """Those tables beside the log alone: test_erasure erases from all."""
    path, kept = published.config.lake.path, {"runs", "events", *(f"{REFIT}_{name}" for name in REFITTED)}
    assert path is not None
    shutil.copytree(path, tmp_path / "lake", ignore=lambda at, names: {*names} - kept if at == path else set())
    lake = Lake(published.spark, str(tmp_path / "lake"))
    context = replace(published, lake=lake, artifacts=Store(tmp_path / "artifacts"))
    whole = lake.read(f"{REFIT}_sequences").select("user_id", "user_index").distinct()
    (user,) = whole.limit(1).collect()
    erase(context, [user["user_id"]], say=lambda line: None)
    for name in REFITTED:
        rows = lake.read(f"{REFIT}_{name}")
        for column in ("user_id", "user_index"):
            assert column not in rows.columns or rows.where(F.col(column) == user[column]).isEmpty(), name
