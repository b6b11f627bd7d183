"""A model card and a data card of a night, as Markdown (Mitchell et al. 2019; Pushkarna et al. 2022)."""

from collections.abc import Sequence
from typing import NamedTuple

from recaug.config import Config
from recaug.evaluate.gate import in_percent
from recaug.generators.registry import generators
from recaug.report import evidence, numbers, page, records, tables
from recaug.report.privacy import privacy
from recaug.report.series import Series, arm_title
from recaug.results import Interval, Trial

METRICS = ("hr@10", "ndcg@10", "recall@20")
USERS = ("overall", "cold", "warm")


class Draw(NamedTuple):
    """How much a generator wrote, by the configuration. temperature: None where it draws without one."""

    generator: str
    continuations: int
    histories: float
    temperature: float | None


class Figures(NamedTuple):
    """An arm on some users; cells: METRICS with their intervals."""

    arm: str
    users: str
    cells: list[str]


def cards(night: page.Night, config: Config) -> dict[str, str]:
    """Write both: file name -> text. Empty for a night that has not been evaluated."""
    trial = records.result_of(night.stages, Trial)
    if trial is None or not {"ingest", "prepare", "augment"} <= set(night.stages):
        return {}
    shown = {
        "night": night,
        "config": config,
        "trial": trial,
        "counts": {"augmented": 0} | records.counts(night.stages),
        "aside": records.ASIDE,
        "draws": _draws(config),
        "split": tables.SPLITS[config.prepare.split],
        "leaks": evidence.leaks(trial),
        "metrics": [tables.METRICS[metric] for metric in METRICS],
        "figures": _figures(trial, night.generators),
        "arms": [arm_title(result.arm, night.generators) for result in tables.arms_in_order(trial, night.generators)],
        "lifts": _lifts(trial, night.generators),
        "exposure": tables.exposure(trial, night.generators),
        "groups": tables.groups(trial),
        "gap": None if trial.gap is None else in_percent(trial.gap),
        "fidelity": evidence.fidelity(trial, night.gate, night.generators),
        "privacy": privacy(trial.privacy, night.gate.max_attack_auc, night.protection, night.generators),
        "decision": records.decision(night.stages),
        "reasons": records.reasons(night.stages),
    }
    plain = page.templates().overlay(autoescape=False)
    written = {name: plain.get_template(f"{name}.md.j2").render(shown) for name in ("model_card", "data_card")}
    return {f"{name}.md": f"{text}\n" for name, text in written.items()}


def _draws(config: Config) -> list[Draw]:
    """Of each generator, in the configuration's order."""
    return [
        Draw(own.name, own.continuations, own.histories, getattr(own.draw, "temperature", None))
        for own in generators(config.augment.generators)
    ]


def _figures(trial: Trial, generators: Sequence[Series]) -> list[Figures]:
    """The arm without generated rows first."""
    return [
        Figures(
            arm_title(result.arm, generators),
            tables.SLICES[part].lower(),
            [numbers.interval(measures[metric]) for metric in METRICS],
        )
        for result in tables.arms_in_order(trial, generators)
        for part in USERS
        if (measures := result.measured.measures.get(part))
    ]


def _lifts(trial: Trial, generators: Sequence[Series]) -> list[str]:
    """Of the gate's metric: `SASRec + VAE rows, all users: +12.0 % [+4.0 %, +20.0 %]`."""

    def said(arm: str, part: str, lift: Interval) -> str:
        return f"{arm}, {tables.SLICES[part].lower()}: {numbers.change(lift)}"

    return [
        said(arm_title(result.arm, generators), part, lift)
        for result in evidence.augmented_arms(trial, generators)
        for part in USERS
        if (lift := result.lifts.get(trial.metric, {}).get(part)) is not None
    ]
