"""A night owns what it reads: what was not proved is not published, and nothing is resumed on others' tables."""

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY, copied

from recaug.config import Config
from recaug.errors import ContractError, StorageError
from recaug.lake import runs
from recaug.lake.tables import Lake
from recaug.night import publish
from recaug.night.context import Context
from recaug.night.nightly import RUN, inputs_of, is_done, night_context, run_night
from recaug.night.stage import NIGHT

NEXT = THIN_DAY + dt.timedelta(days=1)


def quiet(line: str) -> None:
    """Swallow what a night prints."""


@pytest.fixture(scope="module")
def passed(
    night: tuple[Config, dict[str, Any]], spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Config:
    """A copy of the thin night, as if its gate had let the VAE's rows pass; each test has a copy of it."""
    context = night_context(copied(night[0], tmp_path_factory.mktemp("passed")), THIN_DAY, spark)
    judged = context.recorded("evaluate")
    chosen = msgspec.structs.replace(judged.metrics, chosen="vae")
    runs.record(context.lake, dataclasses.replace(judged, decision="publish", metrics=chosen))
    return context.config


@pytest.fixture
def own(passed: Config, spark: SparkSession, tmp_path: Path) -> Context:
    """A copy of it of a test's own."""
    return night_context(copied(passed, tmp_path), THIN_DAY, spark)


def done(context: Context, stage: str) -> bool:
    """Say whether --resume would skip the stage."""
    record = runs.night(context.lake, context.date).get(stage)
    return is_done(context, record, inputs_of(context, NIGHT[stage]))


def overwritten(lake: Lake, table: str, rows: str, run_id: str) -> None:
    """Let another run write a table anew: some of its rows."""
    lake.replace(lake.read(table).where(rows).localCheckpoint(), table, {}, run_id)


def test_rows_that_were_not_proved_are_not_published(own: Context) -> None:
    """T1: the verdict of some candidates published others under the same run."""
    overwritten(own.lake, "candidate_events", "generator = 'vae' AND weight > 0 AND fidelity > 0.9", "someone-else")
    with pytest.raises(ContractError, match="publish: table candidate_events .*someone-else.*; run augment again"):
        run_night(own.config, THIN_DAY, own.spark, ["publish"], say=quiet)
    assert not own.lake.exists("augmented_events")


def test_a_verdict_holds_for_the_candidates_that_it_names(own: Context) -> None:
    """T1: `--stages augment,publish` after new candidates published them by the verdict of those before."""
    augmented = own.recorded("augment")
    assert own.recorded("evaluate").inputs["augment"] == augmented.content_hash
    runs.record(own.lake, dataclasses.replace(augmented, content_hash="of other rows"))
    for stage, missing in (("publish", "evaluate"), ("recommend", "refit")):  # the first that it asks for
        with pytest.raises(ContractError, match=f"the {missing} stage of .* has not run .*; run it before {stage}"):
            run_night(own.config, THIN_DAY, own.spark, [stage], say=quiet)


def test_resume_runs_a_stage_whose_tables_another_night_has_written(own: Context) -> None:
    """T2: after another night's prepare, this night's counted as done, and it trained on the other's tables."""
    assert done(own, "prepare")
    overwritten(own.lake, "sequences", "user_index % 2 = 0", f"{NEXT}-other")
    assert not done(own, "prepare")
    with pytest.raises(ContractError, match="train: table sequences .* has other rows .*other.*; run prepare again"):
        run_night(own.config, THIN_DAY, own.spark, ["train"], say=quiet)


def test_the_same_rows_written_again_or_put_together_are_no_change(own: Context) -> None:
    """T2: what counts is the content, not who wrote the files."""
    own.lake.delta("sequences").optimize().executeCompaction()
    overwritten(own.lake, "covisitation", "true", "another-run")
    record = own.recorded("prepare")
    assert record.outputs
    inputs = inputs_of(own, NIGHT["prepare"])
    assert is_done(own, record, inputs)


def test_lists_are_not_made_of_another_nights_vocabulary(own: Context) -> None:
    """T3: jobs/recommend.py of a night wrote the items of the next night's vocabulary into its lists."""
    before = own.lake.version("recommendations")
    overwritten(own.lake, "vocabulary", "item_index > 3", f"{NEXT}-other")
    with pytest.raises(ContractError, match="recommend: table vocabulary .*; run prepare again"):
        run_night(own.config, THIN_DAY, own.spark, ["recommend"], say=quiet)
    assert own.lake.version("recommendations") == before


def test_new_files_of_the_day_and_new_code_are_taken_by_resume(own: Context, thin_source: Path, tmp_path: Path) -> None:
    """T14: --resume looked at no file of the source, and not at the release."""
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "a.parquet").write_bytes(thin_source.read_bytes())
    events = msgspec.structs.replace(own.config.source.events, path=str(folder))
    config = msgspec.structs.replace(own.config, source=msgspec.structs.replace(own.config.source, event_log=events))
    run_night(config, THIN_DAY, own.spark, ["ingest"], say=quiet)
    night = night_context(config, THIN_DAY, own.spark)
    assert done(night, "ingest")
    record = night.recorded("ingest")
    runs.record(night.lake, dataclasses.replace(record, inputs=record.inputs | {"code": "of yesterday"}))
    assert not done(night, "ingest")
    runs.record(night.lake, record)
    assert done(night, "ingest")
    (folder / "b.parquet").write_bytes(thin_source.read_bytes())
    assert not done(night, "ingest")


