"""Chooses what is added for each slice of users and of rows: successive halving (Jamieson and Talwalkar 2016)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from recaug import results
from recaug.config import POLICY, TOGETHER, Augment, Policy, round_epochs
from recaug.evaluate.arms import NONE, arm_of, controls_of
from recaug.evaluate.task import Task
from recaug.evaluate.trial import brief_lifts
from recaug.results import Arm, Part, Tried


class Option(NamedTuple):
    """What may be added. kind: a generator, or several together; rows: of Policy.rows; share, weight: of them."""

    kind: str
    rows: str
    share: float
    weight: float

    @property
    def name(self) -> str:
        """As in the tables, such as counts-tail-0.5-2."""
        return f"{self.kind}-{self.rows}-{self.share:g}-{self.weight:g}"

    def part(self, users: str = "all") -> Part:
        """Its candidates, of some users."""
        kinds = tuple(self.kind.split(TOGETHER))
        return Part(generators=kinds, users=users, rows=self.rows, share=self.share, weight=self.weight)


class Choice(NamedTuple):
    """chosen: slice of users -> kind of rows -> option, or None for nothing. tried: in the order of the rounds."""

    chosen: dict[str, dict[str, Option | None]]
    tried: list[Tried]


def choose(task: Task, policy: Policy, augment: Augment, most_epochs: int, metric: str) -> tuple[Arm, results.Policy]:
    """Try the options briefly on the validation split, and give the arm `policy` with what was tried.

    most_epochs: of a whole training. metric: that is to rise. The test split is not read. cpu_seconds are left 0.
    """

    controls = controls_of(augment)

    def measure(left: Sequence[Option], epochs: int) -> dict[Option, dict[str, float]]:
        """Train with nothing, with each control and with each option, and compare the users of each slice."""
        arms = [
            Arm(name=NONE),
            *controls,
            *(arm_of(option.name, (option.part(),), augment) for option in left),
        ]
        lifts = brief_lifts(task.briefly(epochs), arms, metric, f"policy, {len(left)} options x {epochs} epochs")
        return {option: lifts[option.name] for option in left}

    every = options(policy, augment)
    choice = halve(every, measure, policy.first_epochs, most_epochs, policy.epochs, 1 + len(controls))
    parts = tuple(
        option.part(users)
        for users, by_rows in choice.chosen.items()
        for option in by_rows.values()
        if option is not None
    )
    return arm_of(POLICY, parts, augment), as_result(choice)


def options(policy: Policy, augment: Augment) -> list[Option]:
    """Every combination of a generator or several together, rows that they write, a share and a weight."""
    groups = [(TOGETHER.join(names), augment.rows_of(names, policy.rows)) for names in augment.choices]
    written = [(kind, rows) for kind, own in groups for rows in own]
    return [
        Option(kind, rows, share, weight)
        for (kind, rows), (share, weight) in product(written, product(policy.shares, policy.weights))
    ]


def halve(
    left: Sequence[Option],
    measure: Callable[[Sequence[Option], int], Mapping[Option, Mapping[str, float]]],
    first_epochs: int,
    most_epochs: int,
    budget: int,
    controls: int = 1,
) -> Choice:
    """Keep the better half of the options for each slice of users and kind of rows, round by round.

    The best of each, if it lifts, is chosen: another one for head items than for tail items where the policy tells them
    apart. What several do together is not measured here, but by the gate.

    measure: trains with nothing and with each option for so many epochs and gives each one's lift by slice.
    controls: trainings of a round beside those of the options. budget: epochs of all rounds and trainings together;
    epochs and not seconds, so that a rerun chooses the same.
    Each round trains twice as long as the one before, `most_epochs` at most; where the budget does not suffice for the
    better half, fewer go on: what a brief training likes best need not be the best of a long one. Ends when one option
    of each is left, after a round of most_epochs, or when the budget does not suffice for these. Of equals the earlier
    is better.

    >>> two = [Option("vae", "tail", 1.0, 1.0), Option("counts", "tail", 1.0, 1.0)]
    >>> lifts = {two[0]: {"cold": -0.1, "warm": -0.2}, two[1]: {"cold": 0.1, "warm": -0.1}}
    >>> halve(two, lambda left, epochs: lifts, 2, 8, 100).chosen
    {'cold': {'tail': Option(kind='counts', rows='tail', share=1.0, weight=1.0)}, 'warm': {'tail': None}}
    """
    epochs, tried, by_slice = min(first_epochs, most_epochs), list[Tried](), dict[tuple[str, str], list[Option]]()
    while True:
        running = [option for option in left if not by_slice or any(option in kept for kept in by_slice.values())]
        lifts = measure(running, epochs)
        budget -= round_epochs(len(running), epochs, controls)
        tried += [Tried(option=option.name, epochs=epochs, lift=dict(lifts[option])) for option in running]
        slices = by_slice or {
            (part, rows): [option for option in left if option.rows == rows]
            for part in lifts[running[0]]
            for rows in dict.fromkeys(option.rows for option in left)
        }
        ranked = {key: sorted(kept, key=lambda option: -lifts[option][key[0]]) for key, kept in slices.items()}
        longer, most = min(2 * epochs, most_epochs), max(len(kept) // 2 for kept in ranked.values())
        by_slice = _best(ranked, most)
        while most > 1 and round_epochs(_distinct(by_slice), longer, controls) > budget:
            most -= 1
            by_slice = _best(ranked, most)
        decided = epochs == most_epochs or all(len(kept) == 1 for kept in by_slice.values())
        if decided or round_epochs(_distinct(by_slice), longer, controls) > budget:
            chosen: dict[str, dict[str, Option | None]] = {}
            for (part, rows), (best, *_) in by_slice.items():
                chosen.setdefault(part, {})[rows] = best if lifts[best][part] > 0 else None
            return Choice(chosen, tried)
        epochs = longer


def _best(ranked: Mapping[tuple[str, str], list[Option]], most: int) -> dict[tuple[str, str], list[Option]]:
    """The better half of each, `most` of them."""
    return {key: kept[: max(min(len(kept) // 2, most), 1)] for key, kept in ranked.items()}


def _distinct(by_slice: Mapping[tuple[str, str], list[Option]]) -> int:
    return len({option for kept in by_slice.values() for option in kept})


def as_result(choice: Choice) -> results.Policy:
    """What results hold of a choice: the names of the options, `none` where nothing is added."""
    return results.Policy(
        tried=choice.tried,
        chosen={
            users: {rows: NONE if option is None else option.name for rows, option in by_rows.items()}
            for users, by_rows in choice.chosen.items()
        },
        cpu_seconds=0.0,
    )
