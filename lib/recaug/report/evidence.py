"""What speaks for and against the generated rows: lifts, fidelity, leaks, what a policy tried, what a lift cost."""

from collections.abc import Sequence
from typing import NamedTuple

from recaug.config import Gate
from recaug.evaluate.arms import NONE
from recaug.report.numbers import figure, percent
from recaug.report.records import Stages, chosen_label, result_of
from recaug.report.series import Series, arm_looks
from recaug.report.tables import METRICS, SLICES, arms_in_order
from recaug.results import ArmResult, Interval, Prepare, Trial

# Fields of results.Fidelity with what a reader calls them.
FIDELITY = {
    "ranking": "NDCG@10 on users it has not seen, of the counts' own",
    "coverage": "distinct items generated, of the real ones",
    "entropy_ratio": "entropy of the items, of the real one's",
    "duplicates": "histories equal to another generated one",
    "copies": "histories equal to a real one",
    "told_apart": "told from real ones by a classifier: area under its curve (50 % is chance)",
    "mean_fidelity": "mean fidelity of the candidates",
}


class LiftRow(NamedTuple):
    """An arm's lifts, or its blend's; a cell is None where nothing was measured, or the base found nothing."""

    label: str
    cells: list[Interval | None]


class LiftTable(NamedTuple):
    """Lifts of several measures in one slice. columns: labels."""

    slice: str
    columns: list[str]
    rows: list[LiftRow]


class Bounded(NamedTuple):
    """A share, and whether it keeps the gate's bound (None where there is none)."""

    number: float
    kept: bool | None


class FidelityRow(NamedTuple):
    """A measure of each arm, with the gate's bound in words; a value is None where it was not measured."""

    label: str
    bound: str
    values: list[Bounded | None]


class FidelityTable(NamedTuple):
    """Fidelity and collapse. generators: labels of the arms."""

    generators: list[str]
    rows: list[FidelityRow]


class PolicyLift(NamedTuple):
    """kept: chosen for that slice of users and kind of rows, in the option's last round."""

    lift: float
    kept: bool


class PolicyRow(NamedTuple):
    """An option of the policy in one round; a slice without users is None."""

    option: str
    epochs: int
    cold: PolicyLift | None
    warm: PolicyLift | None


class LiftCost(NamedTuple):
    """What the chosen arm's lift on the test window cost: minutes of CPU time of train and augment."""

    label: str
    lift: float
    cpu_minutes: float
    per_minute: float


def augmented_arms(trial: Trial, generators: Sequence[Series]) -> list[ArmResult]:
    """The arms with generated rows, in the order of the page."""
    return [result for result in arms_in_order(trial, generators) if result.arm.name != NONE]


def lift_table(trial: Trial | None, part: str, generators: Sequence[Series]) -> LiftTable | None:
    """Each arm's lift of several measures in one slice, last on the validation window; then those of the blends.

    A measure that has no lift with bounds in the slice has no column. None without any.
    """
    arms = augmented_arms(trial, generators) if trial is not None else []
    measured = [result for result in arms if any(part in by_slice for by_slice in result.lifts.values())]
    if trial is None or not measured:
        return None
    of_all = [lifts for result in arms for lifts in (result.lifts, result.blend_lifts)]
    metrics = [key for key in METRICS if any(bounded_lift(lifts.get(key, {}).get(part)) for lifts in of_all)]
    held = any(part in result.validation_lifts for result in measured)
    looks = arm_looks((result.arm for result in measured), generators)
    rows = []
    for blended in (False, True):
        for result in measured:
            lifts = result.blend_lifts if blended else result.lifts
            if any(part in lifts.get(metric, {}) for metric in metrics):
                cells = [bounded_lift(lifts.get(metric, {}).get(part)) for metric in metrics]
                held_out = [None if blended else bounded_lift(result.validation_lifts.get(part))] if held else []
                rows.append(LiftRow(looks[result.arm.name].label + ", blended" * blended, cells + held_out))
    validated = [f"{METRICS.get(trial.metric, trial.metric)}, validation"] if held else []
    return LiftTable(SLICES[part], [METRICS[metric] for metric in metrics] + validated, rows)


