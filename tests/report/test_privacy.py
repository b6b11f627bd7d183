"""What the page's first lines say of an attack on the rows of the chosen arm, from audits by hand."""

from typing import Literal

from tests.report.made import GENERATORS, against_none, interval, trial

from recaug.report.privacy import Protection, privacy
from recaug.results import Attack, Audit, Interval

SHARE = interval(0.1, 0.0, 0.2)


def audit(generator: str, whole: Interval, subject: Literal["rows", "weights"] = "rows") -> Audit:
    """An audit whose strongest attack is that on the whole user."""
    attacks = [
        Attack(name="nearest", auc=interval(0.5, 0.4, 0.6), tpr=SHARE),
        Attack(name="user", auc=whole, tpr=SHARE),
    ]
    return Audit(
        generator=generator,
        users=40,
        releases=2,
        attacks=attacks,
        strongest="user",
        baselines={},
        controls={},
        subject=subject,
    )


def told(whole: Interval, chosen: str | None = "vae") -> list[str]:
    found = trial(against_none(), against_none("vae"), against_none("gan"), chosen=chosen)
    audits = [audit("gan", interval(0.9, 0.8, 0.95)), audit("vae", whole)]
    table = privacy(audits, None, Protection(), GENERATORS, found.generators)
    assert table is not None
    return table.told


def test_weights_are_told_from_rows() -> None:
    whole = interval(0.9, 0.8, 0.95)
    for audits, attacked in (
        ([audit("vae", whole)], False),
        ([audit("vae", whole), audit("vae", whole, "weights")], True),
    ):
        table = privacy(audits, None, Protection(), GENERATORS)
        assert table is not None
        assert table.weights is attacked
        assert any(row.generator == "VAE, its weights" for row in table.rows) is attacked


def test_the_first_lines_say_what_the_strongest_attack_on_the_chosen_rows_tells() -> None:
    (said,) = told(interval(0.99, 0.985, 0.995))
    assert said.startswith("VAE: the strongest attack tells who taught it with an AUC of .9900 [.9850, .9950]")
    assert said.endswith("these rows are for the shop alone.")
    (nothing,) = told(interval(0.52, 0.49, 0.55))
    assert "for the shop alone" not in nothing
    assert told(interval(0.99, 0.985, 0.995), None) == []
