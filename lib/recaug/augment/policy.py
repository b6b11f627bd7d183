"""Chooses what is added for cold and for warm users: successive halving (Jamieson and Talwalkar 2016)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.config import Policy, round_epochs


class Option(NamedTuple):
    """What may be added. items: `all`, `head` or `tail`; share: of the candidates; weight: factor of theirs."""

    generator: str
    items: str
    share: float
    weight: float

    @property
    def name(self) -> str:
        """As in the tables, such as counts-tail-0.5-2."""
        return f"{self.generator}-{self.items}-{self.share:g}-{self.weight:g}"


class Tried(NamedTuple):
    """An option in one round. lift: relative to nothing added, by slice of users, on the validation window."""

    option: Option
    epochs: int
    lift: dict[str, float]


class Choice(NamedTuple):
    """chosen: for each slice of users an option, or None for nothing. tried: in the order of the rounds."""

    chosen: dict[str, Option | None]
    tried: list[Tried]


def options(policy: Policy, generators: Sequence[str]) -> list[Option]:
    """Every combination of a generator, a slice of items, a share and a weight."""
    return [Option(*each) for each in product(generators, policy.items, policy.shares, policy.weights)]


def halve(
    left: Sequence[Option],
    measure: Callable[[Sequence[Option], int], Mapping[Option, Mapping[str, float]]],
    first_epochs: int,
    most_epochs: int,
    budget: int,
) -> Choice:
    """Keep the better half of the options for each slice of users, round by round; the best, if it lifts, is chosen.

    measure: trains with nothing and with each option for so many epochs and gives each one's lift by slice.
    budget: epochs of all rounds and trainings together; epochs and not seconds, so that a rerun chooses the same.
    Each round trains twice as long as the one before, `most_epochs` at most. Ends when one option a slice is left,
    after a round of most_epochs, or when the next round would overdraw the budget. Of equals the earlier is better.

    >>> two = [Option("vae", "all", 1.0, 1.0), Option("counts", "tail", 1.0, 1.0)]
    >>> lifts = {two[0]: {"cold": -0.1, "warm": -0.2}, two[1]: {"cold": 0.1, "warm": -0.1}}
    >>> halve(two, lambda left, epochs: lifts, 2, 8, 100).chosen
    {'cold': Option(generator='counts', items='tail', share=1.0, weight=1.0), 'warm': None}
    """
    epochs, tried, by_slice = min(first_epochs, most_epochs), list[Tried](), dict[str, list[Option]]()
    while True:
        running = [option for option in left if not by_slice or any(option in kept for kept in by_slice.values())]
        lifts = measure(running, epochs)
        budget -= round_epochs(len(running), epochs)
        tried += [Tried(option, epochs, dict(lifts[option])) for option in running]
        slices = by_slice or {part: list(left) for part in lifts[running[0]]}
        ranked = {part: sorted(kept, key=lambda option: -lifts[option][part]) for part, kept in slices.items()}
        by_slice = {part: kept[: max(len(kept) // 2, 1)] for part, kept in ranked.items()}
        n_left, longer = len({option for kept in by_slice.values() for option in kept}), min(2 * epochs, most_epochs)
        decided = epochs == most_epochs or all(len(kept) == 1 for kept in by_slice.values())
        if decided or round_epochs(n_left, longer) > budget:
            best = {part: kept[0] for part, kept in by_slice.items()}
            return Choice({part: one if lifts[one][part] > 0 else None for part, one in best.items()}, tried)
        epochs = longer


def part_of(candidates: DataFrame, option: Option) -> DataFrame:
    """The option's rows of the candidates, with its weight.

    candidates: columns of candidate_events and `head` (boolean), whether the item is of the head. A generated history
    is kept or left out as a whole, and is of no slice of items: `head` and `tail` have continuations only.
    """
    history = F.col("parent_event_id").isNull()
    unit = F.when(history, F.col("user_id")).otherwise(F.col("event_id"))
    kept = (F.col("generator") == option.generator) & (_uniform(unit) < option.share)
    if option.items != "all":
        kept &= ~history & (F.col("head") == (option.items == "head"))
    return candidates.where(kept).withColumn("weight", F.col("weight") * option.weight)


def for_slice(candidates: DataFrame, cold_users: DataFrame, cold: bool) -> DataFrame:
    """Candidates whose first source user is cold, or is not. cold_users: user_id."""
    users = F.broadcast(cold_users.select(F.col("user_id").alias("source")))
    how = "left_semi" if cold else "left_anti"
    return candidates.withColumn("source", F.col("source_users")[0]).join(users, "source", how).drop("source")


def told(choice: Choice) -> dict[str, Any]:
    """What `runs` records: tried (option, epochs, and the lift by slice of users) and chosen (slice -> option)."""
    return {
        "tried": [{"option": one.option.name, "epochs": one.epochs, "lift": one.lift} for one in choice.tried],
        "chosen": {part: "none" if one is None else one.name for part, one in choice.chosen.items()},
    }


def _uniform(unit: Column) -> Column:
    """A number of [0, 1) that depends on nothing but the unit."""
    return F.pmod(F.xxhash64(unit), F.lit(1 << 20)) / float(1 << 20)
