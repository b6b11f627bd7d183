"""What a night on a larger shop would take, from nights measured on logs of several sizes (`make scale`)."""

from collections.abc import Callable, Mapping, Sequence
from math import log
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.optimize import nnls

from recaug.config.capacity import Cluster
from recaug.errors import ConfigError
from recaug.results.growth import GrownNight, Growth, Load, Plan, Planned, StageCost

TERMS: Mapping[str, Callable[[Load], float]] = {
    "fixed": lambda load: 1.0,
    "taken": lambda load: load.taken,
    "events": lambda load: load.events,
    "users": lambda load: load.users,
    "items": lambda load: load.items,
    "pairs": lambda load: load.users * load.items,  # scored one by one where lists are exact
}

# What the processor time and the shuffle of a stage grow with, beside what it takes in any case. A user's sequence has
# `prepare.max_length` events at most: past prepare it is users that count.
GROWS: Mapping[str, tuple[str, ...]] = {
    "ingest": ("taken",),
    "prepare": ("events",),
    "train": ("users",),
    "augment": ("users",),
    "evaluate": ("users", "pairs"),
    "refit": ("events",),
    "publish": ("users",),
    "recommend": ("users", "pairs"),
}
HELD = ("items",)  # what the memory of Python grows with: vocabulary, counts and models; rows come in batches
EFFICIENCY = 0.7  # of executors beside each other where none were measured
HEAP_GB = 1.5  # of Java a core: 3 GB were enough for two, at every size measured


class Fit(NamedTuple):
    """A sum of terms, none of them negative: what is fixed, and what grows."""

    of: Mapping[str, float]

    def at(self, load: Load) -> float:
        """What it comes to."""
        return sum(weight * TERMS[term](load) for term, weight in self.of.items())

    @property
    def fixed(self) -> float:
        """What does not grow."""
        return self.of.get("fixed", 0.0)


class StageFits(NamedTuple):
    """Of a stage: CPU seconds, megabytes of shuffle, megabytes that the driver's Python and the largest worker hold."""

    cpu: Fit
    shuffle: Fit
    driver: Fit
    worker: Fit


def load_growth(path: Path) -> Growth:
    """Read what was measured. Raises ConfigError where that is nothing, or not all stages."""
    try:
        growth = msgspec.json.decode(path.read_bytes(), type=Growth)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; make scale writes it") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: {error}; make scale writes it") from error
    if not curve(growth) or any(set(night.stages) != set(GROWS) for night in growth.nights):
        raise ConfigError(f"{path}: a night in local mode with all stages is needed; run make scale")
    return growth


def curve(growth: Growth) -> list[GrownNight]:
    """The nights in local mode whose users and items grow with the events, by size."""
    whole = [night for night in growth.nights if night.executors == 0 and set(night.others) == {"users", "items"}]
    return sorted(whole, key=lambda night: night.size.events)


def load_of(night: GrownNight) -> Load:
    """What a night was measured on, whose windows hold all that it took."""
    size = night.size
    return Load(taken=size.events, events=size.events, users=size.users, items=size.items)


def fit(loads: Sequence[Load], values: Sequence[float], terms: Sequence[str]) -> Fit:
    """Least squares of relative errors over what is fixed and the terms, with weights of 0 or more.

    Of the terms only the first are taken where there are too few values to tell all apart; of one value all grows with
    the first. Method: Lawson and Hanson 1974, chapter 23, by scipy.
    """
    names = ("fixed", *terms[: len(values) - 1]) if len(values) > 1 else terms[:1]
    wanted = np.maximum(np.asarray(values, dtype=float), 1e-3)
    rows = np.array([[TERMS[name](load) for name in names] for load in loads]) / wanted[:, None]
    scale = rows.max(axis=0)
    weights, _ = nnls(rows / scale, np.ones(len(wanted)))
    return Fit(dict(zip(names, (weights / scale).tolist(), strict=True)))


def fits(nights: Sequence[GrownNight]) -> dict[str, StageFits]:
    """Fit each stage to some nights."""
    loads = [load_of(night) for night in nights]

    def of(stage: str, value: Callable[[StageCost], float], terms: Sequence[str]) -> Fit:
        return fit(loads, [value(night.stages[stage]) for night in nights], terms)

    return {
        stage: StageFits(
            cpu=of(stage, lambda cost: cost.cpu_seconds, terms),
            shuffle=of(stage, lambda cost: cost.shuffle_mb, terms),
            driver=of(stage, lambda cost: cost.memory_mb.get("driver", 0.0), HELD),
            worker=of(stage, lambda cost: cost.memory_mb.get("python", 0.0), HELD),
        )
        for stage, terms in GROWS.items()
    }


def check(growth: Growth) -> dict[str, dict[str, tuple[float, float]]]:
    """Foretell the largest night from the smaller ones: stage, and `together` -> what -> foretold, measured.

    Raises ConfigError where there are fewer than three nights.
    """
    *smaller, largest = curve(growth)
    if len(smaller) < 2:
        raise ConfigError("three nights are needed, of which the largest is foretold; run make scale")
    load, found = load_of(largest), {}
    for stage, of in fits(smaller).items():
        cost = largest.stages[stage]
        found[stage] = {
            "CPU seconds": (of.cpu.at(load), cost.cpu_seconds),
            "MB of shuffle": (of.shuffle.at(load), cost.shuffle_mb),
            "MB, driver's Python": (of.driver.at(load), cost.memory_mb.get("driver", 0.0)),
            "MB, largest worker": (of.worker.at(load), cost.memory_mb.get("python", 0.0)),
        }
    sums = {name: [values[name] for values in found.values()] for name in ("CPU seconds", "MB of shuffle")}
    return found | {
        "together": {name: (sum(a for a, _ in both), sum(b for _, b in both)) for name, both in sums.items()}
    }


