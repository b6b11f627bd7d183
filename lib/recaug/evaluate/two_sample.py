"""Can a classifier tell generated steps from real ones? The classifier two-sample test (Lopez-Paz and Oquab 2017)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recaug.clickstream.sequences import numbers

REAL = "real"
STEPS = 10_000  # of each arm, and real ones, that the classifier sees at most
STEP = ("user_index", "fold", "item_index", "next_index")
FEATURES = ("item_popularity", "next_popularity", "forward", "backward", "same")


def told_apart(
    candidates: DataFrame, train: DataFrame, covisitation: DataFrame, vocabulary: pd.DataFrame, seed: int
) -> dict[str, float]:
    """Area under the ROC curve of a classifier that tells each arm's steps from real ones: .5 cannot, 1 always can.

    A step is an item and the one after it: of two real events in a row, of a real event and its continuation, of two
    events of a generated history. The classifier (gradient-boosted trees) sees the logarithms of both items'
    popularity, what users of the other folds had of them together in either direction, and whether they are the same;
    it learns on one half of the users and is asked about the other half.
    Columns: `candidates` arm, item_index, event_id, user_id, source_users, parent_event_id, event_time; `train`
    sequences' train split; `covisitation` as the table; `vocabulary` item_index and events. Gives arm -> area; an arm
    with too few steps or with users in one half only is left out.
    """
    steps = real_steps(train).unionByName(generated_steps(candidates, train)).persist()
    try:
        n = {row["series"]: row["count"] for row in steps.groupBy("series").count().collect()}
        shares = F.create_map(*(F.lit(value) for name in n for value in (name, min(1.0, STEPS / n[name]))))
        drawn = F.pmod(F.xxhash64("unit"), F.lit(1 << 20)) < shares[F.col("series")] * (1 << 20)
        sampled = steps.where(drawn).orderBy("series", "unit").toPandas() if n else pd.DataFrame()
    finally:
        steps.unpersist()
    if REAL not in n:
        return {}
    features = _features(sampled, covisitation, vocabulary)
    half, real = sampled["user_index"].to_numpy() % 2 == 0, (sampled["series"] == REAL).to_numpy()
    areas = {}
    for arm in sorted(set(n) - {REAL}):
        used = real | (sampled["series"] == arm).to_numpy()
        learnt, asked = used & half, used & ~half
        if all(len(set(real[part])) == 2 for part in (learnt, asked)):
            areas[arm] = area(features[learnt], ~real[learnt], features[asked], ~real[asked], seed)
    return areas


def real_steps(train: DataFrame) -> DataFrame:
    """Two events in a row of a window: series, unit (who it is), user_index, fold, item_index, next_index."""
    places = placed_events(train)
    following = F.lead("item_index").over(Window.partitionBy("user_index", "window").orderBy("place"))
    steps = places.withColumn("next_index", following).where(F.col("next_index").isNotNull())
    return steps.select(F.lit(REAL).alias("series"), F.col("event_id").alias("unit"), *STEP)


def generated_steps(candidates: DataFrame, train: DataFrame) -> DataFrame:
    """The same of the candidates; a history's user and fold are those of its first source user."""
    own = F.col("item_index").alias("next_index")
    events = placed_events(train).where("window = 0 OR place > 0")  # windows overlap by their first event
    parents = events.withColumnRenamed("event_id", "parent_event_id")
    following = candidates.where(F.col("parent_event_id").isNotNull()).select("arm", "event_id", "parent_event_id", own)
    continued = following.join(parents, "parent_event_id", how="inner")
    users = train.select("user_id", "user_index", "fold").distinct()
    order = Window.partitionBy("arm", "user_id").orderBy("event_time", "event_id")
    histories = (
        candidates.where(F.col("parent_event_id").isNull())
        .withColumn("next_index", F.lead("item_index").over(order))
        .where(F.col("next_index").isNotNull())
        .select("arm", "event_id", "item_index", "next_index", F.col("source_users")[0].alias("user_id"))
        .join(users, "user_id", how="inner")
    )
    kept = [F.col("arm").alias("series"), F.col("event_id").alias("unit"), *map(F.col, STEP)]
    return continued.select(*kept).unionByName(histories.select(*kept))


def placed_events(train: DataFrame) -> DataFrame:
    """One row an event of each window: user_index, fold, window, place, event_id, item_index."""
    rows = train.select(
        "user_index", "fold", "window", "length", "event_ids", numbers("items", "<i4", "int").alias("i")
    )
    zipped = F.arrays_zip("event_ids", F.slice("i", 1, F.col("length")).alias("i"))
    placed = rows.select("user_index", "fold", "window", F.posexplode(zipped).alias("place", "event"))
    event = (F.col("event.event_ids").alias("event_id"), F.col("event.i").alias("item_index"))
    return placed.select("user_index", "fold", "window", "place", *event)


def _features(steps: pd.DataFrame, covisitation: DataFrame, vocabulary: pd.DataFrame) -> NDArray[np.float64]:
    """(steps, FEATURES)."""
    log_events = pd.Series(np.log1p(vocabulary["events"].to_numpy(dtype=float)), index=vocabulary["item_index"])
    columns = {
        "item_popularity": steps["item_index"].map(log_events),
        "next_popularity": steps["next_index"].map(log_events),
        "same": (steps["item_index"] == steps["next_index"]).astype(float),
    }
    pairs = steps[["item_index", "next_index"]].drop_duplicates()
    both = pd.concat([pairs, pairs.rename(columns={"item_index": "next_index", "next_index": "item_index"})])
    asked = covisitation.sparkSession.createDataFrame(both.drop_duplicates().astype("int64"))
    named = covisitation.withColumnRenamed("other_index", "next_index")
    counted = named.join(F.broadcast(asked), ["item_index", "next_index"], how="inner").toPandas()
    for name, (first, second) in {
        "forward": ("item_index", "next_index"),
        "backward": ("next_index", "item_index"),
    }.items():
        key = [steps[first].to_numpy(), steps[second].to_numpy()]
        total = counted.groupby(["item_index", "next_index"])["weight"].sum()
        own = counted.set_index(["item_index", "next_index", "fold"])["weight"]
        of_all = total.reindex(pd.MultiIndex.from_arrays(key)).fillna(0.0).to_numpy()
        of_own = own.reindex(pd.MultiIndex.from_arrays([*key, steps["fold"].to_numpy()])).fillna(0.0).to_numpy()
        columns[name] = np.log1p(np.round(of_all - of_own, 6).clip(min=0.0))
    return np.stack([np.asarray(columns[name], dtype=np.float64) for name in FEATURES], axis=1)


def area(
    learnt: NDArray[np.float64],
    made: NDArray[np.bool_],
    asked: NDArray[np.float64],
    truth: NDArray[np.bool_],
    seed: int,
) -> float:
    """Area under the ROC curve of boosted trees that learn which rows are made, and are asked about others.

    learnt, asked: (rows, features); made, truth: (rows,).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, for it takes a second to import
    from sklearn.metrics import roc_auc_score

    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False).fit(learnt, made)
    return float(roc_auc_score(truth, model.predict_proba(asked)[:, 1]))
