"""A model card and a data card of a night, as Markdown (Mitchell et al. 2019; Pushkarna et al. 2022)."""

from typing import Any

from recaug.config import Config
from recaug.evaluate.arms import NONE
from recaug.report import page, tables
from recaug.report.plots import ordered


def cards(night: page.Night, config: Config) -> dict[str, str]:
    """Write both: file name -> text. Empty for a night that has not been evaluated."""
    if not {"ingest", "prepare", "augment", "evaluate"} <= set(night.stages):
        return {}
    evaluation = night.stages["evaluate"].metrics
    known: dict[str, Any] = {
        "night": night,
        "config": config,
        "evaluation": evaluation,
        "counts": {"augmented": 0} | tables.counts(night.stages),
        "split": tables.SPLITS[config.prepare.split],
        "leaks": tables.leaks(evaluation),
        "metrics": [tables.METRICS[metric] for metric in ("hr@10", "ndcg@10", "recall@20")],
        "figures": _figures(evaluation),
        "arms": [NONE, *ordered(evaluation["lift"])],
        "lifts": [
            f"{tables.arm_label(arm)}, {tables.SLICES[part].lower()}: {tables.percent(one['mean'], 1, True)} "
            f"[{tables.percent(one['low'], 1, True)}, {tables.percent(one['high'], 1, True)}]"
            for arm in ordered(evaluation["lift"])
            for part, one in _slices(evaluation["lift"][arm])
        ],
        "exposure": tables.exposure(evaluation),
        "fidelity": tables.fidelity(evaluation, night.gate),
        "decision": tables.decision(night.stages),
        "reasons": tables.reasons(night.stages),
    }
    plain = page.templates().overlay(autoescape=False)
    plain.filters["arm"] = tables.arm_label
    made = {name: plain.get_template(f"{name}.md.j2").render(known) for name in ("model_card", "data_card")}
    return {f"{name}.md": f"{text}\n" for name, text in made.items()}


def _figures(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of arm, users and cells, the arm without generated rows first."""
    return [
        {
            "arm": tables.arm_label(arm),
            "users": tables.SLICES[part].lower(),
            "cells": [tables.interval(of_part[metric]) for metric in ("hr@10", "ndcg@10", "recall@20")],
        }
        for arm in [NONE, *ordered(evaluation["lift"])]
        for part, of_part in _slices(evaluation["arms"][arm])
    ]


def _slices(of_arm: dict[str, Any]) -> list[tuple[str, Any]]:
    """Its slices of users, those that there are."""
    return [(part, of_arm[part]) for part in ("overall", "cold", "warm") if part in of_arm]
