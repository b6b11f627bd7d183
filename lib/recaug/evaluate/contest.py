"""Several arms held against one of them by sums of measured units: means, lifts, the strongest, the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recaug.config import Gate
from recaug.evaluate.gate import Words, best, judge
from recaug.evaluate.statistics import Bounds, lift_gap, lifts, summaries
from recaug.evaluate.sums import Sums
from recaug.results import Fidelity, Interval, Metric, Slice, Verdict

VALIDATION, TEST = "validation", "test"


@dataclass(frozen=True)
class Contest:
    """Names that are held against the first of them, and how.

    sums: of the units of each split that is asked for. scorers: name -> its scorers, a seed each.
    """

    sums: Mapping[str, Sums]
    scorers: Mapping[str, Sequence[str]]
    gate: Gate

    @property
    def bounds(self) -> Bounds:
        """As the gate has them."""
        return Bounds(self.gate.confidence, self.gate.min_units)

    @property
    def base(self) -> Sequence[str]:
        """The scorers of the first name."""
        return self.scorers[next(iter(self.scorers))]

    def summaries(self, split: str, metrics: Sequence[Metric]) -> dict[str, dict[Slice, dict[Metric, Interval]]]:
        """Mean and interval of every metric, by name and slice."""
        return summaries(self.sums[split], self.scorers, metrics, self.bounds)

    def means(self, split: str, metric: Metric) -> dict[str, float]:
        """Mean of a metric over all units and scorers of a name."""
        return {name: self.sums[split].drawn(own, metric).mean for name, own in self.scorers.items()}

    def by_seed(self, split: str, metric: Metric) -> dict[str, list[float]]:
        """Mean of a metric over all units, of each scorer of a name."""
        return {name: self.sums[split].drawn(own, metric).by_scorer.tolist() for name, own in self.scorers.items()}

    def lifts(self, split: str, metric: Metric) -> dict[str, dict[Slice, Interval]]:
        """Lift of every other name over the first, by slice."""
        return {
            name: lifts(self.sums[split], self.base, self.scorers[name], metric, self.bounds)
            for name in [*self.scorers][1:]
        }

    def gap(self, name: str, metric: Metric, slices: tuple[Slice, Slice]) -> Interval | None:
        """Lift of a name over the first in one slice of the test's units, less that in another."""
        return lift_gap(self.sums[TEST], self.base, self.scorers[name], metric, slices, self.bounds)

    def strongest(self, names: Sequence[str], metric: Metric) -> str:
        """Name the one of these that scores highest on validation; of equals the first."""
        means = self.means(VALIDATION, metric)
        return best({name: means[name] for name in names})

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
