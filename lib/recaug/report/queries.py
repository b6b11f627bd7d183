"""What pages call rankers and generators of queries; generated queries on that of a comparison, and as Markdown."""

from collections.abc import Mapping

from recaug.report import numbers
from recaug.results import ArmResult, GeneratedQueries, Interval, QueryFidelity

RANKERS = {
    "random": "random order",
    "bm25": "BM25 of words",
    "pairs": "BM25 of words and pairs",
    "trigrams": "BM25 of character trigrams",
    "two_tower": "two towers",
    "blend": "blend",
    "reranked": "blend, re-ranked",
}
SHOWN = {"recall@50 new items": "Recall@50, items without a train pair", "recall@50": "Recall@50", "ndcg@10": "NDCG@10"}
GENERATORS = {
    "title": "the title itself (control)",
    "words": "random words of the item (control)",
    "siblings": "real queries of sibling items (control)",
    "counts": "counted translation",
    "vae": "conditional VAE",
    "classic": "classic enhancement of real ones",
}
FIDELITY = (
    "queries",
    "items",
    "rare copies dropped",
    "find their item",
    "words that the item lacks",
    "drawn again",
    "also another item's",
    "told apart (AUC)",
)


def markdown(generated: GeneratedQueries) -> str:
    """Write the trial's table, an arm a row, then fidelity, a generator a row, and the verdict."""
    trial = generated.trial
    changes = [f"{name}, over {trial.base}" for name in SHOWN.values()]
    lines = [f"| arm | used | {' | '.join([*SHOWN.values(), *changes])} |", f"|{'---|' * (2 + 2 * len(SHOWN))}"]
    lines += [f"| {' | '.join(cells)} |" for cells in arms(generated)]
    lines += ["", f"| queries of | {' | '.join(FIDELITY)} |", f"|{'---|' * (1 + len(FIDELITY))}"]
    lines += [f"| {' | '.join(cells)} |" for cells in fidelity(generated)]
    said = "; ".join(trial.verdict.reasons)
    return "\n".join([*lines, "", f"decision: {trial.verdict.decision}: {said}"]) + "\n"


def arms(generated: GeneratedQueries, part: str = "overall") -> list[list[str]]:
    """Each arm's name, how it uses queries, means and changes over the base, of the test's queries or a slice."""
    return [
        [name, used(result), *(_mean(result, part, metric) for metric in SHOWN), *_changes(result, part)]
        for name, result in generated.trial.arms.items()
        if part in result.measured.measures
    ]


def used(result: ArmResult) -> str:
    """In words: `missing at 0.2`."""
    return ", ".join(f"{part.rows} at {part.weight:g}" for part in result.arm.parts)


def fidelity(generated: GeneratedQueries) -> list[list[str]]:
    """Each generator's name and FIDELITY."""
    return [[GENERATORS[name], *_looks(own)] for name, own in in_order(generated.fidelity).items()]


def in_order(measured: Mapping[str, QueryFidelity]) -> dict[str, QueryFidelity]:
    """Controls first, also of results that were read back, whose keys are sorted."""
    return {name: measured[name] for name in GENERATORS if name in measured}


def slices(generated: GeneratedQueries) -> dict[str, list[list[str]]]:
    """The same of all queries and of each slice, by what the page calls it."""
    named = {"overall": "all queries", "head": "head queries", "torso": "torso queries", "tail": "tail queries"}
    return {name: rows for part, name in named.items() if (rows := arms(generated, part))}


def _looks(own: QueryFidelity) -> list[str]:
    apart = "" if own.told_apart is None else numbers.figure(own.told_apart)
    shares = [own.round_trip, own.lacking, own.repeated, own.shared]
    counts = [f"{number:,}" for number in (own.rows, own.items, own.dropped)]
    return [*counts, *map(numbers.percent, shares), apart]


def _mean(result: ArmResult, part: str, metric: str) -> str:
    measures = result.measured.measures[part]
    return numbers.interval(measures[metric]) if metric in measures else ""


def _changes(result: ArmResult, part: str) -> list[str]:
    found: list[Interval | None] = [result.lifts.get(metric, {}).get(part) for metric in SHOWN]
    return [numbers.change(lift) if lift is not None else "" for lift in found]
