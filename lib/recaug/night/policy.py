"""The night's policy: trains the recommender briefly with each option, and keeps what lifts the validation window."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import POLICY, TOGETHER
from recaug.evaluate.arms import NONE
from recaug.evaluate.policy import Option, as_arm, for_slice, halve, options, part_of, told
from recaug.evaluate.ranking import user_metrics
from recaug.night.context import Context
from recaug.night.cost import Cost
from recaug.night.evaluate import recommender_jobs
from recaug.recommend.deep import Trained
from recaug.training.inputs import popularity_and_head
from recaug.training.recommender import train_sasrec

SLICES = ("cold", "warm")  # of users


def choose(context: Context, candidates: DataFrame) -> tuple[DataFrame, dict[str, Any]]:
    """Give the rows of the arm `policy`, with event ids of their own, and what was tried: policy -> tried, chosen.

    candidates: columns of candidate_events and arm. A user is cold by the train events. The test window is not read.
    """
    config, lake = context.config, context.lake
    policy = config.evaluate.policy
    assert policy is not None
    vocabulary = lake.read("vocabulary")
    headed = candidates.join(F.broadcast(vocabulary.select("item_id", "head")), "item_id", how="inner")
    held_out = lake.read("sequences").where("split = 'validation'")
    events, head = popularity_and_head(vocabulary)
    spent = 0.0

    def measure(left: Sequence[Option], epochs: int) -> dict[Option, dict[str, float]]:
        """Train with nothing and with each option, and compare the users of each slice."""
        nonlocal spent
        arms = {NONE: candidates.where("false")} | {one.name: part_of(headed, one).drop("head") for one in left}
        slots = {NONE: 1} | {one.name: config.augment.slots(one.kind.split(TOGETHER)) for one in left}
        optimiser = msgspec.structs.replace(config.sasrec.optimiser, epochs=epochs)
        brief = msgspec.structs.replace(config, sasrec=msgspec.structs.replace(config.sasrec, optimiser=optimiser))
        with Cost(context.spark) as cost:
            jobs = recommender_jobs(context, arms, slots, seeds=1)
            trained = train_sasrec(jobs, context.spark, brief, f"policy, {len(left)} options x {epochs} epochs")
            scorers = {arm: Trained(model.folder) for arm, model in zip(arms, trained, strict=True)}
            metric = config.evaluate.gate.metric
            rows = user_metrics(held_out, scorers, events, head, config.prepare.task == "discovery")
            means = rows.groupBy("scorer", "cold").agg(F.avg(f"`{metric}`").alias("mean")).toPandas()
        spent += cost.cpu_seconds
        found = dict(zip(zip(means["scorer"], means["cold"], strict=True), means["mean"], strict=True))
        return {one: _lifts(found, one.name) for one in left}

    choice = halve(
        options(policy, config.augment),
        measure,
        policy.first_epochs,
        config.sasrec.optimiser.epochs,
        policy.epochs,
    )
    cold_users = lake.read("sequences").where("split = 'train' AND cold").select("user_id").distinct()
    parts = [
        for_slice(part_of(headed, option), cold_users, part == "cold")
        for part, of_part in choice.chosen.items()
        for option in of_part.values()
        if option is not None
    ]
    chosen = reduce(DataFrame.unionByName, parts, headed.where("false")).drop("head")
    return as_arm(chosen, POLICY), {POLICY: told(choice) | {"cpu_seconds": round(spent, 1)}}


def _lifts(means: Mapping[tuple[str, bool], float], name: str) -> dict[str, float]:
    """Relative lift by slice of users; a slice without validation users is left out."""
    return {
        part: means[name, cold] / max(means[NONE, cold], 1e-9) - 1
        for part, cold in zip(SLICES, (True, False), strict=True)
        if (NONE, cold) in means
    }
