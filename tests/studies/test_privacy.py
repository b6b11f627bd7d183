"""The full audit, of one half of a thin night's users."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY

from recaug.config import Config
from recaug.errors import ConfigError
from recaug.generators.controls import Repeated
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.studies.privacy import run_audit


def audit_context(spark: SparkSession, config: Config, artifacts: Path, **privacy: int) -> Context:
    changed = msgspec.structs.replace(
        config,
        privacy=msgspec.structs.replace(config.privacy, **privacy),
        training=msgspec.structs.replace(config.training, launcher=None, workers=2),  # as the shipped nights have
    )
    return Context(spark, changed, THIN_DAY, Lake(spark, config.lake.path), Store(artifacts))


@pytest.mark.slow
def test_rows_and_weights_are_asked_over_both_halves_and_no_half_stays(
    spark: SparkSession, night: tuple[Config, dict[str, Any]], tmp_path: Path
) -> None:
    lines: list[str] = []
    audits = run_audit(audit_context(spark, night[0], tmp_path, salts=1), lines.append)
    assert [(audit.generator, audit.subject, audit.releases) for audit in audits] == [
        ("gan", "rows", 2),
        ("vae", "rows", 2),
        ("gan", "weights", 2),
        ("the recommender", "weights", 2),
        ("vae", "weights", 2),
    ]
    for audit in audits:
        assert min(control.mean for control in audit.controls.values()) > 0.9
        assert abs(audit.baselines["permuted"].mean - 0.5) < 0.15
    assert [attack.name for attack in audits[2].attacks] == ["next", "rest", "fidelity", "user"]
    # the models hold counts of the pairs of their own users
    assert max(attack.auc.mean for attack in audits[4].attacks) > 0.7
    assert lines == ["salt 1 of 1: gan, the recommender, vae"]
    place = tmp_path / THIN_DAY.isoformat() / "privacy"
    assert {file.name for file in place.iterdir()} == {"audit.json", "audit.md", "index.html"}
    assert len(json.loads((place / "audit.json").read_text())) == 5
    page = (place / "index.html").read_text()
    assert "VAE, its weights" in page
    assert "of a model's weights, which are asked what comes next in each user's history, nothing is" in page


@pytest.mark.slow
def test_where_all_rows_are_controls_the_recommender_alone_is_asked(
    spark: SparkSession, night: tuple[Config, dict[str, Any]], tmp_path: Path
) -> None:
    night_context = audit_context(spark, night[0], tmp_path, salts=1)
    config = msgspec.structs.replace(
        night_context.config,
        augment=msgspec.structs.replace(night_context.config.augment, generators=[Repeated()]),
        training=msgspec.structs.replace(night_context.config.training, launcher="local", workers=1),
    )
    (audit,) = run_audit(replace(night_context, config=config))
    assert (audit.generator, audit.subject, audit.releases) == ("the recommender", "weights", 2)


def test_an_audit_of_nobody_is_refused(
    spark: SparkSession, night: tuple[Config, dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"privacy\.users is 0"):
        run_audit(audit_context(spark, night[0], tmp_path, users=0))
