"""For whom the generated rows help: the first figure of the page, and the sentence beside the strongest control."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from recaug.config import Gate
from recaug.evaluate.arms import NONE
from recaug.evaluate.ranking import RARE
from recaug.report.evidence import augmented_arms, bounded_lift
from recaug.report.numbers import change, interval
from recaug.report.series import Look, Series, arm_looks, arm_title
from recaug.report.tables import BASELINES, METRICS, SLICES
from recaug.results import Interval, Measured, Trial

TARGETS = {
    "recall@20 head": ("Head targets", "Recall@20 of frequent items"),
    "recall@20 tail": ("Tail targets", "Recall@20 of the other items"),
    "recall@20 rare": ("Rare targets", f"Recall@20, {RARE} train events or fewer"),
}
WIDEST = 2.5  # a target's interval beside the users' widest; what goes on is cut, with an arrow
ALONE = "the same recommender {}"
MIXED = "the blend with the co-visitation counts"
Measurement = tuple[str, Interval, Interval | None]  # an arm, its lift on the test window and on the validation window


class Span(NamedTuple):
    """An interval in percent of the axis, cut at its ends. cut: `low`, `high`, both or neither."""

    low: float
    mean: float
    high: float
    cut: tuple[str, ...]


class LiftLine(NamedTuple):
    """An arm in one slice. word: see proof. test, validation: where they are drawn; validation may be missing."""

    look: Look
    chosen: bool
    lift: Interval
    word: str
    test: Span
    validation: Span | None


class LiftSlice(NamedTuple):
    """Those for whom, or the targets for which, a lift was measured. note: how many, or of which metric."""

    label: str
    note: str
    lines: list[LiftLine]


class Axis(NamedTuple):
    """Of lifts, both ends shares."""

    low: float
    high: float

    def at(self, lift: float) -> float:
        """Where a lift lies, in percent of the axis; at its end where it is beyond.

        >>> Axis(-0.1, 0.3).at(0.0)
        25.0
        """
        return round(100 * min(max((lift - self.low) / (self.high - self.low), 0.0), 1.0), 2)

    def span(self, lift: Interval) -> Span:
        """Where an interval with both bounds lies."""
        low, high = float(lift.low or 0.0), float(lift.high or 0.0)
        cut = (*(["low"] if low < self.low else []), *(["high"] if high > self.high else []))
        return Span(self.at(low), self.at(lift.mean), self.at(high), cut)


class Forest(NamedTuple):
    """Lifts with their intervals by slice and arm. ticks: shares; zero, bound, harm: in percent of the axis."""

    slices: list[LiftSlice]
    axis: Axis
    ticks: list[float]
    zero: float
    bound: float
    harm: float


def proof(lift: Interval) -> str:
    """What an interval says in a word or two, whatever the gate's bounds are.

    >>> proof(Interval(mean=0.02, low=-0.01, high=0.05)), proof(Interval(mean=0.02, low=0.01, high=0.03))
    ('no proof', 'a gain')
    """
    if lift.low is None or lift.high is None or lift.low <= 0 <= lift.high:
        return "no proof"
    return "a gain" if lift.low > 0 else "a loss"


def forest(trial: Trial | None, gate: Gate, generators: Sequence[Series]) -> Forest | None:
    """Lifts of the gate's metric by users, and of recall by targets, where they have bounds; None without any."""
    if trial is None:
        return None
    users = {
        (SLICES[part], f"{units:,}"): _of_users(trial, part, generators)
        for part in ("overall", "cold", "warm")
        if (units := trial.units.get(part))
    }
    targets = {words: _of_targets(trial, metric, generators) for metric, words in TARGETS.items()}
    measured = [(words, lines) for words, lines in (users | targets).items() if lines]
    if not measured:
        return None
    axis, ticks = _axis([*chain(*users.values())], [*chain(*targets.values())], gate)
    looks = arm_looks((result.arm for result in trial.arms.values()), generators)
    slices = [
        LiftSlice(label, note, [_line(looks[arm], arm == trial.chosen, test, held, axis) for arm, test, held in lines])
        for (label, note), lines in measured
    ]
    return Forest(slices, axis, ticks, axis.at(0.0), axis.at(gate.min_lift), axis.at(-gate.max_harm))


def _of_users(trial: Trial, part: str, generators: Sequence[Series]) -> list[Measurement]:
    return [
        (result.arm.name, lift, bounded_lift(result.validation_lifts.get(part)))
        for result in augmented_arms(trial, generators)
        if (lift := bounded_lift(result.lifts.get(trial.metric, {}).get(part))) is not None
    ]