def plan(growth: Growth, load: Load, name: str, cluster: Cluster) -> Plan:
    """Foretell a night on a cluster. What is fixed takes one core, whatever the cluster; what grows takes them all."""
    nights = curve(growth)
    share, why = efficiency(growth)
    cores = cluster.executors * cluster.executor.cores * cluster.core_speed * share
    stages = {}
    for stage, of in fits(nights).items():
        seconds = of.cpu.at(load)
        stages[stage] = Planned(
            hours=(of.cpu.fixed / cluster.core_speed + (seconds - of.cpu.fixed) / cores) / 3600,
            core_hours=seconds / 3600,
            shuffle_gb=of.shuffle.at(load) / 1024,
            driver_gb=of.driver.at(load) / 1024,
            worker_gb=of.worker.at(load) / 1024,
            exponent=exponent(nights, stage),
        )
    hours = sum(stage.hours for stage in stages.values())
    executor = cluster.executor.cores * (HEAP_GB + max(stage.worker_gb for stage in stages.values()))
    driver = 2 * HEAP_GB + max(stage.driver_gb for stage in stages.values())
    return Plan(
        cluster=name,
        load=load,
        stages=stages,
        hours=hours,
        dollars=hours * cluster.dollars_an_hour,
        executor_gb=executor,
        driver_gb=driver,
        beyond=beyond(nights, load),
        assumptions=(measured(nights), why, *assumptions(growth, cluster)),
        warnings=short_of_memory(executor, driver, cluster),
    )


def efficiency(growth: Growth) -> tuple[float, str]:
    """What a second executor adds, of what it could, and where that is from: at the largest size measured with both."""
    pairs = [
        (one.size.events, seconds(one) / seconds(two) / 2)
        for one in growth.nights
        for two in growth.nights
        if (one.executors, two.executors) == (1, 2) and (one.copies, one.others) == (two.copies, two.others)
    ]
    if not pairs:
        return EFFICIENCY, f"executors keep {EFFICIENCY:.0%} of what they could do: assumed, for none were measured"
    events, share = max(pairs)
    said = f"executors keep {share:.0%} of what they could do, as two beside one did on {events:,} events"
    return min(1.0, share), f"{said}; a hundred may keep less"


def seconds(night: GrownNight) -> float:
    """Of the clock, for all stages."""
    return sum(stage.wall_seconds for stage in night.stages.values())


def exponent(nights: Sequence[GrownNight], stage: str) -> float | None:
    """Of the processor time over the events from the last night but one to the last; 1: in proportion."""
    if len(nights) < 2:
        return None
    before, last = nights[-2:]
    times = last.stages[stage].cpu_seconds, before.stages[stage].cpu_seconds
    if min(times) <= 0 or last.size.events == before.size.events:
        return None
    return log(times[0] / times[1]) / log(last.size.events / before.size.events)


def beyond(nights: Sequence[GrownNight], load: Load) -> dict[str, float]:
    """By what a load is larger than the largest night, or smaller than the smallest (below 1), and how many times."""
    first, last = load_of(nights[0]), load_of(nights[-1])
    found = {}
    for name in ("taken", "events", "users", "items"):
        asked, least, most = (getattr(one, name) for one in (load, first, last))
        if not least <= asked <= most:
            found[name] = asked / (most if asked > most else least)
    return found


def measured(nights: Sequence[GrownNight]) -> str:
    """How much a plan rests on."""
    busiest = max(night.beside for night in nights)
    least, most = (f"{night.size.events:,} events" for night in (nights[0], nights[-1]))
    said = f"each stage grows as it did over {len(nights)} nights, from {least} to {most}"
    if len(nights) == 1:
        said = f"all grows in proportion, for one night alone was measured, of {most}"
    return f"{said}; other work took up to {busiest:g} cores beside"


def assumptions(growth: Growth, cluster: Cluster) -> tuple[str, ...]:
    """What else a plan rests on, a line each."""
    return (
        f"trainings as in {growth.config}, and as many ranks as there are cores; exact lists score every item",
        "users and items grew together with the events: which of them a stage grows with is read from the code",
        "a stage takes what is fixed on one core, and the rest on all; nothing waits for disks or the network",
        f"{HEAP_GB:g} GB of Java a core, beside the largest Python worker; twice that for the driver",
        f"a core does {cluster.core_speed:g} of one of {growth.machine}",
        f"prices: {cluster.source} ({cluster.checked})",
    )


def short_of_memory(executor: float, driver: float, cluster: Cluster) -> tuple[str, ...]:
    """A line for each kind of machine that has too little."""
    needed = (("an executor", executor, cluster.executor), ("the driver", driver, cluster.driver))
    return tuple(
        f"{name} needs {gb:,.0f} GB, and has {machine.memory_gb:g}"
        for name, gb, machine in needed
        if gb > machine.memory_gb
    )
