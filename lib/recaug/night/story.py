"""What a night says while it goes: a line a stage with what it came to, and the decision."""

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from recaug.evaluate.arms import NONE
from recaug.evaluate.gate import in_percent
from recaug.lake.runs import RunRecord
from recaug.report.numbers import figure
from recaug.report.records import ASIDE
from recaug.results import (
    Augment,
    Ingest,
    Prepare,
    Publish,
    Recommend,
    Refit,
    Report,
    Result,
    Search,
    Train,
    TrainedModel,
    Trial,
)

STARTS = re.compile(r" {2}\S+ +[\d.]+ s {2}|\w+: +")  # of a stage's line, of the decision


def tell(record: RunRecord) -> str:
    """Say in a line what a stage came to. Raises KeyError where the record is of no stage of a night."""
    return SAYS[type(record.metrics)](record.metrics)


def decided(summary: dict[str, Any]) -> list[str]:
    """The decision with its reasons, in one line; in a second one that of the search, where it is another's."""
    search = summary["search"]
    told = {"decision": summary} | ({"search": search} if search is not None else {})
    said = {name: f"{own['decision']}: {'; '.join(own['reasons'])}" for name, own in told.items()}
    return [f"{name}: {words}" for name, words in said.items() if name == "decision" or words != said["decision"]]


def hanging(line: str, columns: int) -> str:
    """Break a line that is wider than the terminal; what follows stands below its text.

    >>> print(hanging("decision: hold: no lower bound is above 0", 30))
    decision: hold: no lower bound
              is above 0
    """
    start = STARTS.match(line)
    if len(line) <= columns or "\n" in line or start is None or start.end() > columns // 2:
        return line
    if " " not in line[start.end() :]:  # an address
        return line
    indent = " " * start.end()
    return textwrap.fill(
        line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def _ingested(found: Ingest) -> str:
    """Every row that was read is in it; what there was none of is left out."""
    faults = [(found.duplicates, "duplicates"), (found.quarantined, "quarantined")]
    rows = ", ".join(f"{number:,} {name}" for number, name in [(found.events, "events"), *faults] if number)
    aside = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name in ASIDE if (number := getattr(found, name)))
    rest = f"; of {found.rows_read:,} read {aside}" if aside else ""
    asked = found.searches
    bad = f", {asked.quarantined:,} quarantined" if asked is not None and asked.quarantined else ""
    searches = f"; {asked.rows:,} rows of searches: {asked.taken:,} kept{bad}" if asked is not None else ""
    return f"{found.rows_in:,} rows_in: {rows or 'no events'}; {found.items:,} items{rest}{searches}"


def _trained(models: Sequence[TrainedModel]) -> str:
    """How long each generator's models took, and how well they rank beside the counts, where that was measured."""
    by_generator: dict[str, list[TrainedModel]] = {}
    for model in models:
        by_generator.setdefault(model.generator or model.name, []).append(model)
    return "; ".join(f"{name} {_folds(folds)}" for name, folds in by_generator.items()) or "nothing that learns"


def _folds(folds: Sequence[TrainedModel]) -> str:
    ranks = [ndcg for model in folds if (ndcg := model.kept.get("validation_ndcg@10")) is not None]
    counts = [model.counts_ndcg for model in folds if model.counts_ndcg is not None]
    took = f"{len(folds)} models in {sum(model.seconds for model in folds):.0f} s"
    reused = ", reused" if all(model.reused for model in folds) else ""
    if len(ranks) < len(folds) or len(counts) < len(folds):
        return took + reused
    beside = f"NDCG@10 {figure(sum(ranks) / len(ranks))}, the counts' {figure(sum(counts) / len(counts))}"
    return f"{took}{reused}, {beside}"


def _judged(trial: Trial) -> str:
    """The lift of each arm and, of a policy, what it adds for whom."""
    lifts = [
        f"{arm} {in_percent(result.lifts[trial.metric]['overall'])}"
        for arm, result in trial.arms.items()
        if result.lifts
    ]
    by_users = trial.policy.chosen if trial.policy is not None else {}
    chosen = [f"{option} for {users} users" for users, by_rows in by_users.items() for option in by_rows.values()]
    return f"{trial.units['overall']:,} users, {trial.metric} " + ", ".join(lifts + chosen)


def _prepared(found: Prepare) -> str:
    windows = f"{found.events:,} events of {found.users:,} users and {found.items:,} items"
    ways = sorted(found.ways.items(), key=lambda way: -way[1])
    told = ", ".join(f"{name} {figure(ndcg)}" for name, ndcg in ways)
    counted = f", counted as {found.counted} (NDCG@10 {told})" if ways else ""
    return f"{windows}, {found.cold:,} of the test's users cold{counted}"


def _sampled(found: Augment) -> str:
    by_generator = ", ".join(f"{drawn.candidates:,} {name}" for name, drawn in found.generators.items())
    apart = f": {by_generator}" if len(found.generators) > 1 else ""
    return f"{found.sampled:,} sampled, {found.candidates:,} candidates{apart}"


def _refitted(found: Refit) -> str:
    """What learnt from all days, or why what was proved serves."""
    if not found.models:
        return "what was proved serves"
    took = f"{sum(model.seconds for model in found.models):.0f} s"
    models = "1 model learns" if len(found.models) == 1 else f"{len(found.models)} models learn"
    said = f"{models} from all days in {took}, {found.candidates:,} candidates"
    return said if found.serves else f"{said}; what was proved serves, for {'; '.join(found.faults)}"


def _published(found: Publish) -> str:
    return f"{found.augmented:,} rows{f' of {found.chosen}' if found.augmented and found.chosen else ''} published"


def _recommended(found: Recommend) -> str:
    learnt = "real rows alone" if found.arm == NONE else f"real rows and those of {found.arm}"
    index = f"; the index found {found.recall:.1%} of the best items" if found.recall is not None else ""
    return f"{found.recommendations:,} recommendations, learnt from {learnt}{index}"


def _reported(found: Report) -> str:
    return f"a page of {found.bytes / 1000:,.0f} kB"


def _searched(found: Search) -> str:
    """What answers, the lift of each arm of generated queries that is no control, and the lists."""
    counts = f"{sum(found.queries.values()):,} queries"
    if found.lists is None:
        return f"{counts}, no lists"
    generated, lifts = found.generated, ""
    if generated is not None:
        trial = generated.trial
        own = [(arm, result) for arm, result in trial.arms.items() if result.lifts and not result.arm.control]
        lifts = "".join(f", {arm} {in_percent(result.lifts[trial.metric]['overall'])}" for arm, result in own)
        lifts = f"; {trial.metric}{lifts.removeprefix(',')}; {generated.published:,} generated queries published"
    refit = found.refit
    learnt = f", refitted on {refit.queries:,} judged ones in {refit.seconds:.0f} s" if refit is not None else ""
    return f"{counts}, answered by {found.ranker}{learnt}{lifts}; {found.lists.rows:,} rows of lists"


SAYS: dict[type[Result], Callable[[Any], str]] = {
    Ingest: _ingested,
    Prepare: _prepared,
    Train: lambda found: _trained(found.models),
    Augment: _sampled,
    Trial: _judged,
    Refit: _refitted,
    Publish: _published,
    Recommend: _recommended,
    Search: _searched,
    Report: _reported,
}
