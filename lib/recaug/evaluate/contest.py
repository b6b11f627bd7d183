"""Measured units of several arms held against one of them: means, lifts, the strongest, the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from recaug.config import Gate
from recaug.evaluate.gate import Words, best, judge
from recaug.evaluate.statistics import Bootstrap, lift_gap, lifts, summaries, values
from recaug.results import Fidelity, Interval, Metric, Slice, Verdict

VALIDATION, TEST = "validation", "test"


@dataclass(frozen=True)
class Contest:
    """Names that are held against the first of them, and how.

    table: of measured units, see statistics.py, of one or both splits. scorers: name -> its scorers, a seed each.
    """

    table: pd.DataFrame
    scorers: Mapping[str, Sequence[str]]
    slices: Sequence[Slice]
    gate: Gate
    seed: int

    @property
    def bootstrap(self) -> Bootstrap:
        """As the gate has it."""
        return Bootstrap(self.gate.bootstraps, self.gate.confidence, self.seed, self.gate.min_units)

    def split(self, name: str) -> pd.DataFrame:
        """The units of a split."""
        return self.table[self.table["split"] == name]

    def summaries(self, split: str, metrics: Sequence[Metric]) -> dict[str, dict[Slice, dict[Metric, Interval]]]:
        """Mean and interval of every metric, by name and slice."""
        return summaries(self.split(split), self.scorers, self.slices, metrics, self.bootstrap)

    def by_seed(self, split: str, metric: Metric) -> dict[str, list[float]]:
        """Mean of a metric over all units, of each scorer of a name."""
        table = self.split(split)
        return {name: values(table, own, metric).mean(axis=1).tolist() for name, own in self.scorers.items()}

    def lifts(self, split: str, metric: Metric) -> dict[str, dict[Slice, Interval]]:
        """Lift of every other name over the first, by slice."""
        base, *others = self.scorers
        table = self.split(split)
        return {
            name: lifts(table, self.scorers[base], self.scorers[name], metric, self.slices, self.bootstrap)
            for name in others
        }

    def gap(self, name: str, metric: Metric, slices: tuple[Slice, Slice]) -> Interval | None:
        """Lift of a name over the first in one slice of the test's units, less that in another."""
        base = self.scorers[next(iter(self.scorers))]
        return lift_gap(self.split(TEST), base, self.scorers[name], metric, slices, self.bootstrap)

    def strongest(self, names: Sequence[str], metric: Metric) -> str:
        """Name the one of these that scores highest on validation; of equals the first."""
        table = self.split(VALIDATION)
        return best({name: float(values(table, self.scorers[name], metric).mean()) for name in names})

    def against(self, base: str) -> "Contest":
        """The same, all held against this one."""
        others = {name: scorers for name, scorers in self.scorers.items() if name != base}
        return replace(self, scorers={base: self.scorers[base]} | others)

    def verdict(
        self, names: Sequence[str], metric: Metric, fidelity: Mapping[str, Fidelity], words: Words
    ) -> tuple[str | None, Verdict]:
        """Choose among these names on validation, and judge that one on the test."""
        validation = {name: lift for name, lift in self.lifts(VALIDATION, metric).items() if name in names}
        return judge(validation, self.lifts(TEST, metric), fidelity, self.gate, words)
