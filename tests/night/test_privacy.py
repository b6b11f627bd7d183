"""A night says what its rows tell of users: in its record, on its page, in its cards."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY

from recaug.config import Config
from recaug.lake import runs
from recaug.lake.tables import Lake

Night = tuple[Config, dict[str, Any]]


@pytest.mark.slow
def test_the_verdict_holds_what_attacks_found_beside_controls_that_are_caught(
    spark: SparkSession, night: Night
) -> None:
    config, _ = night
    judged = runs.find(Lake(spark, config.lake.path), THIN_DAY, "evaluate")
    assert judged is not None
    audits = {audit.generator: audit for audit in judged.metrics.privacy}
    assert set(audits) == {"vae", "gan"}
    for audit in audits.values():
        assert audit.releases == 2
        assert audit.users > 100
        assert {attack.name for attack in audit.attacks} == {"pairs", "alone", "nearest", "density", "user"}
        strongest = next(attack for attack in audit.attacks if attack.name == audit.strongest)
        assert strongest.auc.high is not None
        assert audit.bound is not None
        assert 0.5 < strongest.auc.high <= audit.bound <= 1.0
        assert min(control.mean for control in audit.controls.values()) > 0.9
        for name in ("length", "permuted"):
            assert abs(audit.baselines[name].mean - 0.5) < 0.12, name


@pytest.mark.slow
def test_the_page_and_the_cards_say_it(night: Night) -> None:
    folder = Path(night[0].artifacts) / THIN_DAY.isoformat() / "report"
    for name in ("index.html", "data_card.md"):
        text = (folder / name).read_text()
        assert "pairs that no other user had" in text
        assert "Pairs of a single user may be in the rows" in text
    assert "What the rows tell of a user" in (folder / "index.html").read_text()
    assert "no differential privacy" in (folder / "model_card.md").read_text()
