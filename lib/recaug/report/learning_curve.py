"""The learning curve of generated rows, as Markdown and as a page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from recaug.config import Config
from recaug.evaluate.ranking import RARE
from recaug.report import numbers, plots, tables
from recaug.report.page import templates
from recaug.report.series import Looks, generators_of
from recaug.results import Interval

COLUMNS = {"hr@10": "HR@10", "ndcg@10": "NDCG@10", "coverage": "Coverage@10"}
PARTS = {"all users": None, "cold users": "cold"}
LIFTS = {  # beside the gate's metric
    "HR@10, cold users": ("lifts", "hr@10", "cold"),
    f"Recall@20, targets of {RARE} train events or fewer": ("lifts", "recall@20 rare", "overall"),
    "NDCG@10, these targets": ("lifts", "ndcg@10 rare", "overall"),
    "Recall@20": ("lifts", "recall@20", "overall"),
    "NDCG@10, both blended with the counts": ("blend_lifts", "ndcg@10", "overall"),
}
Results = Mapping[str, Mapping[str, Mapping[str, Any]]]


def markdown(results: Results) -> str:
    """Write the table: of each share and arm every metric with its interval, and the lift against none."""
    head = [*COLUMNS.values(), "lift", "NDCG@10, cold users", "lift, cold users"]
    lines = [f"| users | arm | {' | '.join(head)} |", f"|{'---|' * (len(head) + 2)}"]
    for arms in results.values():
        for result in arms.values():
            cells = [numbers.interval(Interval(**result[name])) for name in COLUMNS] + [lift_cell(result["lift"])]
            cold = numbers.interval(Interval(**result["cold"]["ndcg@10"])) if result["cold"] else ""
            cells += [cold, lift_cell(result["lift"].get("cold", {}))]
            lines.append(f"| {result['users']:,} | {result['label']} | {' | '.join(cells)} |")
    lines += ["", f"| users | lift of | {' | '.join(LIFTS)} |", f"|{'---|' * (len(LIFTS) + 2)}"]
    for arms in results.values():
        for result in arms.values():
            if result["lift"]:
                lines.append(f"| {result['users']:,} | {result['label']} | {' | '.join(lift_cells(result))} |")
    return "\n".join(lines) + "\n"


def lift_cells(result: Mapping[str, Any]) -> list[str]:
    """An arm's lift of each of LIFTS; an empty text where it was not measured."""
    return [lift_cell(result[kind].get(measure, {}).get(part, {})) for kind, measure, part in LIFTS.values()]


def render(results: Results, run_id: str, config: Config, looks: Looks) -> str:
    """Write the page: the curve, and the tables of all and of cold users. looks: of the arms."""
    points = pd.DataFrame(
        [
            {"slice": part, "arm": arm, "users": result["users"], **values["ndcg@10"]}
            for arms in results.values()
            for arm, result in arms.items()
            for part, key in PARTS.items()
            if (values := result[key] if key else result)
        ]
    )
    return (
        templates()
        .get_template("learning_curve.html")
        .render(
            results=results,
            columns=COLUMNS,
            parts=PARTS,
            run_id=run_id,
            metric=config.evaluate.gate.metric,
            split=tables.SPLITS[config.prepare.split],
            curve=plots.learning_curve(points, looks),
            generators=generators_of(config),
            lift_cell=lift_cell,
            lifts=LIFTS,
            lift_cells=lift_cells,
        )
    )


def lift_cell(lift: Mapping[str, Any]) -> str:
    """`+5.6% [+3.2%, +8.1%]`, the mean alone without bounds; nothing for the arm that the others are held against."""
    if not lift:
        return ""
    if lift["low"] is None or lift["high"] is None:
        return f"{lift['mean']:+.1%}"
    return f"{lift['mean']:+.1%} [{lift['low']:+.1%}, {lift['high']:+.1%}]"
