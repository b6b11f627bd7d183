"""List the best items for every user, with the recommender that the gate found better."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import functions as F

from recaug.errors import ContractError
from recaug.evaluate.arms import NONE
from recaug.lake import runs
from recaug.night.context import Context, StageResult
from recaug.recommend.deep import Trained
from recaug.recommend.scoring import lists
from recaug.training.checkpoint import load_recommender


def run(context: Context) -> StageResult:
    """Replace the date's partition of recommendations: rank 1 to k for every user with an event up to the date.

    Raises ContractError if the evaluate stage of this night has not run.
    """
    config, lake = context.config, context.lake
    judged = runs.find(lake, context.date, "evaluate")
    if judged is None:
        raise ContractError(f"the evaluate stage of {context.date} has not run; run it before recommend")
    arm = judged.metrics["chosen"] if judged.decision == "publish" else NONE
    folder = judged.metrics["models"][f"{arm}-seed0"]
    embedding = load_recommender(folder).items.weight.detach().numpy()
    users = lake.read("sequences").where("split = 'serve'")
    listed = lists(users, Trained(folder), config.recommend.k, config.prepare.task == "discovery")
    titled = lake.read("vocabulary").join(lake.read("items").select("item_id", "title"), "item_id", how="left")
    titles = titled.select("item_index", "item_id", "title").persist()
    because = _nearest(embedding)
    rows = (
        listed.join(users.select("user_index", "items"), "user_index", how="inner")
        .withColumn("because", because("items", "top"))
        .select("user_id", F.posexplode(F.arrays_zip("top", "scores", "because")).alias("place", "one"))
        .selectExpr("user_id", "place + 1 AS rank", "one.top AS item_index", "one.scores AS score", "one.because")
        .where("item_index > 0")
        .join(F.broadcast(titles.select("item_index", "item_id")), "item_index", how="inner")
        .join(
            F.broadcast(titles.select(F.col("item_index").alias("because"), "title", F.col("item_id").alias("of"))),
            "because",
            how="left",
        )
    )
    ranked = rows.selectExpr(
        "user_id",
        "item_id",
        "double(score) AS score",
        "rank",
        "coalesce(concat('like ', coalesce(title, 'item'), ' (', of, ') in the history'), 'popular') AS reason",
        f"DATE'{context.date.isoformat()}' AS event_date",
    )
    try:
        commit = lake.replace(ranked, "recommendations", {"event_date": context.date}, context.run_id)
    finally:
        titles.unpersist()
    return StageResult({"recommendations": commit.rows, "arm": arm, "model": folder}, commit.content_hash)


def _nearest(embedding: NDArray[np.float32]):  # type: ignore[no-untyped-def]
    """For each listed item the history's item of the closest embedding (cosine); 0 for an empty history."""
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-9)

    def nearest(items: bytes, top: NDArray[np.int32]) -> NDArray[np.int32]:
        history = np.frombuffer(items, dtype="<i4")
        history = history[history > 0]
        if not len(history):
            return np.zeros(len(top), dtype=np.int32)
        return history[(unit[top] @ unit[history].T).argmax(axis=1)]

    @F.pandas_udf("array<int>")  # type: ignore[call-overload]
    def because(items: pd.Series, top: pd.Series) -> pd.Series:
        return pd.Series([nearest(*pair) for pair in zip(items, top, strict=True)])

    return because
