"""The table of a benchmark of recommenders, as Markdown and as a page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from recaug.report import numbers, plots, tables
from recaug.report.page import templates
from recaug.results import Interval

MODELS = {
    "popularity": "popularity",
    "als": "ALS",
    "content": "content-based",
    "covisitation": "co-visitation counts",
    "vae": "multinomial VAE",
    "sasrec": "SASRec",
    "blend": "SASRec and counts",
}
COLUMNS = {"hr@10": "HR@10", "ndcg@10": "NDCG@10", "recall@10": "Recall@10", "recall@20": "Recall@20"}
Results = Mapping[str, Mapping[str, Any]]


def markdown(results: Results) -> str:
    """Write the test's table: each metric with its interval, NDCG@10 of cold users, what training cost."""
    lines = [
        f"| model | {' | '.join(COLUMNS.values())} | NDCG@10, cold users | train, s | CPU, s | settings |",
        f"|{'---|' * (len(COLUMNS) + 5)}",
    ]
    for model, result in results.items():
        cells = [numbers.interval(Interval(**result[name])) for name in COLUMNS]
        cold = numbers.interval(Interval(**result["cold"]["ndcg@10"])) if result["cold"] else ""
        costs = f"{result['train_seconds']:,.0f} | {result['cpu_seconds']:,.0f}"
        lines.append(f"| {MODELS[model]} | {' | '.join(cells)} | {cold} | {costs} | {result['settings']} |")
    return "\n".join(lines) + "\n"


def render(results: Results, run_id: str, split: str) -> str:
    """Write the page: quality of each model with its interval, against what it cost, and the table."""
    rows = pd.DataFrame(
        [
            {"model": MODELS[model], "slice": part, "cpu_seconds": result["cpu_seconds"], **values["ndcg@10"]}
            for model, result in results.items()
            for part, values in (("all users", result), ("cold users", result["cold"]))
            if values
        ]
    )
    return (
        templates()
        .get_template("benchmark.html")
        .render(
            results=results,
            names=MODELS,
            columns=COLUMNS,
            run_id=run_id,
            split=tables.SPLITS[split],
            quality=plots.quality(rows),
            cost=plots.cost(rows[rows["slice"] == "all users"]),
        )
    )
