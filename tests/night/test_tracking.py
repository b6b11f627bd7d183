"""What MLflow holds after a night."""

import dataclasses
import datetime as dt
import logging
from pathlib import Path

import msgspec
import pytest
from mlflow import MlflowClient
from pyspark.sql import SparkSession

from recaug import config
from recaug.generators.registry import generators
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import tracking
from recaug.night.context import Context
from recaug.results import TrainedModel

DEMO = Path(__file__).parents[2] / "conf" / "weeks.yaml"
CURVES = [
    {"epoch": 1, "loss": 7.5, "entropy": 5.0},
    {"epoch": 2, "loss": 7.0, "entropy": 4.5, "validation_ndcg@10": 0.04},
]
MODELS = [TrainedModel(name="vae-fold0", folder="/models/vae-fold0-abc", seed=0, seconds=12.5, curves=CURVES)]
SUMMARY = {
    "date": "2017-02-04",
    "run_id": "r",
    "decision": "hold",
    "reasons": ["no lower bound is above 0 %"],
    "rows": {"events": 100, "augmented": 0},
    "metrics": {"none": {"ndcg@10": 0.05, "cold": {"ndcg@10": 0.03}}},
    "lift": {"mean": 0.01, "low": -0.02, "high": None},
    "cpu_seconds": {"ingest": 3.5},
    "content_hash": None,
}


@pytest.fixture
def context(spark: SparkSession, lake: Lake, tmp_path: Path) -> Context:
    return Context(spark, config.load(DEMO), dt.date(2017, 2, 4), lake, Store(tmp_path / "artifacts"))


def client(context: Context) -> MlflowClient:
    return MlflowClient(context.artifacts.uri(tracking.FOLDER))


def runs(context: Context) -> dict[str, object]:
    mlflow = client(context)
    experiment = mlflow.get_experiment_by_name(context.config.tracking.experiment)
    return {run.info.run_name: run for run in mlflow.search_runs([experiment.experiment_id])}


def test_a_model_is_a_run_below_its_night_with_a_value_an_epoch(context: Context) -> None:
    tracking.log_training(context, MODELS)
    found = runs(context)
    assert set(found) == {context.run_id, "vae-fold0"}
    night, model = found[context.run_id], found["vae-fold0"]
    assert model.data.tags["mlflow.parentRunId"] == night.info.run_id
    assert model.data.params["folder"] == "/models/vae-fold0-abc"
    losses = client(context).get_metric_history(model.info.run_id, "loss")
    assert [(loss.step, loss.value) for loss in losses] == [(1, 7.5), (2, 7.0)]
    ndcg = client(context).get_metric_history(model.info.run_id, "validation_ndcg_at_10")
    assert [(value.step, value.value) for value in ndcg] == [(2, 0.04)]
    assert night.data.params["augment.generators.0.optimiser.epochs"] == str(
        generators(context.config.augment.generators)[0].optimiser.epochs
    )


def test_a_night_holds_its_decision_its_metrics_and_its_page(context: Context) -> None:
    context.folder.write("report/index.html", "<html></html>")
    context.folder.write("report/shown_users.json", "[]")
    tracking.log_night(context, SUMMARY)
    night = runs(context)[context.run_id]
    assert night.data.tags["decision"] == "hold"
    assert night.data.tags["reasons"] == "no lower bound is above 0 %"
    assert night.data.metrics["metrics.none.cold.ndcg_at_10"] == 0.03
    assert night.data.metrics["rows.events"] == 100
    assert "lift.high" not in night.data.metrics
    assert night.info.status == "FINISHED"
    assert [file.path for file in client(context).list_artifacts(night.info.run_id)] == [
        "index.html",
        "shown_users.json",
    ]


def test_a_rerun_replaces_what_it_logged(context: Context) -> None:
    for decision in ("hold", "publish"):
        tracking.log_training(context, MODELS)
        tracking.log_night(context, SUMMARY | {"decision": decision})
    found = runs(context)
    assert set(found) == {context.run_id, "vae-fold0"}
    assert found[context.run_id].data.tags["decision"] == "publish"
    assert len(client(context).get_metric_history(found["vae-fold0"].info.run_id, "loss")) == 2


def test_a_server_that_is_away_does_not_stop_the_night(
    context: Context, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = msgspec.structs.replace(context.config.tracking, uri="http://127.0.0.1:9")
    config_away = msgspec.structs.replace(context.config, tracking=away)
    with caplog.at_level(logging.WARNING):
        tracking.log_night(Context(context.spark, config_away, context.date, context.lake, context.artifacts), SUMMARY)
    assert "MLflow at http://127.0.0.1:9: " in caplog.text
    assert "the night goes on without it" in caplog.text


def test_without_a_disk_and_a_server_nothing_is_logged(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    away = dataclasses.replace(context, artifacts=Store("s3a://nights/artifacts"))
    tracking.log_training(away, MODELS)
    tracking.log_night(away, SUMMARY)
    assert caplog.records == []
