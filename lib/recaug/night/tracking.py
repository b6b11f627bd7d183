"""MLflow: one run a night, and below it one run a model that the night trained.

A folder under the artifacts by default, where these are on a disk; a server by configuration. Tracking watches the
night and never decides it: where MLflow cannot be reached, a line in the log says so and the night goes on.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from recaug.config.secrets import hide
from recaug.night.context import Context
from recaug.night.report import SHOWN_USERS
from recaug.results import TrainedModel

FOLDER = "mlflow"  # under the artifacts
NIGHT, MODEL = "recaug.night", "recaug.model"  # tags: run_id of the night, name of the model
BATCH = 100  # params or metrics that a server takes at once

log = logging.getLogger(__name__)


class Tracker(NamedTuple):
    """An open connection and the night's run in it."""

    client: MlflowClient
    experiment_id: str
    night: str


def log_training(context: Context, models: Sequence[TrainedModel]) -> None:
    """Log each model as a run nested in the night's: its losses and validation metrics by epoch, and its folder.

    A rerun replaces the models of the same name.
    """
    if _uri(context) is None:
        return
    with _only_watching(context):
        tracker = _connect(context)
        for model in models:
            for old in _children(tracker, model.name):
                tracker.client.delete_run(old.info.run_id)
            tags = {MLFLOW_PARENT_RUN_ID: tracker.night, MODEL: model.name}
            run = tracker.client.create_run(tracker.experiment_id, run_name=model.name, tags=tags).info.run_id
            _log_params(tracker.client, run, {"folder": model.folder, "seconds": model.seconds, "reused": model.reused})
            for epoch in model.curves:
                _log_metrics(tracker.client, run, {**epoch, "epoch": None}, step=int(epoch["epoch"]))
            tracker.client.set_terminated(run)


def log_night(context: Context, summary: Mapping[str, Any]) -> None:
    """Log a finished night: the summary's rows, metrics, lift and costs, the decision and its reasons, the page.

    summary: what summary.json holds.
    """
    if _uri(context) is None:
        return
    with _only_watching(context):
        tracker = _connect(context)
        client, night = tracker.client, tracker.night
        _log_metrics(client, night, summary)
        client.set_tag(night, "decision", summary["decision"])
        client.set_tag(night, "reasons", "; ".join(summary["reasons"]))
        client.set_tag(night, "content_hash", summary["content_hash"] or "")
        for file in (SHOWN_USERS, "index.html"):  # the first, too, so that erasure knows the copies of the page
            if context.folder.exists(f"report/{file}"):
                client.log_text(night, context.folder.read(f"report/{file}").decode(), file)
        client.set_terminated(night)


@contextmanager
def _only_watching(context: Context) -> Iterator[None]:
    """Turn what MLflow raises into a line in the log."""
    try:
        yield
    except (MlflowException, requests.RequestException, OSError) as error:
        said = " ".join(str(error).split())[:300]
        line = hide(f"MLflow at {_uri(context)}: {said}", context.config.secrets)
        log.warning("%s; the night goes on without it", line)


def _uri(context: Context) -> str | None:
    """Where MLflow writes: the server given, or a folder of the artifacts; None where these are on no disk."""
    folder = context.artifacts.uri(FOLDER) if context.artifacts.is_local else None
    return context.config.tracking.uri or folder


def _connect(context: Context) -> Tracker:
    """Open the configured experiment and the night's run in it; either is created where it is missing."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow refuses a plain folder from 3.13 on otherwise
    client = MlflowClient(_uri(context))
    name = context.config.tracking.experiment
    there = client.get_experiment_by_name(name)
    experiment = there.experiment_id if there else client.create_experiment(name)
    return Tracker(client, experiment, _night_run(client, experiment, context))


def _night_run(client: MlflowClient, experiment: str, context: Context) -> str:
    """Give the id of the night's run; a new one gets the configuration as its params."""
    same = f"tags.`{NIGHT}` = '{context.run_id}' AND tags.config_hash = '{context.config.hash}'"
    if runs := client.search_runs([experiment], same, max_results=1):
        return str(runs[0].info.run_id)
    tags = {NIGHT: context.run_id, "date": context.date.isoformat(), "config_hash": context.config.hash}
    run = str(client.create_run(experiment, run_name=context.run_id, tags=tags).info.run_id)
    _log_params(client, run, context.config.shown())
    return run


def _children(tracker: Tracker, model: str) -> list[Run]:
    """Runs of a model below the night's."""
    where = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{tracker.night}' AND tags.`{MODEL}` = '{model}'"
    return list(tracker.client.search_runs([tracker.experiment_id], where))


def _log_params(client: MlflowClient, run: str, values: Mapping[str, Any]) -> None:
    params = [Param(_key(key), str(value)[:500]) for key, value in flatten(values)]
    for start in range(0, len(params), BATCH):
        client.log_batch(run, params=params[start : start + BATCH])


def _log_metrics(client: MlflowClient, run: str, values: Mapping[str, Any], step: int = 0) -> None:
    now = int(time.time() * 1000)
    numbers = [(key, value) for key, value in flatten(values) if isinstance(value, int | float)]
    metrics = [Metric(_key(key), float(value), now, step) for key, value in numbers]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start : start + BATCH])


def flatten(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk nested mappings, and lists of them, as dotted keys.

    >>> dict(flatten({"lift": {"mean": 0.1}, "rows": 3, "generators": [{"kind": "vae"}]}))
    {'lift.mean': 0.1, 'rows': 3, 'generators.0.kind': 'vae'}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            yield from flatten(dict(enumerate(value)), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key(name: str) -> str:
    """MLflow's names have no @: ndcg@10 is ndcg_at_10."""
    return name.replace("@", "_at_")
