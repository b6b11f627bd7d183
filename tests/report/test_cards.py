"""The model card and the data card of a night."""

import re
from dataclasses import replace

import msgspec
import pytest

from recaug.night import report
from recaug.night.context import Context
from recaug.report.cards import cards


@pytest.fixture
def written(published: Context) -> dict[str, str]:
    return cards(report.collect(published), published.config)


def test_the_model_card_holds_figures_fairness_and_the_decision(written: dict[str, str]) -> None:
    card = written["model_card.md"]
    assert "| SASRec + VAE rows | cold users | .0896 [.0806, .0986] | .0560 [.0504, .0616] |" in card
    assert "SASRec + VAE rows, all users: +12.0\u00a0% [+4.0\u00a0%, +20.0\u00a0%]" in card
    assert "| SASRec + GAN rows | 25.0\u00a0% | 10.0\u00a0% | 30.0\u00a0% |" in card
    assert "140 users of the test window, of whom 20 are cold" in card
    assert "\npublish: NDCG@10 of cold users rises by 12.0 %" in card


def test_the_data_card_says_what_the_rows_are_and_where_they_come_from(written: dict[str, str]) -> None:
    card = written["data_card.md"]
    assert "788 rows of `augmented_events`, partition 2017-01-28" in card
    assert re.search(r"\| augmented_events \| \d+ \|", card)
    assert (
        "13,028 rows, of them 12,500 events, 499 duplicates, 1 quarantined, 20 ignored by a rule, 8 of later days."
        in card
    )
    assert re.search(r"told from real ones by a classifier[^|]+\| 61.0\u00a0% \|  \|  \|", card)
    assert "jobs/erase.py" in card


def test_tables_are_whole(written: dict[str, str]) -> None:
    for card in written.values():
        for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
            rows = table.splitlines()
            assert len(rows) > 2
            assert len({row.count("|") for row in rows}) == 1
        assert "\n\n\n" not in card


def test_a_night_without_generators_has_cards_too(published: Context) -> None:
    night = report.collect(published)
    judged = night.stages["evaluate"]
    trial = msgspec.structs.replace(judged.metrics, arms={"none": judged.metrics.arms["none"]}, chosen=None)
    stages = {**night.stages, "evaluate": replace(judged, metrics=trial)}
    written = cards(replace(night, stages=stages), published.config)
    assert "Change of" not in written["model_card.md"]
    assert "beside real events" not in written["data_card.md"]
    assert all("\n\n\n" not in card for card in written.values())


def test_a_night_that_is_not_evaluated_has_none(published: Context) -> None:
    night = report.collect(published)
    begun = {stage: night.stages[stage] for stage in ("ingest", "prepare")}
    assert cards(replace(night, stages=begun), published.config) == {}