def bounded_lift(lift: Interval | None) -> Interval | None:
    """A lift, or None where it has no bounds."""
    return None if lift is None or lift.low is None or lift.high is None else lift


def fidelity(trial: Trial | None, gate: Gate, generators: Sequence[Series]) -> FidelityTable | None:
    """Fidelity and collapse of each arm's candidates beside the gate's bounds; None where nothing was measured."""
    arms = augmented_arms(trial, generators) if trial is not None else []
    measured = {result.arm.name: result.fidelity for result in arms if result.fidelity is not None}
    if not measured:
        return None
    at_least = {"ranking": gate.min_ranking or None, "coverage": gate.min_coverage, "entropy_ratio": gate.min_entropy}
    at_most = {"duplicates": gate.max_duplicates, "copies": gate.max_copies}
    rows = []
    for key, label in FIDELITY.items():
        low, high = at_least.get(key), at_most.get(key)
        values = [_bounded(getattr(of_arm, key), low, high) for of_arm in measured.values()]
        if any(value is not None for value in values):
            rows.append(FidelityRow(label, _bound(low, high), values))
    looks = arm_looks((result.arm for result in arms), generators)
    return FidelityTable([looks[name].label for name in measured], rows)


def _bound(low: float | None, high: float | None) -> str:
    if low is not None:
        return f"at least {percent(low)}"
    return f"at most {percent(high)}" if high is not None else ""


def _bounded(number: float | None, low: float | None, high: float | None) -> Bounded | None:
    if number is None:
        return None
    kept = None if low is None and high is None else (low is None or number >= low) and (high is None or number <= high)
    return Bounded(number, kept)


def policy(trial: Trial | None) -> list[PolicyRow]:
    """What the policy tried, the last round first. Empty where no policy was asked."""
    if trial is None or trial.policy is None:
        return []
    tried, chosen = trial.policy.tried, trial.policy.chosen
    last = {round_.option: round_.epochs for round_ in tried}

    def lift(option: str, epochs: int, lifts: dict[str, float], part: str) -> PolicyLift | None:
        if part not in lifts:
            return None
        return PolicyLift(lifts[part], option in chosen.get(part, {}).values() and last[option] == epochs)

    return [
        PolicyRow(row.option, row.epochs, *(lift(row.option, row.epochs, row.lift, part) for part in ("cold", "warm")))
        for row in sorted(tried, key=lambda row: (-row.epochs, row.option))
    ]


def lift_per_minute(stages: Stages, generators: Sequence[Series]) -> LiftCost | None:
    """What the chosen arm's lift cost; None where nothing was judged. The cost is that of all generators."""
    trial = result_of(stages, Trial)
    if trial is None or trial.chosen is None or not {"train", "augment"} <= set(stages):
        return None
    lift = trial.arms[trial.chosen].lifts[trial.metric]["overall"].mean
    minutes = (stages["train"].cpu_seconds + stages["augment"].cpu_seconds) / 60
    return LiftCost(str(chosen_label(trial, generators)), lift, minutes, lift / max(minutes, 1e-9))


def leaks(trial: Trial | None) -> str | None:
    """Say in a sentence what the leak checks found; None where none was made."""
    if trial is None:
        return None
    known = sum(trial.leaks.values())
    return f"{len(trial.leaks)} leak checks of what the models learnt from found {known} rows that know more."


def counted(prepared: Prepare | None) -> str:
    """Which way of counting items together was taken, and how each ranked; nothing where the YAML decides."""
    if prepared is None or not prepared.ways:
        return ""
    ways = sorted(prepared.ways.items(), key=lambda way: -way[1])
    told = ", ".join(f"{name} {figure(ndcg)}" for name, ndcg in ways)
    return f"As {prepared.counted}. NDCG@10 of validation users whom the counts leave out, by each way: {told}."
