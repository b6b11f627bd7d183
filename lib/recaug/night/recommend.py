"""List the best items for every user, with the recommender that the gate found better."""

from typing import NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.evaluate.metrics import intra_list_diversity
from recaug.lake.contracts import REFIT
from recaug.lake.views import Room
from recaug.night.context import Context, StageResult
from recaug.night.refit import served_arm
from recaug.recommend.explain import faithfulness
from recaug.recommend.index import check_index
from recaug.recommend.lists import best_of, item_vectors, top_lists
from recaug.recommend.retrieval import RETRIEVALS, Retrieval
from recaug.recommend.scoring import history_tensor
from recaug.results import Faithfulness, Recommend
from recaug.training.checkpoint import load_recommender

LOOKED_AT = 1000  # users whose lists and reasons are measured


def run(context: Context) -> StageResult:
    """Replace the date's partition of recommendations: rank 1 to k for every user with an event up to the date.

    The lists are the shop's: they name its users by its own names, whatever stands for them in the tables before.

    The model is the refit's, or the first seed's of the arm that serves where nothing was refitted.
    Raises ContractError if the evaluate or the refit stage of this night has not run.
    """
    config, refitted = context.config, context.recorded("refit").metrics
    lake = Room(context.lake, REFIT) if refitted.serves else context.lake
    arm = served_arm(context.recorded("evaluate"))
    folder = refitted.recommender or arm.measured.models[0].folder
    discovery = config.prepare.task == "discovery"
    users = lake.read("sequences").where("split = 'serve'")
    check_index(config.recommend.index, "recommend.index")
    retrieval = RETRIEVALS[config.recommend.index](folder, config.seed)
    listed = top_lists(users, retrieval, config.recommend.k, discovery, config.recommend.diversity).persist()
    titled = lake.read("vocabulary").join(lake.read("items").select("item_id", "title"), "item_id", how="left")
    names = titled.select("item_index", "item_id", "title").orderBy("item_index").persist()
    whole = context.lake.pseudonyms.reveal(named(listed, names), context.lake.own("events"), "user_id")
    ranked = whole.withColumn("event_date", F.lit(context.date))
    try:
        commit = lake.replace(ranked, "recommendations", {"event_date": context.date}, context.run_id)
    finally:
        names.unpersist()
        listed.unpersist()
    looks = _looks(context, users, retrieval)
    metrics = Recommend(
        recommendations=commit.rows,
        arm=arm.arm.name,
        model=folder,
        diversity=looks.diversity,
        diversity_by_score=looks.by_score,
        faithfulness=looks.faithfulness,
        index=config.recommend.index,
        recall=looks.recall,
    )
    return StageResult(metrics, commit.content_hash)


def named(listed: DataFrame, names: DataFrame) -> DataFrame:
    """Turn indices into names: the columns of recommendations but event_date, and because (item_id, weight) or null."""
    past = (
        listed.select("user_index", "rank", F.posexplode("because").alias("place", "one"))
        .selectExpr("user_index", "rank", "place", "one.item_index AS item_index", "one.weight AS weight")
        .join(F.broadcast(names), "item_index", how="inner")
    )
    said = F.sort_array(F.collect_list(F.struct("place", "item_id", "weight", "title")))
    reasons = past.groupBy("user_index", "rank").agg(said.alias("said"))
    words = F.expr(
        "transform(said, one -> concat(coalesce(concat(one.title, ' (', one.item_id, ')'), one.item_id), ' ', "
        "int(round(100 * one.weight)), '%'))"
    )
    return (
        listed.drop("because")
        .join(F.broadcast(names.select("item_index", "item_id")), "item_index", how="inner")
        .join(reasons, ["user_index", "rank"], how="left")
        .select(
            "user_id",
            "item_id",
            "score",
            "rank",
            F.when(F.col("said").isNull(), "popular")
            .otherwise(F.concat(F.lit("because of "), F.concat_ws(", ", words)))
            .alias("reason"),
            F.coalesce(
                F.transform(
                    "said", lambda entry: F.struct(entry["item_id"].alias("item_id"), entry["weight"].alias("weight"))
                ),
                F.array().cast("array<struct<item_id: string, weight: double>>"),
            ).alias("because"),
        )
    )


class Looks(NamedTuple):
    """What the lists of some users are like: diversity with and without re-ranking, reasons, recall of the index."""

    diversity: float
    by_score: float
    faithfulness: Faithfulness
    recall: float | None


def _looks(context: Context, users: DataFrame, retrieval: Retrieval) -> Looks:
    """Measure the lists of some users."""
    k, weight = context.config.recommend.k, context.config.recommend.diversity
    frame = users.orderBy("user_index").limit(LOOKED_AT).select("items", "seen").toPandas()
    model, discovery = load_recommender(retrieval.folder), context.config.prepare.task == "discovery"
    vectors = item_vectors(model).double().numpy()
    diversity = []
    for asked in (weight, 0.0):
        index, _ = best_of(frame, retrieval, k, discovery, asked)
        diversity.append(_diversity(index, vectors))
    first = torch.from_numpy(best_of(frame, retrieval, k, discovery, weight)[0][:, 0])
    with torch.no_grad():
        faith = faithfulness(model, history_tensor(frame), first, context.config.seed)
    recall = retrieval.recall(frame, k, discovery)
    return Looks(diversity[0], diversity[1], msgspec.convert(faith, Faithfulness), recall)


def _diversity(lists: NDArray[np.int64], vectors: NDArray[np.float64]) -> float:
    """Mean diversity of the lists of two items or more; 0 where there are none. lists: (users, k), 0 where one ends."""
    lengths = (lists > 0).sum(axis=1)
    by_length = [intra_list_diversity(vectors[lists[lengths == n, :n]]) for n in np.unique(lengths[lengths > 1])]
    return float(np.concatenate(by_length).mean()) if by_length else 0.0
