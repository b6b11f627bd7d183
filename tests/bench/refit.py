"""What a refit is worth in the days that follow a night.

refit.py --config conf/bench/complete_journey.yaml --dates 2017-04-08 2017-04-22 2017-05-06 --days 7

Each night learns with the counts' rows alone beside the real ones (nothing is chosen by what comes after it), and lists
are made by the models that were proved and by those that went on to learn from all days. Both are held against what
users had in the days after the night: NDCG@10 and hit rate over the users with an event there, products new to the user
where the task is discovery, and the relative change with its interval over the users of all nights.
"""

import argparse
import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recaug import config, session
from recaug.clickstream.splits import windows
from recaug.config import Config
from recaug.evaluate.draws import Draws
from recaug.evaluate.metrics import hit_rate, ndcg
from recaug.evaluate.statistics import Bounds, relative_lift
from recaug.evaluate.sums import Axes, Sums
from recaug.night.context import Context
from recaug.night.nightly import night_context, run_night

COUNTS = ["augment.generators=[{kind: counts}]", "evaluate.policy=null", "evaluate.seeds=1", "recommend.k=10"]
PROVED, REFITTED = "proved", "refit"


def main() -> None:
    """Run the nights, and print what each kind of lists found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--dates", type=dt.date.fromisoformat, nargs="+", required=True, help="of the nights")
    parser.add_argument("--days", type=int, default=7, help="after a night, that its lists are held against")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as sasrec.dim=32")
    given = parser.parse_args()
    folder = Path("build/bench/refit") / Path(given.config).stem
    places = [f"artifacts={folder}/artifacts", f"lake.path={folder}/lake"]
    night = config.load(given.config, [*COUNTS, *places, *given.set])
    later = config.load(given.config, [*COUNTS, places[0], f"lake.path={folder}/later", *given.set])
    spark = session.build(night.spark, "recaug refit", night.training.workers, night.source.events.time_zone)
    last = max(given.dates) + dt.timedelta(days=given.days)
    run_night(later, last, spark, ["ingest"], resume=True)
    log = night_context(later, last, spark).lake.read("events")
    table = pd.concat([_night(night, date, log, given.days, spark) for date in sorted(given.dates)])
    print(f"| {given.days} days after | users | NDCG@10, proved | NDCG@10, refit | HR@10, proved | HR@10, refit |")
    print("|---|---|---|---|---|---|")
    for label, rows in [*table.groupby("night"), ("all", table)]:
        means = rows[[f"{metric} {kind}" for metric in ("ndcg", "hit") for kind in (PROVED, REFITTED)]].mean()
        print(f"| {label} | {len(rows):,} | {' | '.join(f'{mean:.4f}' for mean in means)} |")
    for metric in ("ndcg", "hit"):
        units = [pd.DataFrame({"scorer": kind, metric: table[f"{metric} {kind}"]}) for kind in (PROVED, REFITTED)]
        numbered = pd.concat([rows.assign(unit=range(len(rows))) for rows in units])
        sums = Sums.of(numbered, Axes((PROVED, REFITTED), (), (metric,)), Draws(2000, night.seed))
        change = relative_lift(sums.drawn([PROVED], metric), sums.drawn([REFITTED], metric), Bounds(0.95))
        print(f"{metric}@10: {change.mean:+.1%} [{change.low:+.1%}, {change.high:+.1%}]")


def _night(given: Config, date: dt.date, log: DataFrame, days: int, spark: SparkSession) -> pd.DataFrame:
    """Run a night, and hold both kinds of its lists against the days after it; a row a user."""
    context = night_context(given, date, spark)
    stages = ["ingest", "prepare", "train", "augment", "evaluate", "refit", "recommend"]
    summary = run_night(given, date, context.spark, stages, resume=True)
    print({stage: f"{seconds:.0f} s" for stage, seconds in summary["wall_seconds"].items()})
    targets = _targets(context, log, days)
    found = {REFITTED: _found(context, targets)}
    proved = msgspec.structs.replace(given, refit=False)
    run_night(proved, date, context.spark, ["refit", "recommend"])
    found[PROVED] = _found(context, targets)
    rows = {f"{metric} {kind}": values for kind, own in found.items() for metric, values in own.items()}
    return pd.DataFrame({"night": date.isoformat(), **rows})


def _targets(context: Context, log: DataFrame, days: int) -> pd.DataFrame:
    """What users had in the days after the night: user_id, items (a list), in the order of user_id."""
    prepare, cut = context.config.prepare, windows(context.date, context.config.prepare)
    counting = log.where(F.col("event_type").isin(prepare.event_types)) if prepare.event_types else log
    after = counting.where(
        (F.col("event_date") > F.lit(context.date))
        & (F.col("event_date") <= F.lit(context.date + dt.timedelta(days=days)))
    ).select("user_id", "item_id")
    if prepare.task == "discovery":
        known = counting.where(
            (F.col("event_date") >= F.lit(cut.train_start)) & (F.col("event_date") <= F.lit(context.date))
        )
        after = after.join(known, ["user_id", "item_id"], "left_anti")
    served = context.lake.read("recommendations").where(F.col("event_date") == F.lit(context.date)).select("user_id")
    wanted = after.join(served, "user_id", "left_semi").groupBy("user_id").agg(F.collect_set("item_id").alias("items"))
    return wanted.toPandas().sort_values("user_id", ignore_index=True)


def _found(context: Context, targets: pd.DataFrame) -> dict[str, np.ndarray]:
    """NDCG@10 and whether there was a hit, of each user's list."""
    rows = context.lake.read("recommendations").where(F.col("event_date") == F.lit(context.date))
    listed = rows.select("user_id", "rank", "item_id").toPandas().sort_values("rank")
    lists = listed.groupby("user_id")["item_id"].agg(list)
    hits = np.zeros((len(targets), 10), bool)
    for place, (user, items) in enumerate(zip(targets["user_id"], targets["items"], strict=True)):
        own = set(items)
        for rank, item in enumerate(lists[user][:10]):
            hits[place, rank] = item in own
    lengths = targets["items"].map(len).to_numpy(dtype=np.int64)
    return {"ndcg": ndcg(hits, lengths, 10), "hit": hit_rate(hits, lengths, 10)}


if __name__ == "__main__":
    main()
