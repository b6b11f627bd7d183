"""One experiment: arms x seeds over a task's units, chosen on validation, judged once on the test split."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import Gate
from recaug.errors import ContractError
from recaug.evaluate.arms import BLENDED
from recaug.evaluate.contest import TEST, VALIDATION, Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.exposure import catalogue_of, coverage_of, tail_share
from recaug.evaluate.gate import Words, best, fair
from recaug.evaluate.groups import Shown, compare
from recaug.evaluate.ranking import LIST, exposures
from recaug.evaluate.statistics import mean_lifts
from recaug.evaluate.sums import OVERALL, Axes, sums_of
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
    named = {arm: list(own) for arm, own in done.of_arm.items()}
    mixed = {BLENDED.format(arm): list(map(BLENDED.format, own)) for arm, own in named.items()} if blends else {}
    alone = {name: [name] for name in baselines}
    scorers, draws = dict(baselines) | dict(deep) | dict(blends), Draws(gate.bootstraps, seed)
    with measuring(task, [VALIDATION, TEST], scorers) as measured:
        axes = Axes(tuple(scorers), tuple(task.slices), tuple(task.metrics))
        validated = sums_of(of_split(measured, VALIDATION), axes._replace(metrics=(gate.metric,)), draws)
        sums = {VALIDATION: validated, TEST: sums_of(of_split(measured, TEST), axes, draws)}
        shown = shown_by(measured, task.slices)
        means = _measured(task, Contest(sums, named | mixed | alone, gate), shown)
        controls, others = _controls(arms)
        contest = Contest(sums, named, gate)
        base = contest.strongest(controls, gate.metric)
        contest = contest.against(base)
        fidelity = task.fidelity(arms[1:])
        chosen, verdict = contest.verdict(others, gate.metric, fidelity, Words(gate.metric, task.units))
        tested, items = of_split(measured, TEST), Shown(shown[OVERALL], task.items.events)
        groups = compare(contest, tested, chosen, gate.metric, task.groups(), items) if chosen is not None else []
    gap = contest.gap(chosen, gate.metric, PARTS) if chosen is not None and {*PARTS} <= {*task.slices} else None
    every, blended = _lifts(contest, task.lifted), {}
    if mixed:
        blend = Contest(sums, mixed, gate)
        controls = list(map(BLENDED.format, controls))
        blended = _lifts(blend.against(blend.strongest(controls, gate.metric)), task.lifted)
    validation, by_seed = contest.lifts(VALIDATION, gate.metric), contest.by_seed(TEST, gate.metric)
    results = {
        arm.name: ArmResult(
            arm=arm,
            measured=_with_lists(means[arm.name], task, shown, named[arm.name], done.models(arm.name, seed)),
            lifts=every.get(arm.name, {}),
            validation_lifts=validation.get(arm.name, {}),
            blend=means.get(BLENDED.format(arm.name)),
            blend_lifts=blended.get(BLENDED.format(arm.name), {}),
            fidelity=fidelity.get(arm.name),
            by_seed=by_seed[arm.name],
        )
        for arm in arms
    }
    units, head = sums[TEST].slices, task.items.head
    trial = Trial(
        task=task.name,
        metric=gate.metric,
        seeds=seeds,
        units={name: units.get(name, 0) for name in (OVERALL, *task.slices)},
        arms=results,
        baselines={name: means[name] for name in baselines},
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
    scorers = task.scorers(done.folders)
    sums = sums_of(task.measure([VALIDATION], scorers), Axes(tuple(scorers), tuple(task.slices), (metric,)))
    controls, others = _controls(arms)
    base = done.of_arm[best({arm: sums.drawn(done.of_arm[arm], metric).mean for arm in controls})]
    return {
        arm: {name: lift for name, lift in mean_lifts(sums, base, done.of_arm[arm], metric).items() if name != OVERALL}
        for arm in others
    }


def _train(task: Task, jobs: Mapping[str, Sequence[object]], title: str) -> Trainings:
    trained = task.train([job for of_arm in jobs.values() for job in of_arm], title)
    names = iter([model.name for model in trained])
    return Trainings(trained, {arm: [next(names) for _ in of_arm] for arm, of_arm in jobs.items()})


@contextmanager
def measuring(task: Task, splits: Sequence[str], scorers: Scorers) -> Iterator[DataFrame]:
    """Measure some splits once, for several looks."""
    measured = task.measure(splits, scorers).persist()
    try:
        yield measured
    finally:
        measured.unpersist()


def of_split(measured: DataFrame, split: str) -> DataFrame:
    """The units of a split."""
    return measured.where(F.col("split") == split)


def shown_by(measured: DataFrame, slices: Sequence[Slice]) -> dict[Slice, pd.DataFrame]:
    """Count what the test's lists show, by slice of the units: see exposures."""
    of_slices = {name: exposures(measured.where(name), TEST, LIST) for name in slices}
    return {OVERALL: exposures(measured, TEST, LIST)} | of_slices


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
