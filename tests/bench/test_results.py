"""The tables of docs/results.md are those of docs/results/."""

import json
from pathlib import Path

import pytest
from tests.bench.peers.__main__ import KEPT
from tests.bench.results import FOLDER, PAGE, TABLE, with_tables

from recaug.config import TOGETHER, convert
from recaug.evaluate.arms import NONE

NAMES = {  # of what a study measures
    "benchmark": lambda asked: asked.benchmark.models,
    "learning_curve": lambda asked: [NONE, *map(TOGETHER.join, asked.augment.groups)],
}


def test_the_tables_are_made_of_the_files() -> None:
    text = PAGE.read_text()
    assert with_tables(text) == text, "write them anew: make results"
    assert {place[2] for place in TABLE.finditer(text)} == {folder.name for folder in FOLDER.iterdir()}


@pytest.mark.parametrize(
    "path",
    sorted(set(FOLDER.glob("*/*.json")) - set(KEPT.glob("*.json"))),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_a_file_says_what_was_measured_of_what(path: Path) -> None:
    kept = json.loads(path.read_text())
    asked, result = convert(kept["configuration"]), kept["result"]
    assert getattr(asked, kept["study"]) is not None
    name = kept.get("model", kept.get("arm"))
    assert name in NAMES[kept["study"]](asked)
    assert path.stem == "-".join(filter(None, [kept.get("share"), name]))
    assert result["ndcg@10"]["low"] <= result["ndcg@10"]["mean"] <= result["ndcg@10"]["high"]
    assert kept["commit"]
    assert "by_seed" in result or kept["study"] == "learning_curve"  # which did not keep it at commit 99fbb86
    if "by_seed" in result:
        seeds = result["by_seed"]["ndcg@10"]
        assert len(seeds) == result["seeds"]
        assert sum(seeds) / len(seeds) == pytest.approx(result["ndcg@10"]["mean"], abs=1e-6)
