"""The tables of docs/results.md are those of docs/results/."""

import json
from pathlib import Path

import pytest
from tests.bench.results import FOLDER, PAGE, TABLE, with_tables

from recaug.config import convert


def test_the_tables_are_made_of_the_files() -> None:
    text = PAGE.read_text()
    assert with_tables(text) == text, "write them anew: make results"
    assert {place[2] for place in TABLE.finditer(text)} == {folder.name for folder in FOLDER.iterdir()}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_says_what_was_measured_of_what(path: Path) -> None:
    kept = json.loads(path.read_text())
    asked, result = convert(kept["configuration"]), kept["result"]
    assert getattr(asked, kept["study"]) is not None
    assert path.stem in (kept.get("model"), f"{kept.get('share')}-{kept.get('arm')}")
    assert result["ndcg@10"]["low"] <= result["ndcg@10"]["mean"] <= result["ndcg@10"]["high"]
    assert kept["commit"]
    seeds = result.get("by_seed", {}).get("ndcg@10")
    if seeds is not None:
        assert len(seeds) == result["seeds"]
        assert sum(seeds) / len(seeds) == pytest.approx(result["ndcg@10"]["mean"], abs=1e-6)
