"""What the completion of the catalogue is worth, as Markdown and as a page."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from recaug.report import numbers, plots
from recaug.report.page import templates
from recaug.results import Interval

WAYS = {"prior": "most frequent", "neighbours": "neighbours", "imputer": "iterative imputer", "vae": "VAE"}
Results = Mapping[str, Any]


def markdown(results: Results) -> str:
    """Write the table: of each attribute how well each way tells what is hidden, and how far to believe the VAE."""
    ways = [way for way in WAYS if any(row[way] for row in rows(results))]
    head = ["attribute", "hidden values", *(WAYS[way] for way in ways), "calibration error", "gaps", "filled"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows(results):
        cells = [_interval(row[way]) for way in ways]
        values = [f"{row['n']:,}", *cells, row["believed"], f"{row['gaps']:,}", f"{row['filled']:,}"]
        lines.append(f"| {row['attribute']} | {' | '.join(values)} |")
    lines += ["", *verdicts(results)]
    return "\n".join(lines) + "\n"


def _interval(value: Mapping[str, Any] | None) -> str:
    """Of what was not measured nothing."""
    return numbers.interval(Interval(mean=value["mean"], low=value["low"], high=value["high"])) if value else ""


def verdicts(results: Results) -> list[str]:
    """One sentence a recommender: `publish`, where it goes by completed attributes from now on, or `hold`; and why."""
    labels = {"content": "Content-based recommender", "sasrec": "SASRec"}
    sentences = [
        f"{labels[name]}: {worth['decision']}; {'; '.join(worth['reasons'])}."
        for name, worth in results["worth"].items()
    ]
    return sentences or ["No gap was filled."]


def rows(results: Results) -> Iterator[dict[str, Any]]:
    """One row an attribute: its ways, n, believed (calibration error or coverage), gaps, filled."""
    for attribute, of_attribute in results["attributes"].items():
        ways, error = of_attribute["ways"], of_attribute.get("calibration_error")
        coverage = of_attribute.get("coverage")
        yield {
            "attribute": attribute,
            **{way: ways.get(way) for way in WAYS},
            "n": ways["vae"]["n"],
            "believed": numbers.figure(error) if error is not None else f"{coverage:.0%} in the 90 % interval",
            "gaps": results["gaps"].get(attribute, 0),
            "filled": results["filled"].get(attribute, 0),
        }


def ablation(results: Results) -> list[dict[str, Any]]:
    """One row an attribute and modality: what it tells alone, and what is left without it, and without another, too.

    `without_two` is the mean over the others, each left out beside it.
    """
    table = []
    for attribute, of_attribute in results["attributes"].items():
        ways = {way: value["mean"] for way, value in of_attribute["ways"].items()}
        for way, alone in ways.items():
            if not way.startswith("only "):
                continue
            modality = way.removeprefix("only ")
            pairs = [
                value
                for other, value in ways.items()
                if " and " in other and modality in other.removeprefix("without ").split(" and ")
            ]
            table.append(
                {
                    "attribute": attribute,
                    "modality": modality,
                    "alone": alone,
                    "without": ways[f"without {modality}"],
                    "without_two": sum(pairs) / len(pairs) if pairs else None,
                }
            )
    return table


def render(results: Results, run_id: str) -> str:
    """Write the page: each way's figures, how far the probabilities can be believed, what each modality is worth."""
    quality = pd.DataFrame(
        [
            {"attribute": row["attribute"], "way": label, **row[way]}
            for row in rows(results)
            for way, label in WAYS.items()
            if row[way]
        ]
    )
    bins = pd.DataFrame(
        [
            {"attribute": attribute, **calibrated}
            for attribute, of_attribute in results["attributes"].items()
            for calibrated in of_attribute.get("reliability", ())
        ]
    )
    return (
        templates()
        .get_template("completion.html")
        .render(
            results=results,
            run_id=run_id,
            rows=list(rows(results)),
            ways={way: label for way, label in WAYS.items() if any(row[way] for row in rows(results))},
            ablation=ablation(results),
            verdicts=verdicts(results),
            quality=plots.ways(quality),
            reliability=plots.reliability(bins) if len(bins) else None,
        )
    )
