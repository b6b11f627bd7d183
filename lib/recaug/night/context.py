"""What a stage gets and what it gives back."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.lake.views import View
from recaug.night.stage import NIGHT, Stage, candidates_hash, sections_hash
from recaug.results import Result, TrainedModel


class UndeclaredRecord(LookupError):
    """A stage asks for the record of a stage that is not in its declaration: a mistake in night/stage.py."""


@dataclass(frozen=True)
class Context:
    """One night: its session, configuration, date, tables and artifacts.

    artifacts: of all nights; what belongs to this night lies in `folder`, models in `models`.
    proved: the configuration that the night's recipe was proved with, where config is that of its refit; it names the
    run, and the records are of it.
    stage: that it was made for, whose declaration bounds what it gives; None: it gives every table and record.
    """

    spark: SparkSession
    config: Config
    date: dt.date
    lake: Lake
    artifacts: Store
    stage: Stage | None = None
    proved: Config | None = None

    @property
    def run_id(self) -> str:
        """Same date and same sections up to augment, same run: what comes after the candidates changes no row."""
        return f"{self.date.isoformat()}-{candidates_hash(self.proved or self.config)}"

    @property
    def study_id(self) -> str:
        """Same date and configuration, same study."""
        return f"{self.date.isoformat()}-{self.config.hash}"

    @property
    def folder(self) -> Store:
        """`<artifacts>/<date>`."""
        return self.artifacts.at(self.date.isoformat())

    @property
    def models(self) -> Store:
        """`<artifacts>/models`: one folder a trained model, named after the hash of what made it."""
        return self.artifacts.at("models")

    def of_stage(self, stage: Stage) -> "Context":
        """Give what a stage may see: the tables and the records that it declares."""
        return replace(self, lake=View(self.lake, stage.reads, stage.writes), stage=stage)

    def recorded(self, name: str) -> RunRecord:
        """Give what is recorded of another stage of this night.

        Raises ContractError where it has not run, or only with other sections of the configuration.
        """
        record = self.find(name)
        if record is None:
            before = f"; run it before {self.stage.name}" if self.stage is not None else ""
            raise ContractError(
                f"the {name} stage of {self.date} has not run with this configuration, or not since a stage that it "
                f"reads{before}"
            )
        return record

    def find(self, name: str) -> RunRecord | None:
        """Do as `recorded`; None where it has not run with this configuration, or a stage that it read has since.

        So a verdict holds for the candidates that it names alone, and a refit's rows for the verdict that it names.
        """
        if self.stage is not None and name not in self.stage.needs:
            raise UndeclaredRecord(f"{self.stage.name} does not declare that it needs the record of {name}")
        if name in NIGHT:
            return self._consistent().get(name)
        record = runs.find(self.lake.whole, self.date, name)
        return record if record is not None and self.is_current(record) else None

    def night(self) -> dict[str, RunRecord]:
        """Give what is recorded of this night by its stages with this configuration, in their order; see find."""
        records = self._consistent()
        names = NIGHT if self.stage is None else self.stage.needs
        return {name: records[name] for name in names if name in records}

    def _consistent(self) -> dict[str, RunRecord]:
        records = runs.consistent(self.lake.whole, self.date, NIGHT)
        return {name: record for name, record in records.items() if self.is_current(record)}

    def history(self, name: str) -> list[RunRecord]:
        """Give what every night recorded of a stage, by date."""
        if self.stage is not None and name not in self.stage.history:
            raise UndeclaredRecord(f"{self.stage.name} does not declare that it reads the history of {name}")
        return runs.history(self.lake.whole, name)

    def is_current(self, record: RunRecord) -> bool:
        """Say whether the configuration that decides a stage of the night is still that of its record."""
        return record.config_hash == sections_hash(NIGHT[record.stage], self.proved or self.config)


@dataclass(frozen=True)
class StageResult:
    """What `runs` records of a stage, and the models that it trained, for MLflow."""

    metrics: Result
    content_hash: str | None = None
    decision: str = "none"
    reasons: tuple[str, ...] = ()
    trained: Sequence[TrainedModel] = ()
