"""Chooses what is added for each slice of users and of rows: successive halving (Jamieson and Talwalkar 2016)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.config import TOGETHER, Augment, Policy, round_epochs


class Option(NamedTuple):
    """What may be added. rows: of Policy.rows; share: of them; weight: factor of theirs.

    kind: the names of one of Augment.groups.
    """

    kind: str
    rows: str
    share: float
    weight: float

    @property
    def name(self) -> str:
        """As in the tables, such as counts-tail-0.5-2."""
        return f"{self.kind}-{self.rows}-{self.share:g}-{self.weight:g}"


class Tried(NamedTuple):
    """An option in one round. lift: relative to nothing added, by slice of users, on the validation window."""

    option: Option
    epochs: int
    lift: dict[str, float]


class Choice(NamedTuple):
    """chosen: slice of users -> kind of rows -> option, or None for nothing. tried: in the order of the rounds."""

    chosen: dict[str, dict[str, Option | None]]
    tried: list[Tried]


def options(policy: Policy, augment: Augment) -> list[Option]:
    """Every combination of a generator or several together, rows that they write, a share and a weight."""
    groups = [(TOGETHER.join(names), augment.rows_of(names, policy.rows)) for names in augment.groups]
    written = [(kind, rows) for kind, of_kind in groups for rows in of_kind]
    return [Option(*of, *each) for of, each in product(written, product(policy.shares, policy.weights))]


def halve(
    left: Sequence[Option],
    measure: Callable[[Sequence[Option], int], Mapping[Option, Mapping[str, float]]],
    first_epochs: int,
    most_epochs: int,
    budget: int,
) -> Choice:
    """Keep the better half of the options for each slice of users and kind of rows, round by round.

    The best of each, if it lifts, is chosen: another one for head items than for tail items where the policy tells them
    apart. What several do together is not measured here, but by the gate.

    measure: trains with nothing and with each option for so many epochs and gives each one's lift by slice.
    budget: epochs of all rounds and trainings together; epochs and not seconds, so that a rerun chooses the same.
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
        budget -= round_epochs(len(running), epochs)
        tried += [Tried(option, epochs, dict(lifts[option])) for option in running]
        slices = by_slice or {
            (part, rows): [option for option in left if option.rows == rows]
            for part in lifts[running[0]]
            for rows in dict.fromkeys(option.rows for option in left)
        }
        ranked = {of: sorted(kept, key=lambda option: -lifts[option][of[0]]) for of, kept in slices.items()}
        longer, most = min(2 * epochs, most_epochs), max(len(kept) // 2 for kept in ranked.values())
        by_slice = _best(ranked, most)
        while most > 1 and round_epochs(_distinct(by_slice), longer) > budget:
            most -= 1
            by_slice = _best(ranked, most)
        decided = epochs == most_epochs or all(len(kept) == 1 for kept in by_slice.values())
        if decided or round_epochs(_distinct(by_slice), longer) > budget:
            chosen: dict[str, dict[str, Option | None]] = {}
            for (part, rows), (best, *_) in by_slice.items():
                chosen.setdefault(part, {})[rows] = best if lifts[best][part] > 0 else None
            return Choice(chosen, tried)
        epochs = longer


def _best(ranked: Mapping[tuple[str, str], list[Option]], most: int) -> dict[tuple[str, str], list[Option]]:
    """The better half of each, `most` of them."""
    return {of: kept[: max(min(len(kept) // 2, most), 1)] for of, kept in ranked.items()}


def _distinct(by_slice: Mapping[tuple[str, str], list[Option]]) -> int:
    return len({option for kept in by_slice.values() for option in kept})


def part_of(candidates: DataFrame, option: Option) -> DataFrame:
    """The option's rows of the candidates, with its weight.

    candidates: columns of candidate_events and `head` (boolean), whether the item is of the head. A generated history
    is kept or left out as a whole.
    """
    history = F.col("parent_event_id").isNull()
    unit = F.when(history, F.col("user_id")).otherwise(F.col("event_id"))
    kept = F.col("generator").isin(*option.kind.split(TOGETHER)) & (_uniform(unit) < option.share)
    if option.rows == "histories":
        kept &= history
    elif option.rows != "all":
        kept &= ~history & (F.col("head") == (option.rows == "head"))
    return candidates.where(kept).withColumn("weight", F.col("weight") * option.weight)


def for_slice(candidates: DataFrame, cold_users: DataFrame, cold: bool) -> DataFrame:
    """Candidates whose first source user is cold, or is not. cold_users: user_id."""
    users = F.broadcast(cold_users.select(F.col("user_id").alias("source")))
    how = "left_semi" if cold else "left_anti"
    return candidates.withColumn("source", F.col("source_users")[0]).join(users, "source", how).drop("source")


def as_arm(candidates: DataFrame, arm: str) -> DataFrame:
    """The same rows once more as those of another arm, with event ids of their own."""
    own_id = F.substring(F.sha2(F.concat_ws("|", F.lit(arm), "event_id"), 256), 1, 32)
    return candidates.withColumns({"event_id": own_id, "arm": F.lit(arm)})


def told(choice: Choice) -> dict[str, Any]:
    """What `runs` records: tried (option, epochs, lift by slice of users), chosen (slice -> kind of rows -> option)."""
    return {
        "tried": [{"option": one.option.name, "epochs": one.epochs, "lift": one.lift} for one in choice.tried],
        "chosen": {
            part: {rows: "none" if one is None else one.name for rows, one in of_part.items()}
            for part, of_part in choice.chosen.items()
        },
    }


def _uniform(unit: Column) -> Column:
    """A number of [0, 1) that depends on nothing but the unit."""
    return F.pmod(F.xxhash64(unit), F.lit(1 << 20)) / float(1 << 20)