def test_lists_are_made_again_after_a_new_verdict(own: Context) -> None:
    """T14: after a completion evaluate ran again, and the lists stayed those of the model before."""
    judged = own.recorded("evaluate")
    runs.record(own.lake, dataclasses.replace(judged, content_hash="of another model"))
    assert not done(own, "recommend")


def test_a_night_that_fails_leaves_no_older_verdict(own: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """T15: the summary of an older run, `publish`, stood after a night that failed or was killed."""
    summary = Path(own.folder.address("summary.json"))
    during = {}

    def fail(context: Context) -> None:
        during.update(json.loads(summary.read_text()))
        raise StorageError("table augmented_events: no space left")

    summary.write_text(json.dumps({"decision": "publish"}))
    monkeypatch.setitem(RUN, "publish", fail)
    with pytest.raises(StorageError):
        run_night(own.config, THIN_DAY, own.spark, ["publish"], say=quiet)
    assert (during["decision"], during["reasons"]) == ("none", ["the night has not ended"])
    after = json.loads(summary.read_text())
    assert after["decision"] == "none"
    assert after["reasons"] == ["the night failed, StorageError: table augmented_events: no space left"]
    assert after["run_id"] == own.run_id


def test_a_summary_does_not_mix_the_results_of_two_runs(own: Context) -> None:
    """T15: a verdict on other candidates than those that are there is not told with them."""
    summary = run_night(own.config, THIN_DAY, own.spark, ["publish"], say=quiet)
    assert summary["decision"] == "publish"
    augmented = own.recorded("augment")
    runs.record(own.lake, dataclasses.replace(augmented, content_hash="of other rows"))
    summary = run_night(own.config, THIN_DAY, own.spark, [], say=quiet)
    assert (summary["decision"], summary["chosen"]) == ("none", None)


def test_a_damaged_model_is_made_again_by_resume_and_used_by_nobody(own: Context) -> None:
    """T11: meta.json beside weights that were cut off counted as finished, and augment died of it, for ever."""
    trained = own.recorded("train")
    folder = own.models.at(Path(trained.metrics.models[0].folder).name)  # the copy's, not the shared night's
    model = msgspec.structs.replace(trained.metrics.models[0], folder=folder.root)
    metrics = msgspec.structs.replace(trained.metrics, models=[model, *trained.metrics.models[1:]])
    runs.record(own.lake, dataclasses.replace(trained, metrics=metrics))
    assert done(own, "train")
    weights = Path(folder.address("model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    assert not done(own, "train")
    with pytest.raises(StorageError, match=r"augment: model .*model.safetensors is damaged.*; run train of 2017-01-21"):
        run_night(own.config, THIN_DAY, own.spark, ["augment"], say=quiet)


def test_what_is_published_is_what_was_judged(own: Context) -> None:
    """T1: with nothing changed since, the chosen arm's rows are published."""
    assert publish.run(own.of_stage(NIGHT["publish"])).metrics.augmented > 0
