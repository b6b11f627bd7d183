"""The gate: publishes generated rows only when held-out real data prove that they help."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recaug.config import Gate
from recaug.results import Audit, Fidelity, Interval, Slice, Verdict


class Words(NamedTuple):
    """How a verdict names what was measured. units: plural; validated: what the arm was chosen on."""

    metric: str
    units: str = "users"
    validated: str = "validation window"


def best(scores: Mapping[str, float]) -> str:
    """Name what scored highest on validation; of equals the first.

    >>> best({"vae": 0.1, "counts": 0.2, "gan": 0.2})
    'counts'
    """
    return max(scores, key=lambda name: scores[name])


def judge(
    validation: Mapping[str, Mapping[Slice, Interval]],
    test: Mapping[str, Mapping[Slice, Interval]],
    fidelity: Mapping[str, Fidelity],
    gate: Gate,
    words: Words,
) -> tuple[str | None, Verdict]:
    """Choose the arm on the validation split; only that one meets the gate on the test split.

    validation, test: lifts of each arm over the one without, by slice. fidelity: of the arms where it was measured; one
    without a row cannot be chosen.
    """
    usable = {
        arm: lift["overall"].mean for arm, lift in validation.items() if arm not in fidelity or fidelity[arm].rows
    }
    if not usable:
        return None, Verdict(decision="hold", reasons=("no candidate passed the fidelity filter",))
    chosen = best(usable)
    if usable[chosen] <= 0:
        why = f"no generator helps on the {words.validated}; the best, {chosen}, changes {words.metric} by"
        return chosen, Verdict(decision="hold", reasons=(f"{why} {usable[chosen]:+.1%}",))
    return chosen, decide(chosen, test[chosen], fidelity.get(chosen), gate, words)


def decide(
    arm: str, lift: Mapping[Slice, Interval], fidelity: Fidelity | None, gate: Gate, words: Words | None = None
) -> Verdict:
    """Publish if the lift is proved overall, or for cold units without harm overall, and nothing collapsed.

    lift: `overall` and, where there are cold units, `cold`; a bound that the data do not give proves nothing.
    fidelity: None where nothing was generated. words: None: the gate's metric, of users.
    """
    faults = faults_of(fidelity, gate) if fidelity is not None else []
    metric, units, _ = words or Words(gate.metric)
    overall, cold = lift["overall"], lift.get("cold")
    said = f"{arm}: {metric} changes by {in_percent(overall)} for all {units}"
    if cold is not None:
        said += f" and by {in_percent(cold)} for cold {units}"
    if faults:
        return Verdict(decision="hold", reasons=(*(f"{arm}: {fault}" for fault in faults), said))
    if _above(overall, gate.min_lift):
        why = f"{said}; the lower bound for all {units} is above {gate.min_lift:+.1%}"
        return Verdict(decision="publish", reasons=(why,))
    if cold is not None and _above(cold, gate.min_lift) and _above(overall, -gate.max_harm):
        why = f"the lower bound for cold {units} is above {gate.min_lift:+.1%} and all {units} lose less than"
        return Verdict(decision="publish", reasons=(f"{said}; {why} {gate.max_harm:.1%}",))
    return Verdict(decision="hold", reasons=(f"{said}; no lower bound is above {gate.min_lift:+.1%}",))


def fair(verdict: Verdict, arm: str, gaps: Mapping[tuple[str, str], Interval | None], gate: Gate) -> Verdict:
    """Hold what is proved to serve some units better than others by more than gate.max_gap.

    gaps: of lifts, by the words for whom and for those beside whom; None where it is not known.
    """
    if gate.max_gap is None or verdict.decision != "publish":
        return verdict
    bound = f"more than max_gap {gate.max_gap:.1%}"
    wide = [
        f"{arm}: the lift for {whom} is {in_percent(gap)} beside that for {others}, {bound}"
        for (whom, others), gap in gaps.items()
        if gap is not None and gap.low is not None and gap.high is not None and max(gap.low, -gap.high) > gate.max_gap
    ]
    return Verdict(decision="hold", reasons=(*wide, *verdict.reasons)) if wide else verdict


def private(verdict: Verdict, arm: str, audits: Sequence[Audit], gate: Gate) -> Verdict:
    """Hold what tells too much of its users: where the upper end of any attack is above gate.max_attack_auc.

    audits: of the generators whose rows the arm has.
    """
    if gate.max_attack_auc is None or verdict.decision != "publish":
        return verdict
    telling = [
        f"{arm}: {audit.generator}'s rows may tell who taught it: an attack's area under the ROC curve is up to "
        f"{audit.bound:.3f}, above max_attack_auc {gate.max_attack_auc:g}"
        for audit in audits
        if audit.bound is not None and audit.bound > gate.max_attack_auc
    ]
    return Verdict(decision="hold", reasons=(*telling, *verdict.reasons)) if telling else verdict


def faults_of(fidelity: Fidelity, gate: Gate) -> list[str]:
    """Say which bounds of fidelity are broken, one text each; what was not measured breaks none."""
    least: Sequence[tuple[str, float | None, float]] = (
        ("ranking of held-out users over the counts'", fidelity.ranking, gate.min_ranking),
        ("coverage of the catalogue", fidelity.coverage, gate.min_coverage),
        ("entropy over the real one", fidelity.entropy_ratio, gate.min_entropy),
    )
    most = (
        ("share of duplicate histories", fidelity.duplicates, gate.max_duplicates),
        ("share of copied histories", fidelity.copies, gate.max_copies),
    )
    below = [f"{what} {got:.3f} is below {bound:g}" for what, got, bound in least if got is not None and got < bound]
    return below + [f"{what} {got:.3f} is above {bound:g}" for what, got, bound in most if got > bound]


def _above(lift: Interval, bound: float) -> bool:
    """Whether the lower bound is there, and above."""
    return lift.low is not None and lift.low > bound


def in_percent(lift: Interval) -> str:
    """Write a lift with its bounds, such as `+5.6% [+3.2%, +8.1%]`."""
    bounds = ("unknown" if bound is None else f"{bound:+.1%}" for bound in (lift.low, lift.high))
    return f"{lift.mean:+.1%} [{', '.join(bounds)}]"