def _of_targets(trial: Trial, metric: str, generators: Sequence[Series]) -> list[Measurement]:
    return [
        (result.arm.name, lift, None)
        for result in augmented_arms(trial, generators)
        if (lift := bounded_lift(result.lifts.get(metric, {}).get("overall"))) is not None
    ]


def _line(look: Look, chosen: bool, test: Interval, held: Interval | None, axis: Axis) -> LiftLine:
    return LiftLine(look, chosen, test, proof(test), axis.span(test), None if held is None else axis.span(held))


def _axis(users: list[Measurement], targets: list[Measurement], gate: Gate) -> tuple[Axis, list[float]]:
    """From the lowest to the highest bound, the gate's among them; targets cannot squeeze the users' intervals."""

    def ends(lines: list[Measurement]) -> list[float]:
        lifts = [lift for _, *pair in lines for lift in pair if lift is not None]
        return [float(end or 0.0) for lift in lifts for end in (lift.low, lift.high)]

    of_users = [0.0, gate.min_lift, -gate.max_harm, *ends(users)]
    everything = of_users + ends(targets)
    widest = WIDEST * max(map(abs, of_users)) if users else float("inf")
    low, high = max(min(everything), -widest), min(max(everything), widest)
    room = 0.04 * (high - low) or 0.01
    axis = Axis(low - room, high + room)
    ticks = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(axis.low, axis.high)
    return axis, [float(round(tick, 6)) for tick in ticks if axis.low <= tick <= axis.high]


class Beside(NamedTuple):
    """The chosen arm beside a control: the means of both, and the lift paired over users and seeds."""

    control: str
    theirs: Interval
    own: Interval
    lift: Interval


def beside_controls(trial: Trial | None, generators: Sequence[Series]) -> list[str]:
    """Say in a sentence or two how the chosen arm does beside the strongest control; none where nothing was chosen.

    The control is the trial's base or, where blends were measured, that of the bases, whichever is better. A
    baseline that is better still has no lift of its own: the means stand beside each other.
    """
    pairs = _pairs(trial, generators) if trial is not None else []
    if trial is None or trial.chosen is None or not pairs:
        return []
    best, metric = max(pairs, key=lambda pair: pair.theirs.mean), METRICS.get(trial.metric, trial.metric)
    means = {name: mean for name, values in trial.baselines.items() if (mean := _overall(values, trial.metric))}
    baseline = max(means, key=lambda name: means[name].mean, default=None)
    ahead = baseline is not None and means[baseline].mean > best.theirs.mean
    control = best.control if ahead else f"{best.control}, the strongest control"
    said = [f"Beside {control}, {metric} changes by {change(best.lift)}: {proof(best.lift)}."]
    if baseline is not None and ahead:
        arm = arm_title(trial.arms[trial.chosen].arm, generators) + (", blended" if best.control == MIXED else "")
        name = BASELINES.get(baseline, baseline)
        said.append(f"The strongest control is {name} alone, {interval(means[baseline])}; {arm}: {interval(best.own)}.")
    return said


def base_title(trial: Trial, generators: Sequence[Series]) -> str:
    """What a reader calls the arm that the others are held against."""
    if trial.base == NONE:
        return ALONE.format("without generated rows")
    look = arm_looks([trial.arms[trial.base].arm], generators)[trial.base]
    return ALONE.format(f"with {look.label}, which know nothing")


def _pairs(trial: Trial, generators: Sequence[Series]) -> list[Beside]:
    """What the chosen arm was held against, those of which the gate's metric is known."""
    if trial.chosen is None or trial.base not in trial.arms:
        return []
    base, result = trial.arms[trial.base], trial.arms[trial.chosen]
    pairs = (
        (base_title(trial, generators), base.measured, result.measured, result.lifts),
        (MIXED, base.blend, result.blend, result.blend_lifts),
    )
    return [
        Beside(name, theirs, own, lift)
        for name, control, measured, lifts in pairs
        if (theirs := _overall(control, trial.metric))
        and (own := _overall(measured, trial.metric))
        and (lift := lifts.get(trial.metric, {}).get("overall"))
    ]


def _overall(measured: Measured | None, metric: str) -> Interval | None:
    return None if measured is None else measured.measures.get("overall", {}).get(metric)
