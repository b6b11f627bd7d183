"""One experiment: arms x seeds over a task's units, chosen on validation, judged once on the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pandas as pd
from pyspark.sql import DataFrame

from recaug.config import Gate
from recaug.errors import ContractError
from recaug.evaluate.arms import BLENDED
from recaug.evaluate.contest import TEST, VALIDATION, Contest
from recaug.evaluate.exposure import catalogue_of, coverage_of, tail_share
from recaug.evaluate.gate import Words, best, fair
from recaug.evaluate.groups import Shown, compare
from recaug.evaluate.ranking import LIST, TAIL, exposures
from recaug.evaluate.statistics import OVERALL, mean_lifts, sliced, values
from recaug.evaluate.task import Scorers, Task
from recaug.results import (
    Arm,
    ArmResult,
    Group,
    Interval,
    Lifts,
    Measured,
    Metric,
    Slice,
    TrainedModel,
    Trial,
)

PARTS = ("cold", "warm")  # of units, whose lifts are held against each other


@dataclass(frozen=True)
class Trainings:
    """What training the arms gave. models: by the scorer's name; of_arm: arm -> scorers, a seed each."""

    trained: Sequence[TrainedModel]
    of_arm: Mapping[str, Sequence[str]]

    @property
    def folders(self) -> dict[str, str]:
        """Scorer -> address of its model."""
        return {model.name: model.folder for model in self.trained}

    def models(self, arm: str, seed: int) -> list[TrainedModel]:
        """An arm's models, the first seed's first. seed: of that one."""
        by_name = {model.name: model for model in self.trained}
        return [
            msgspec.structs.replace(by_name[name], seed=seed + number) for number, name in enumerate(self.of_arm[arm])
        ]


def run_trial(
    task: Task, arms: Sequence[Arm], seeds: int, seed: int, gate: Gate
) -> tuple[Trial, Sequence[TrainedModel]]:
    """Train every arm, the first without generated rows, choose another one on validation, and judge it on the test.

    Returns what was found, and the trainings. Raises ContractError, before anything is trained, where a table knows
    what is held out.
    """
    jobs = {arm.name: task.jobs(arm, seeds) for arm in arms}
    leaks = refuse_leaks(task, arms)
    done = _train(task, jobs, f"recommender, {len(arms)} arms x {seeds} seeds")
    baselines, deep = task.baselines(), task.scorers(done.folders)
    blends = task.blends(deep, baselines)
    table, shown = look(task, [VALIDATION, TEST], dict(baselines) | dict(deep) | dict(blends))
    named = {arm: list(own) for arm, own in done.of_arm.items()}
    mixed = {BLENDED.format(arm): list(map(BLENDED.format, own)) for arm, own in named.items()} if blends else {}
    alone = {name: [name] for name in baselines}
    measured = _measured(task, Contest(table, named | mixed | alone, task.slices, gate, seed), shown)
    controls, others = _controls(arms)
    contest = Contest(table, named, task.slices, gate, seed)
    base = contest.strongest(controls, gate.metric)
    contest = contest.against(base)
    fidelity = task.fidelity(arms[1:])
    chosen, verdict = contest.verdict(others, gate.metric, fidelity, Words(gate.metric, task.units))
    gap = contest.gap(chosen, gate.metric, PARTS) if chosen is not None and {*PARTS} <= {*task.slices} else None
    shown_items = Shown(shown[OVERALL], task.items.events)
    groups = compare(contest, chosen, gate.metric, task.groups(), shown_items) if chosen is not None else []
    every, blended = _lifts(contest, task.lifted), {}
    if mixed:
        blend = Contest(table, mixed, task.slices, gate, seed)
        controls = list(map(BLENDED.format, controls))
        blended = _lifts(blend.against(blend.strongest(controls, gate.metric)), task.lifted)
    validation, by_seed = contest.lifts(VALIDATION, gate.metric), contest.by_seed(TEST, gate.metric)
    results = {
        arm.name: ArmResult(
            arm=arm,
            measured=_with_lists(measured[arm.name], task, shown, named[arm.name], done.models(arm.name, seed)),
            lifts=every.get(arm.name, {}),
            validation_lifts=validation.get(arm.name, {}),
            blend=measured.get(BLENDED.format(arm.name)),
            blend_lifts=blended.get(BLENDED.format(arm.name), {}),
            fidelity=fidelity.get(arm.name),
            by_seed=by_seed[arm.name],
        )
        for arm in arms
    }
    units = sliced(contest.split(TEST).drop_duplicates("unit"), task.slices)
    head = task.items.head
    trial = Trial(
        task=task.name,
        metric=gate.metric,
        seeds=seeds,
        units={name: len(units.get(name, ())) for name in (OVERALL, *task.slices)},
        arms=results,
        baselines={name: measured[name] for name in baselines},
        leaks=leaks,
        tail_share=float(task.items.events[~head].sum() / task.items.events.sum()),
        chosen=chosen,
        verdict=fair(verdict, str(chosen), _gaps(gap, groups, task.units), gate),
        gap=gap,
        groups=groups,
        base=base,
    )
    return trial, done.trained


