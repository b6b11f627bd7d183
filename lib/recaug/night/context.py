"""What a stage gets and what it gives back."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.results import Result, TrainedModel


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

    def recorded(self, name: str) -> RunRecord:
        """Give what is recorded of another stage of this night. Raises ContractError where it has not run."""
        record = runs.find(self.lake, self.date, name)
        if record is None:
            raise ContractError(f"the {name} stage of {self.date} has not run; run it first")
        return record

    def history(self, name: str) -> list[RunRecord]:
        """Give what every night recorded of a stage, by date."""
        return runs.history(self.lake, name)


@dataclass(frozen=True)
class StageResult:
    """What `runs` records of a stage, and the models that it trained, for MLflow."""

    metrics: Result | dict[str, Any]
    content_hash: str | None = None
    decision: str = "none"
    reasons: tuple[str, ...] = ()
    trained: Sequence[TrainedModel] = ()
