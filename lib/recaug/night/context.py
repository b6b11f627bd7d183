"""What a stage gets and what it gives back."""

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.tables import Lake
from recaug.results import Result
from recaug.training.jobs import Trained


@dataclass(frozen=True)
class Context:
    """One night: its session, configuration, date, tables and artifacts.

    artifacts: the folder of all nights; what belongs to this night lies in `folder`, models in `models`.
    """

    spark: SparkSession
    config: Config
    date: dt.date
    lake: Lake
    artifacts: Path

    @property
    def run_id(self) -> str:
        """Same date and configuration, same run: a rerun replaces what it wrote."""
        return f"{self.date.isoformat()}-{self.config.hash}"

    @property
    def folder(self) -> Path:
        """`<artifacts>/<date>`."""
        return self.artifacts / self.date.isoformat()

    @property
    def models(self) -> Path:
        """`<artifacts>/models`: one folder a trained model, named after the hash of what made it."""
        return self.artifacts / "models"

    def find(self, stage: str) -> RunRecord | None:
        """Give what is recorded of a stage of this night; None where it has not run."""
        return runs.find(self.lake, self.date, stage)

    def recorded(self, stage: str) -> RunRecord:
        """Give the same. Raises ContractError where it has not run."""
        record = self.find(stage)
        if record is None:
            raise ContractError(f"the {stage} stage of {self.date} has not run; run it before what reads it")
        return record


def write_file(target: Path, text: str) -> None:
    """Write a file by one rename, its folder too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, target)


@dataclass(frozen=True)
class StageResult:
    """What `runs` records of a stage, and the models that it trained, for MLflow."""

    metrics: Result
    content_hash: str | None = None
    decision: str = "none"
    reasons: tuple[str, ...] = ()
    trained: Sequence[Trained] = ()