def _gaps(gap: Interval | None, groups: Sequence[Group], units: str) -> dict[tuple[str, str], Interval | None]:
    """The gaps between lifts, by the words for whom and for those beside whom."""
    of_groups = {(f"{units} of {group.attribute} {group.value}", "the others"): group.gap for group in groups}
    return {(f"cold {units}", "warm ones"): gap} | of_groups


def _controls(arms: Sequence[Arm]) -> tuple[list[str], list[str]]:
    """The arms that others are held against, the one without generated rows first, and these others."""
    first, *more = arms
    controls = [arm.name for arm in more if arm.control]
    return [first.name, *controls], [arm.name for arm in more if not arm.control]


def refuse_leaks(task: Task, arms: Sequence[Arm]) -> dict[str, int]:
    """Make every leak check: check -> leaks, all 0. Raises ContractError that names what was found."""
    checks = task.leaks(arms)
    if leaking := [f"{check.leaks} rows of {check.name} ({check.example})" for check in checks if check.leaks]:
        raise ContractError(f"a leak of what is held out: {'; '.join(leaking)}; the night stops before the gate")
    return {check.name: check.leaks for check in checks}


def brief_lifts(task: Task, arms: Sequence[Arm], metric: Metric, title: str) -> dict[str, dict[Slice, float]]:
    """Train each arm once, and hold those that are no controls against the best that is one, on validation.

    Returns arm -> slice of units -> lift. The first arm, without generated rows, is a control.
    """
    done = _train(task, {arm.name: task.jobs(arm, 1) for arm in arms}, title)
    table = measured_units(task.measure([VALIDATION], task.scorers(done.folders)), [*task.slices], [metric])
    controls, others = _controls(arms)
    means = {arm: float(values(table, done.of_arm[arm], metric).mean()) for arm in controls}
    base = done.of_arm[best(means)]
    return {
        arm: {
            name: lift
            for name, lift in mean_lifts(table, base, done.of_arm[arm], metric, task.slices).items()
            if name != OVERALL
        }
        for arm in others
    }


def measured_units(measured: DataFrame, slices: Sequence[Slice], metrics: Sequence[Metric]) -> pd.DataFrame:
    """Bring what a task measured to the driver, without lists, in the units' order."""
    rows = measured.select("split", "unit", *slices, "scorer", *(f"`{metric}`" for metric in metrics)).toPandas()
    return rows.sort_values(["split", "unit"], kind="stable", ignore_index=True)


def _train(task: Task, jobs: Mapping[str, Sequence[object]], title: str) -> Trainings:
    trained = task.train([job for of_arm in jobs.values() for job in of_arm], title)
    names = iter([model.name for model in trained])
    return Trainings(trained, {arm: [next(names) for _ in of_arm] for arm, of_arm in jobs.items()})


def look(task: Task, splits: Sequence[str], scorers: Scorers) -> tuple[pd.DataFrame, dict[Slice, pd.DataFrame]]:
    """Measure some splits, the test among them: the table of units and, by slice, what the test's lists show."""
    measured = task.measure(splits, scorers).persist()
    try:
        table = measured_units(measured, task.slices, [*task.metrics, TAIL])
        shown = {name: exposures(measured.where(name), TEST, LIST) for name in task.slices}
        return table, {OVERALL: exposures(measured, TEST, LIST)} | shown
    finally:
        measured.unpersist()


def _measured(task: Task, contest: Contest, shown: Mapping[Slice, pd.DataFrame]) -> dict[str, Measured]:
    means = contest.summaries(TEST, task.metrics)
    return {
        name: Measured(measures=means[name], catalogue=catalogue_of(shown[OVERALL], scorers, task.items.events))
        for name, scorers in contest.scorers.items()
    }


def _with_lists(
    measured: Measured,
    task: Task,
    shown: Mapping[Slice, pd.DataFrame],
    scorers: Sequence[str],
    models: list[TrainedModel],
) -> Measured:
    """Add what an arm's lists show by slice, and its models."""
    n_items = len(task.items.events) - 1
    return Measured(
        measures=measured.measures,
        catalogue=measured.catalogue,
        coverage={name: coverage_of(shown[name], scorers, n_items) for name in shown},
        exposure={name: tail_share(shown[name], scorers, task.items.head) for name in shown},
        models=models,
    )


def _lifts(contest: Contest, metrics: Sequence[Metric]) -> dict[str, Lifts]:
    """Lifts on the test: name -> metric -> slice."""
    by_metric = {metric: contest.lifts(TEST, metric) for metric in metrics}
    return {name: {metric: by_metric[metric][name] for metric in metrics} for name in [*contest.scorers][1:]}
