"""How items are counted together: as the YAML says, or in the way that ranks users best whom the counts leave out."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream import covisitation
from recaug.config import WAYS
from recaug.config import CoVisitation as Counting
from recaug.generators.inputs import counting
from recaug.night.context import Context
from recaug.training.inputs import log_popularity, neighbours, validation_sample
from recaug.training.models.covisitation import CoVisitation, Informed
from recaug.training.validation import validation_ndcg

FOLD = 0  # of the users, who are ranked for; the others are counted
USERS = 50_000  # of whom some are looked at, by a hash: a night's cost must not grow fourfold with its users
USUAL = next(iter(WAYS))


class Choice(NamedTuple):
    """name: of the way that is taken, None where the YAML gives it. ndcg: name -> NDCG@10 on validation."""

    way: Counting
    name: str | None = None
    ndcg: Mapping[str, float] = MappingProxyType({})


def choose(context: Context, people: DataFrame) -> Choice:
    """Count in each way without the users of a fold, and take the way that ranks their validation events best.

    people: of sequences.histories. Reads vocabulary and sequences. Of equal ones the first is taken, as where nobody is
    to be ranked for.
    """
    config = context.config
    if config.covisitation is not None:
        return Choice(config.covisitation)
    held_out = context.lake.read("sequences").where((F.col("split") == "validation") & (F.col("fold") == FOLD))
    sample = validation_sample(held_out, config.prepare.max_length)
    if not len(sample.histories):
        return Choice(WAYS[USUAL], USUAL)
    popularity = log_popularity(context.lake.read("vocabulary"))
    some = F.pmod(F.xxhash64(F.lit(config.seed), F.col("user_id")), F.lit(max(people.count(), USERS))) < USERS
    codes = covisitation.train_codes(people.where(some & (F.col("fold") != FOLD))).persist()
    counted = {}
    for window, backward, limit in {(way.window, way.backward, way.neighbours) for way in WAYS.values()}:
        pairs = covisitation.counts(codes, window, backward)
        near = neighbours(pairs, len(popularity) - 1, limit, config.privacy.min_users)
        counted[window, backward] = [torch.from_numpy(values) for values in near]
    codes.unpersist()
    ndcg = {}
    with torch.inference_mode():
        for name, way in WAYS.items():
            table = CoVisitation(*counted[way.window, way.backward], **counting(way))
            informed = Informed(table, torch.from_numpy(popularity))
            discovery = config.prepare.task == "discovery"
            ndcg[name] = validation_ndcg(informed, sample, discovery, torch.device("cpu"))
    best = max(ndcg, key=lambda name: ndcg[name])
    return Choice(WAYS[best], best, ndcg)


def counting_of(context: Context) -> Counting:
    """How the night counts: as the YAML says, else as its table says of itself."""
    if context.config.covisitation is not None:
        return context.config.covisitation
    row = context.lake.read("covisitation").select("window", "backward", "decay").first()
    return WAYS[USUAL] if row is None else Counting(**row.asDict())


def marked(pairs: DataFrame, way: Counting) -> DataFrame:
    """Counts with how they are counted and scored in each row, which costs a column of one value next to nothing."""
    return pairs.select(
        "*",
        F.lit(way.window).alias("window"),
        F.lit(float(way.backward)).alias("backward"),
        F.lit(float(way.decay)).alias("decay"),
    )
