"""What a trial needs to know of a task: what its arms learn from, how they are trained, measured and looked through."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from recaug.evaluate.groups import Groups
from recaug.results import Arm, Fidelity, Metric, Slice, TrainedModel

Scorers = Mapping[str, Any]  # name -> what a task's measure asks


class Check(NamedTuple):
    """One look for a leak. leaks: rows that know too much; example: one of them, empty where there is none."""

    name: str
    leaks: int
    example: str


class Items(NamedTuple):
    """What lists are made of. events: (n_items + 1,) of the train split; head: (n_items + 1,) of the head."""

    events: NDArray[np.float32]
    head: NDArray[np.bool_]


class Task(Protocol):
    """Something that models are trained for and proved on.

    unit: what is resampled, such as `user`, and units, so many of them. slices: of the units, beside all of them.
    metrics: that measure gives; lifted: those whose lift is told.
    """

    @property
    def name(self) -> str:
        """As results tell it."""
        ...

    @property
    def unit(self) -> str:
        """In the singular."""
        ...

    @property
    def units(self) -> str:
        """In the plural."""
        ...

    @property
    def slices(self) -> Sequence[Slice]:
        """Of the units, beside all of them: boolean columns of what is measured."""
        ...

    @property
    def metrics(self) -> Sequence[Metric]:
        """Columns of what is measured."""
        ...

    @property
    def lifted(self) -> Sequence[Metric]:
        """Metrics whose lift over the arm without generated rows is told."""
        ...

    @property
    def items(self) -> Items:
        """What the lists show."""
        ...

    def rows(self, arm: Arm) -> DataFrame:
        """Give what a model of the arm learns from."""
        ...

    def jobs(self, arm: Arm, seeds: int) -> Sequence[Any]:
        """Write the arm's rows, and give a training a seed."""
        ...

    def train(self, jobs: Sequence[Any], title: str) -> Sequence[TrainedModel]:
        """Train in one launch; in the jobs' order."""
        ...

    def briefly(self, epochs: int) -> "Task":
        """The same task with trainings of so many epochs."""
        ...

    def scorers(self, folders: Mapping[str, str]) -> Scorers:
        """Trained models as scorers, by name."""
        ...

    def baselines(self) -> Scorers:
        """What the arms are seen beside."""
        ...

    def blends(self, deep: Scorers, baselines: Scorers) -> Scorers:
        """Mixtures of trained scorers with a baseline, named by BLENDED; none where they are not asked for."""
        ...

    def measure(self, splits: Sequence[str], scorers: Scorers) -> DataFrame:
        """Measure the units of some splits.

        Gives split, unit, slices (boolean), scorer, metrics, tail (see ranking) and top (array<int>).
        """
        ...

    def fidelity(self, arms: Sequence[Arm]) -> Mapping[str, Fidelity]:
        """How the arms' candidates look beside real rows, by the arm's name."""
        ...

    def groups(self) -> Groups:
        """Who of the test's units, and which items, belong to which of the groups that are asked for."""
        ...

    def leaks(self, arms: Sequence[Arm]) -> list[Check]:
        """Look for rows that know what the units are held out of."""
        ...
