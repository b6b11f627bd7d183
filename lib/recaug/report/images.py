"""What generated pictures are worth, as Markdown and as a page."""

import base64
from collections.abc import Mapping
from typing import Any

import pandas as pd

from recaug.report import numbers, plots
from recaug.report.learning_curve import lift_cell
from recaug.report.page import templates
from recaug.results import Interval

KINDS = {"vae": "VAE", "gan": "GAN", "classic": "classic"}  # of pictures
LIKENESS = {"precision": "precision", "recall": "recall", "density": "density", "coverage": "coverage"}
Results = Mapping[str, Any]


def arm_name(arm: str) -> str:
    """Name what a classifier learnt from as a reader would."""
    kind = arm.removesuffix("-alone")
    if arm == "real":
        return "real pictures"
    return f"{KINDS[kind]}'s alone" if arm != kind else f"real and {KINDS[kind]}'s"


def markdown(results: Results) -> str:
    """Write the table: of each size and arm the accuracy on real test pictures, and the lift over real ones alone."""
    lines = ["| real pictures a class | learnt from | accuracy | lift | decision |", "|---|---|---|---|---|"]
    for size, comparison in results["sizes"].items():
        for arm, accuracy in comparison["accuracy"].items():
            decision = comparison["decision"] if arm == comparison["chosen"] else ""
            cells = [numbers.interval(Interval(**accuracy)), lift_cell(comparison["lift"].get(arm, {})), decision]
            lines.append(f"| {size} | {arm_name(arm)} | {' | '.join(cells)} |")
    lines += [
        "",
        f"| real pictures a class | pictures of | drawn | {' | '.join(LIKENESS.values())} | closest (bound) |",
    ]
    lines.append(f"|{'---|' * (4 + len(LIKENESS))}")
    for size, comparison in results["sizes"].items():
        for kind, likeness in comparison["generators"].items():
            cells = [f"{likeness['drawn']:,}", *(numbers.figure(likeness[key]) for key in LIKENESS), closest(likeness)]
            lines.append(f"| {size} | {KINDS[kind]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def closest(likeness: Mapping[str, Any]) -> str:
    """The distance of the generated picture that is closest to a real one, and the bound below which none is kept."""
    return f"{likeness['closest']:.4f} ({likeness['bound']:.4f})" if likeness["closest"] is not None else ""


def render(results: Results, run_id: str, grids: Mapping[str, bytes]) -> str:
    """Write the page: accuracy by size, likeness, and the grids (PNG by name) in it."""
    points = pd.DataFrame(
        [
            {"attribute": f"{size} a class", "way": arm_name(arm), **accuracy}
            for size, comparison in results["sizes"].items()
            for arm, accuracy in comparison["accuracy"].items()
        ]
    )
    return (
        templates()
        .get_template("images.html")
        .render(
            results=results,
            run_id=run_id,
            accuracy=plots.ways(points),
            arm_name=arm_name,
            names=KINDS,
            lift_cell=lift_cell,
            closest=closest,
            likeness=LIKENESS,
            grids={name: base64.b64encode(content).decode() for name, content in grids.items()},
        )
    )
