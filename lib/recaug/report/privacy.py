"""What the audit says of generated rows: areas and shares caught, beside baselines and controls."""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from recaug.report import numbers
from recaug.report.series import Series
from recaug.results import Audit, Interval, Spent

ATTACKS = {
    "pairs": "pairs of items that the rows have more often than popularity says",
    "alone": "pairs that no other user had",
    "nearest": "the nearest record of the rows",
    "density": "how dense the rows lie about the user",
    "next": "chance of the next event, beyond popularity",
    "rest": "chance of all that follows, beyond popularity",
    "fidelity": "how real the model takes it for",
    "shadows": "both chances beside those of models with and without the user (LiRA)",
    "user": "all of these, weighed for the whole user",
}
BESIDE = {
    "popularity": "popularity alone, sees nothing",
    "length": "length of the history alone, sees nothing",
    "permuted": "whole user, labels permuted",
    "copied": "control: copies of the users",
    "canaries": "control: planted users",
}

CHANCE = 0.5  # area of an attack that knows nothing
UNKEYED = "no privacy.key: generated rows, page, cards and MLflow name users and events as the log does"


class AttackRow(NamedTuple):
    """An attack on a generator's rows. auc, tpr: with their intervals; tpr empty where it is not told."""

    generator: str
    attack: str
    auc: str
    tpr: str


class Protection(NamedTuple):
    """How users are protected. min_users: who must have had a pair of items; keyed: names are pseudonyms.

    spent: differential privacy, of all that the generators know; None: there is none.
    """

    min_users: int = 1
    keyed: bool = False
    spent: Spent | None = None

    @property
    def said(self) -> str:
        """Whose pairs the generators know, in a sentence."""
        if self.spent is not None:
            epsilon, delta = f"{math.ceil(100 * self.spent.epsilon) / 100:.2f}", f"{self.spent.delta:g}"
            return (
                f"What the generators know of users has differential privacy: epsilon {epsilon} at delta {delta}, of "
                "counts and weights together, this night's refit included; it covers neither the users that a row "
                "names as its source nor the recommender, and each night spends anew."
            )
        if self.min_users > 1:
            return f"Only pairs of items that {self.min_users} different users had enter what the generators know."
        return "Pairs of a single user may be in the rows: privacy.min_users is 1."


class PrivacyTable(NamedTuple):
    """users: asked about, the most of any generator; 0 where none was audited. unseen: labels of those that were not.

    bound: the gate's; None for none. pairs: whose the generators know. noisy: with differential privacy. unkeyed: said
    where names are no pseudonyms.
    told: sentences on the rows of the chosen arm. weights: models' weights were attacked, too.
    """

    rows: list[AttackRow]
    users: int
    unseen: list[str]
    bound: float | None
    pairs: str
    noisy: bool
    unkeyed: str | None
    told: list[str]
    weights: bool


def privacy(
    audits: Sequence[Audit] | None,
    bound: float | None,
    protection: Protection,
    generators: Sequence[Series],
    chosen: Collection[str] = (),
) -> PrivacyTable | None:
    """Every attack on every audited generator; None where nothing was evaluated. chosen: generators of that arm."""
    if audits is None:
        return None
    audited = {audit.generator for audit in audits}
    labels = {series.name: series.label for series in generators}
    rows = [row for audit in audits for row in rows_of(audit, labels.get(audit.generator, audit.generator))]
    users = max((audit.users for audit in audits), default=0)
    unseen = [label for name, label in labels.items() if name not in audited]
    unkeyed = None if protection.keyed else UNKEYED
    told = [_told(audit, labels.get(audit.generator, audit.generator)) for audit in audits if audit.generator in chosen]
    noisy, weights = protection.spent is not None, any(audit.subject == "weights" for audit in audits)
    return PrivacyTable(rows, users, unseen, bound, protection.said, noisy, unkeyed, told, weights)


def _told(audit: Audit, label: str) -> str:
    """Say in a sentence what the strongest attack on a generator's rows finds."""
    (attack,) = (attack for attack in audit.attacks if attack.name == audit.strongest)
    found = f"the strongest attack tells who taught it with an AUC of {numbers.interval(attack.auc)} (.5 is chance)"
    proved = attack.auc.low is not None and attack.auc.low > CHANCE
    return f"{label}: {found}" + ("; these rows are for the shop alone." if proved else ".")


def rows_of(audit: Audit, label: str) -> list[AttackRow]:
    """The attacks, then what they stand beside."""
    label += {"rows": "", "weights": ", its weights"}[audit.subject]
    attacks = [
        AttackRow(label, ATTACKS.get(attack.name, attack.name), numbers.interval(attack.auc), _share(attack.tpr))
        for attack in audit.attacks
    ]
    beside = {**audit.baselines, **audit.controls}
    return attacks + [
        AttackRow(label, text, numbers.interval(beside[name]), "") for name, text in BESIDE.items() if name in beside
    ]


def _share(share: Interval) -> str:
    if share.low is None or share.high is None:
        return numbers.percent(share.mean)
    return f"{numbers.percent(share.mean)} [{numbers.percent(share.low)}, {numbers.percent(share.high)}]"


def markdown(audits: Sequence[Audit]) -> str:
    """The same as a Markdown table."""
    lines = ["| generator | what is looked at | AUC | caught at 1 % false alarms |", "|---|---|---|---|"]
    for audit in audits:
        lines += [f"| {' | '.join(row)} |" for row in rows_of(audit, audit.generator)]
    return "\n".join(lines)
