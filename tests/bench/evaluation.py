"""Full-ranking evaluation of a night that has run: evaluation.py --config conf/beauty.yaml --date 2014-07-01.

Ranks the catalogue for every user of the test window by the SASRec of the arm without generated rows, measures every
list, and makes the sums and their intervals; prints the seconds of each run after the first one, which warms up.
"""

import argparse
import datetime as dt
import statistics
import time

from recaug import config, session
from recaug.evaluate.draws import Draws
from recaug.evaluate.ranking import MEASURES
from recaug.evaluate.statistics import Bounds, summaries
from recaug.evaluate.sums import OVERALL, Axes, sums_of
from recaug.lake import runs
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.experiment import recommend_task
from recaug.recommend.deep import Network


def main() -> None:
    """Open the night's lake, evaluate some times, print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="that of the night")
    parser.add_argument("--date", type=dt.date.fromisoformat, required=True, help="the night's date")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first one")
    given = parser.parse_args()
    night = config.load(given.config)
    spark = session.build(night.spark, "recaug evaluation")
    context = Context(spark, night, given.date, Lake(spark, night.lake.path), Store(night.artifacts))
    judged = runs.find(context.lake, given.date, "evaluate")
    if judged is None:
        raise SystemExit(f"the night of {given.date} has not been evaluated; run jobs/nightly.py first")
    scorers = {"sasrec": Network(judged.metrics.arms["none"].measured.models[0].folder)}
    task, gate = recommend_task(context), night.evaluate.gate
    axes, draws = Axes(tuple(scorers), task.slices, task.metrics), Draws(gate.bootstraps, night.seed)
    seconds = []
    for _ in range(given.repeats + 1):
        started = time.perf_counter()
        sums = sums_of(task.measure(["test"], scorers), axes, draws)
        summaries(sums, {"sasrec": ["sasrec"]}, task.metrics, Bounds(gate.confidence))
        seconds.append(time.perf_counter() - started)
    users = sums.slices[OVERALL]
    print(
        f"{users:,} users, {len(task.items.events) - 1:,} items, {len(MEASURES)} measures with intervals: "
        f"{statistics.median(seconds[1:]):.1f} s (best {min(seconds[1:]):.1f} s, first {seconds[0]:.1f} s)"
    )


if __name__ == "__main__":
    main()
