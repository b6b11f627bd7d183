"""How a plan of a larger shop's night is printed."""

from collections.abc import Iterator

from recaug.report import numbers
from recaug.results.growth import Plan

TOLD = {"taken": "events of the night", "events": "events of the windows", "users": "users", "items": "items"}
GROWING = 1.1  # exponent from which a stage is said to grow faster than the log


def text(plan: Plan) -> str:
    """Write stages, total, memory, what lies beyond what was measured, and the assumptions, in plain lines."""
    return "\n".join([*_table(plan), "", *_total(plan), "", "assumed:", *(f"  {line}" for line in plan.assumptions)])


def _table(plan: Plan) -> Iterator[str]:
    load = ", ".join(f"{getattr(plan.load, name):,.0f} {told}" for name, told in TOLD.items())
    yield f"a night of {load} on {plan.cluster}"
    yield ""
    heads = (
        ("hours", 10),
        ("core hours", 13),
        ("shuffle, GB", 13),
        ("driver, GB", 12),
        ("worker, GB", 12),
        ("exponent", 10),
    )
    yield f"  {'stage':<10}" + "".join(f"{head:>{width}}" for head, width in heads)
    for name, stage in plan.stages.items():
        grows = "" if stage.exponent is None else f"{stage.exponent:.2f}"
        yield (
            f"  {name:<10}{stage.hours:>10,.2f}{stage.core_hours:>13,.1f}{stage.shuffle_gb:>13,.1f}"
            f"{stage.driver_gb:>12,.1f}{stage.worker_gb:>12,.1f}{grows:>10}"
        )
    core_hours, shuffle = (sum(getattr(one, of) for one in plan.stages.values()) for of in ("core_hours", "shuffle_gb"))
    yield f"  {'together':<10}{plan.hours:>10,.2f}{core_hours:>13,.1f}{shuffle:>13,.1f}"


def _total(plan: Plan) -> Iterator[str]:
    yield f"{plan.hours:,.2f} hours, {plan.dollars:,.0f} dollars"
    yield f"memory: {plan.driver_gb:,.1f} GB of the driver, {plan.executor_gb:,.1f} GB of an executor"
    yield from (f"too little memory: {line}" for line in plan.warnings)
    for name, times in plan.beyond.items():
        said = f"{times:,.1f} times the largest" if times > 1 else f"{times:.2g} of the smallest"
        yield f"beyond what was measured: {TOLD[name]} are {said}"
    faster = [name for name, stage in plan.stages.items() if (stage.exponent or 0) > GROWING]
    if faster:
        yield f"grew faster than the log where it was largest: {', '.join(faster)}; they may take longer"


def errors(found: dict[str, dict[str, tuple[float, float]]]) -> Iterator[str]:
    """Write what was foretold beside what was measured, and by how much it is off. found: stage -> what -> both."""
    yield f"  {'stage':<10}{'':<24}{'foretold':>12}{'measured':>12}{'off by':>10}"
    for stage, values in found.items():
        for what, (foretold, measured) in values.items():
            off = numbers.percent(foretold / measured - 1, sign=True) if measured else ""
            yield f"  {stage:<10}{what:<24}{foretold:>12,.1f}{measured:>12,.1f}{off:>10}"
