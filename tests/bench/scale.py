"""What a night takes as its log grows: `make scale` runs ingest to recommend on 1, 3, 10 and 30 million events.

scale.py --millions 1 3                local mode; a quarter of a real log again and again (enlarged.py), with users and
                                       items of its own each time
scale.py --millions 3 --others users   the same items each time; `--others` alone: the same users and items
scale.py --millions 1 --executors 1    on a standalone cluster of so many executors, of one core each
scale.py --check                       runs nothing: the largest night, as the others foretell it
scale.py --draw                        runs nothing: the table, and the plot anew

Each night is a process of its own, jobs/nightly.py with conf/bench/scale.yaml. What its stages took, as its table
`runs` has it, goes into conf/capacity/measured.json, in place of a night of the same size; jobs/plan_capacity.py reads
it. The plot is docs/images/scale.svg.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
from matplotlib.ticker import LogLocator, StrMethodFormatter
from tests.bench.enlarged import STEPS, write_log
from tests.cluster.standalone import environment, standalone
from tests.night.nights import rows_of

from recaug import config
from recaug.report.capacity import errors
from recaug.report.plots.canvas import FULL, MARKERS, canvas
from recaug.results.growth import GrownNight, Growth, StageCost
from recaug.studies.capacity import check, curve

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "conf" / "bench" / "scale.yaml"
MEASURED = ROOT / "conf" / "capacity" / "measured.json"
FOLDER = ROOT / "build" / "bench" / "scale"
PLOT = ROOT / "docs" / "images" / "scale.svg"
DATE = "2017-04-01"
STAGES = ("ingest", "prepare", "train", "augment", "evaluate", "refit", "publish", "recommend")
DRAWN = tuple(stage for stage in STAGES if stage != "publish")  # which takes next to nothing
COLOURS = {"--blue": "#1f6fc4", "--orange": "#b04c06", "--teal": "#16736d", "--violet": "#5a4aa8"}
INKED = COLOURS | {"--ink": "#1d1f23", "--faint": "#5f646d", "--grid": "#e1e0db"}  # of the report page, on light paper
TOTALS: dict[str, Callable[[GrownNight], float]] = {
    "together": lambda night: 1e6 * sum(stage.cpu_seconds for stage in night.stages.values()) / night.size.events,
    "seconds of the clock": lambda night: sum(stage.wall_seconds for stage in night.stages.values()),
    "shuffle, bytes an event": lambda night: (
        2**20 * sum(s.shuffle_mb for s in night.stages.values()) / night.size.events
    ),
    **{
        f"most that {what} held, MB": lambda night, kind=kind: max(  # type: ignore[misc]
            stage.memory_mb.get(kind, 0.0) for stage in night.stages.values()
        )
        for kind, what in (("driver", "the driver's Python"), ("java", "Java"), ("python", "a worker"))
    },
    "hundredths of a core that other work took": lambda night: 100 * night.beside,
}
HEAP = "3g"  # of Java, as conf/bench/scale.yaml has it


def main() -> None:
    """Run nights and keep what they took, or look at those that are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 3, 10, 30], help="of events")
    parser.add_argument("--others", nargs="*", choices=[*STEPS], default=[*STEPS], help="what each copy has of its own")
    parser.add_argument("--executors", type=int, default=0, help="of a standalone cluster; 0: local mode")
    parser.add_argument("--check", action="store_true", help="the largest night, as the smaller ones foretell it")
    parser.add_argument("--draw", action="store_true", help="the table and the plot of what is kept")
    given = parser.parse_args()
    if given.check:
        print("\n".join(errors(check(load()))))
        return
    if given.draw:
        print(table(load()))
        PLOT.write_text(drawn(load()))
        return
    for millions in given.millions:
        keep(run(millions, tuple(given.others), given.executors))
    PLOT.write_text(drawn(load()))


def run(copies: float, others: tuple[str, ...], executors: int) -> GrownNight:
    """Make a log, run its night, and give what that took; log, lake and artifacts are gone then."""
    folder = FOLDER / "-".join([f"{copies:g}", *others, str(executors)])
    shutil.rmtree(folder, ignore_errors=True)
    size = write_log(folder, copies, others)
    print(f"{size.events:,} events of {size.users:,} users and {size.items:,} items", flush=True)
    before = busy()
    with cluster(folder, executors) as master:
        submit(folder, master)
    seconds, clock = (now - then for now, then in zip(busy(), before, strict=True))
    stages = recorded(folder)
    own = sum(stage.cpu_seconds for stage in stages.values())
    shutil.rmtree(folder)
    return GrownNight(
        copies=copies,
        others=others,
        size=size,
        executors=executors,
        cores=executors or os.cpu_count() or 1,
        beside=round(max(0.0, seconds - own) / clock, 2),
        made=dt.date.today().isoformat(),
        commit=commit(),
        stages=stages,
    )


@contextlib.contextmanager
def cluster(folder: Path, executors: int) -> Iterator[str | None]:
    """The master of a standalone cluster with so many executors; None for local mode."""
    if executors == 0:
        yield None
        return
    with standalone(folder / "cluster", executors, "4g") as address:
        yield address


