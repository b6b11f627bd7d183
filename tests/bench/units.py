"""Seconds and memory of the sums of measured units, beside the number of users: units.py --users 22363 178904.

Each number of users has a driver of its own, with an executor in a process beside it. Simulated users, a third of them
cold, are measured by ten scorers with nine metrics each; Spark makes their sums over 2,000 draws; then comes the lift
of half the scorers over the other half, by slice. Prints the seconds of both, and the most memory that the driver's
Python and Java have held (VmHWM of Linux).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from recaug import session
from recaug.config import Spark
from recaug.evaluate.draws import Draws
from recaug.evaluate.statistics import Bounds, lifts
from recaug.evaluate.sums import Axes, sums_of

AXES = Axes(
    tuple(f"scorer {number}" for number in range(10)), ("cold", "warm"), tuple(f"m{number}" for number in range(9))
)
DRAWS = Draws(2000, 1)
DRIVER = "1g"  # of Java's heap


def main() -> None:
    """Measure each number of users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", required=True)
    given = parser.parse_args()
    if len(given.users) == 1:
        print(measured(given.users[0]))
        return
    print("| users | sums, s | lifts, s | driver's Python, MB | driver's Java, MB |\n|---|---|---|---|---|")
    for users in given.users:
        line = [sys.executable, __file__, "--users", str(users)]
        print(subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def measured(users: int) -> str:
    """Sum so many users; a row of the table."""
    spark = session.build(Spark(master="local-cluster[1,2,2048]", settings={"spark.driver.memory": DRIVER}), "units")
    rows = simulated(spark, users).persist()
    rows.count()
    started = time.perf_counter()
    sums = sums_of(rows, AXES, DRAWS)
    summed = time.perf_counter()
    for metric in AXES.metrics:
        lifts(sums, AXES.scorers[:5], AXES.scorers[5:], metric, Bounds(0.95))
    done = time.perf_counter()
    assert sums.slices["overall"] == users
    python, java = highest("self"), highest(str(SparkContext._gateway.proc.pid))  # type: ignore[union-attr]
    spark.stop()
    return f"| {users:,} | {summed - started:.1f} | {done - summed:.1f} | {python:,.0f} | {java:,.0f} |"


def simulated(spark: SparkSession, users: int) -> DataFrame:
    """So many users under each scorer."""

    def make(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            units = frame["id"].to_numpy()
            random = np.random.default_rng(units[0])
            own, cold = random.gamma(0.3, 0.2, (len(units), len(AXES.metrics))), random.random(len(units)) < 1 / 3
            for scorer in AXES.scorers:
                values = np.clip(own + random.normal(0, 0.02, own.shape), 0, 1)
                table = pd.DataFrame(values, columns=list(AXES.metrics))
                yield table.assign(unit=units, scorer=scorer, cold=cold, warm=~cold)

    metrics = ", ".join(f"{metric} double" for metric in AXES.metrics)
    columns = f"{metrics}, unit long, scorer string, cold boolean, warm boolean"
    return spark.range(users, numPartitions=8).mapInPandas(make, columns)


def highest(process: str) -> float:
    """Megabytes that a process has held at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
