"""The search of a night on its page: what became of generated queries, for whom, and examples of lists."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from recaug.clickstream.splits import SPLITS
from recaug.evaluate.arms import NONE
from recaug.report import numbers, queries, records
from recaug.results import ArmResult, Interval, ListExample, QueryExample, Search, Trial

# What is looked at: a metric of a slice of the queries, as the table calls it.
LOOKS = {
    ("ndcg@10", "overall"): "NDCG@10, all queries",
    ("ndcg@10", "head"): "head queries",
    ("ndcg@10", "torso"): "torso queries",
    ("ndcg@10", "tail"): "tail queries",
    ("recall@50 known items", "overall"): "Recall@50, items with a train click",
    ("recall@50 new items", "overall"): "Recall@50, items without",
}


class Shown(NamedTuple):
    """A night's search. decision: in two sentences; empty where it is that of the night. said: of what, in sentences.

    base: what lifts are over, and its means; arms: of generators, how each uses queries, and its lifts. columns: of
    both. likeness: a row a generator, of `looks`.
    """

    decision: str
    said: list[str]
    columns: list[str]
    base: list[str]
    arms: list[list[str]]
    looks: Sequence[str]
    likeness: list[list[str]]
    examples: list[QueryExample]
    lists: list[ListExample]


def shown(stages: records.Stages) -> Shown | None:
    """What the page shows of the search; None where its stage is not recorded."""
    found = records.result_of(stages, Search)
    if found is None:
        return None
    generated = found.generated
    trial = generated.trial if generated is not None else None
    looks = [look for look in LOOKS if trial is not None and _there(trial, look)]
    return Shown(
        decision=_verdict(stages) if records.beside(stages) else "",
        said=_facts(found),
        columns=[LOOKS[look] for look in looks],
        base=_base(trial, looks) if trial is not None else [],
        arms=_arms(trial, looks) if trial is not None else [],
        looks=queries.FIDELITY,
        likeness=queries.fidelity(generated) if generated is not None else [],
        examples=list(generated.examples) if generated is not None else [],
        lists=list(found.examples),
    )


def _verdict(stages: records.Stages) -> str:
    record = stages["search"]
    why = "; ".join(record.reasons)
    rows = record.metrics.generated.published if record.metrics.generated is not None else 0
    heads = {"publish": f"Published: {rows:,} generated queries.", "hold": "Held: no generated query is published."}
    return f"{heads.get(record.decision, 'No query was generated.')} {why[:1].upper()}{why[1:]}."


def _facts(found: Search) -> list[str]:
    """Of how many queries, what answers them, and what is made."""
    said = []
    if found.made is not None:
        said.append(f"The clicks are made, by a click model, of {found.made}: what is proved here, is proved of those.")
    parts = ", ".join(f"{number:,} {split}" for split in SPLITS if (number := found.queries.get(split)))
    said.append(f"Queries: {parts or 'none'}; {found.judgements:,} judgements.")
    if found.ranker is not None and found.lists is not None:
        ranks = ", ".join(f"{queries.RANKERS[name]} {numbers.figure(value)}" for name, value in _best_first(found))
        said.append(f"NDCG@10 on validation: {ranks}. The first answers; {found.lists.listed:,} queries have a list.")
    if found.refit is not None:
        learnt = f"all {found.refit.queries:,} judged queries, those of validation and test too"
        said.append(f"After the proof what answers went on learning from {learnt}: the lists are by what they taught.")
    return said


def _best_first(found: Search) -> list[tuple[str, float]]:
    order = [name for name in queries.RANKERS if name in found.validation]
    return sorted(((name, found.validation[name]) for name in order), key=lambda own: (own[0] != found.ranker, -own[1]))


def _there(trial: Trial, look: tuple[str, str]) -> bool:
    metric, part = look
    return metric in trial.arms[str(trial.base)].measured.measures.get(part, {})


def _base(trial: Trial, looks: list[tuple[str, str]]) -> list[str]:
    measures = trial.arms[str(trial.base)].measured.measures
    name = "without generated queries" if trial.base == NONE else f"{trial.base} (control)"
    return [name, "", *(numbers.interval(measures[part][metric]) for metric, part in looks)]


def _arms(trial: Trial, looks: list[tuple[str, str]]) -> list[list[str]]:
    own = {name: result for name, result in trial.arms.items() if result.arm.parts and not result.arm.control}
    return [
        [name, queries.used(result), *(_lift(result.lifts, metric, part) for metric, part in looks)]
        for name, result in sorted(own.items(), key=lambda entry: _order(entry[1]))
    ]


def _order(result: ArmResult) -> tuple[Any, ...]:
    """By generator, and fewer uses first."""
    return (list(queries.GENERATORS).index(result.arm.generators[0]), len(result.arm.parts), result.arm.name)


def _lift(lifts: Mapping[str, Mapping[str, Interval]], metric: str, part: str) -> str:
    lift = lifts.get(metric, {}).get(part)
    return numbers.change(lift) if lift is not None else ""
