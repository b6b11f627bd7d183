"""What a stage gets and what it gives back."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.results import TrainedModel


@dataclass(frozen=True)
class Context:
    """One night: its session, configuration, date, tables and artifacts.

    artifacts: of all nights; what belongs to this night lies in `folder`, models in `models`.
    """

    spark: SparkSession
    config: Config
    date: dt.date
    lake: Lake
    artifacts: Store

    @property
    def run_id(self) -> str:
        """Same date and configuration, same run: a rerun replaces what it wrote."""
        return f"{self.date.isoformat()}-{self.config.hash}"

    @property
    def folder(self) -> Store:
        """`<artifacts>/<date>`."""
        return self.artifacts.at(self.date.isoformat())

    @property
    def models(self) -> Store:
        """`<artifacts>/models`: one folder a trained model, named after the hash of what made it."""
        return self.artifacts.at("models")


@dataclass(frozen=True)
class StageResult:
    """What `runs` records of a stage, and the models that it trained, for MLflow. metrics: anything that JSON holds."""

    metrics: Any = field(default_factory=dict)
    content_hash: str | None = None
    decision: str = "none"
    reasons: tuple[str, ...] = ()
    trained: Sequence[TrainedModel] = ()