def submit(folder: Path, master: str | None) -> None:
    """Run the night on the log in a folder; without a master, in local mode."""
    values = {
        "artifacts": folder / "artifacts",
        "lake.path": folder / "lake",
        "source.events.path": folder / "events",
        "source.items.path": folder / "items",
    }
    command = [sys.executable]
    if master is not None:
        command = [str(Path(environment(folder)["SPARK_HOME"]) / "bin" / "spark-submit"), "--master", master]
        command += ["--driver-memory", HEAP, "--executor-memory", HEAP, "--conf", "spark.driver.host=127.0.0.1"]
        command += ["--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.databricks.delta.snapshotPartitions=2"]
    command += [str(ROOT / "jobs" / "nightly.py"), "--config", str(CONFIG), "--date", DATE, "--trace"]
    command += ["--stages", ",".join(STAGES), *(word for key in values for word in ("--set", f"{key}={values[key]}"))]
    subprocess.run(command, check=True, cwd=ROOT, env=environment(folder))


def recorded(folder: Path) -> dict[str, StageCost]:
    """What the stages of the night in `<folder>/lake` took."""
    costs = {row["stage"]: row for row in rows_of(folder, "runs")}
    return {
        name: StageCost(
            wall_seconds=costs[name]["wall_seconds"],
            cpu_seconds=costs[name]["cpu_seconds"],
            shuffle_mb=costs[name]["shuffle_mb"],
            memory_mb=dict(costs[name]["memory_mb"]),
        )
        for name in STAGES
    }


def busy() -> tuple[float, float]:
    """Seconds of processor time that this machine has spent so far, and of the clock."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait, (sum(times)) / (psutil.cpu_count() or 1)


def keep(night: GrownNight) -> None:
    """Put a night into the file, in place of one of the same size, and say what it took."""
    growth = load()
    same = (night.copies, night.others, night.executors)
    nights = [one for one in growth.nights if (one.copies, one.others, one.executors) != same]
    growth = msgspec.structs.replace(growth, nights=sorted([*nights, night], key=order))
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(json.dumps(msgspec.to_builtins(growth), indent=1) + "\n")
    for name, stage in night.stages.items():
        memory = ", ".join(f"{kind} {most:,.0f}" for kind, most in stage.memory_mb.items())
        print(
            f"  {name:<10} {stage.wall_seconds:8.1f} s {stage.cpu_seconds:8.1f} s of the processor, "
            f"{stage.shuffle_mb:8,.0f} MB shuffled, MB held: {memory}",
            flush=True,
        )


def order(night: GrownNight) -> tuple[int, int, float]:
    """Local mode first, what has all of its own first, by size."""
    return night.executors, -len(night.others), night.copies


def load() -> Growth:
    """The nights that are kept."""
    if MEASURED.exists():
        return msgspec.json.decode(MEASURED.read_bytes(), type=Growth)
    prepare = config.load(CONFIG).prepare
    days = prepare.train_days + prepare.validation_days + prepare.test_days
    machine = f"{os.cpu_count()} cores of {platform.machine()}, {psutil.virtual_memory().total / 2**30:.0f} GB"
    return Growth(config="conf/bench/scale.yaml", machine=machine, days=days, nights=[])


def table(growth: Growth) -> str:
    """Microseconds of the processor an event, by stage and night, and the most memory held; as Markdown."""
    nights = growth.nights
    lines = [["", *map(named, nights)], ["---"] * (len(nights) + 1)]
    for stage in STAGES:
        lines.append(
            [stage, *(f"{1e6 * night.stages[stage].cpu_seconds / night.size.events:,.0f}" for night in nights)]
        )
    for what, of in TOTALS.items():
        lines.append([what, *(f"{of(night):,.0f}" for night in nights)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def named(night: GrownNight) -> str:
    """What a night is called in the table."""
    others = "" if len(night.others) == len(STEPS) else f", own {' and '.join(night.others) or 'days alone'}"
    where = f", {night.executors} executor{'s' * (night.executors > 1)}" if night.executors else ""
    return f"{night.size.events:,} events{others}{where}"


def drawn(growth: Growth) -> str:
    """Seconds of the processor an event, and memory an event, by stage, over events; both axes by powers of ten."""
    nights = curve(growth)
    with canvas(FULL, 4.2) as drawing:
        seconds, memory = drawing.figure.subplots(1, 2)
        events = [night.size.events for night in nights]
        for place, stage in enumerate(DRAWN):
            of = [night.stages[stage] for night in nights]
            looks = {
                "marker": MARKERS[place],
                "color": drawing.colour([*COLOURS][place % len(COLOURS)]),
                "markersize": 5,
            }
            rates = [1e6 * cost.cpu_seconds / many for cost, many in zip(of, events, strict=True)]
            seconds.plot(events, rates, label=stage, **looks)
            held = [max(cost.memory_mb.values()) * 2**10 / many for cost, many in zip(of, events, strict=True)]
            memory.plot(events, held, **looks)
        for axes, title in (
            (seconds, "microseconds of the processor an event"),
            (memory, "kB an event, largest process"),
        ):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_title(title)
            axes.set_xlabel("events")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(StrMethodFormatter("{x:,.9g}"))
            axes.minorticks_off()
        drawing.figure.legend(loc="outside lower center", ncols=len(DRAWN))
        return inked(drawing.svg()) + "\n"


def inked(svg: str) -> str:
    """A figure of the report page as a file of its own."""
    for variable, colour in INKED.items():
        svg = svg.replace(f"var({variable})", colour)
    svg = re.sub(r"\s*\n\s*", "\n", re.sub(r"<!--.*?-->", "", svg))
    svg = re.sub(r"font-family: [^;]*", "font-family: sans-serif", svg.replace("; stroke-linecap: round", ""))
    svg = re.sub(r"\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", svg)
    title = "<title>What an event costs by stage, as the log grows</title>"
    return svg.replace(">", f'>{title}<rect width="100%" height="100%" fill="#ffffff"/>', 1)


def commit() -> str:
    """The checkout's."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
