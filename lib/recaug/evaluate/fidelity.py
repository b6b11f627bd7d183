"""Do generated rows look like real ones, and is none a copy? Collapse and copies, as Spark aggregations."""

from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.results import Fidelity, Train
from recaug.training.validation import VALIDATION_NDCG

COUNTED = ("coverage", "entropy_ratio", "duplicates", "copies", "mean_fidelity", "rows", "histories")


def spread(items: DataFrame, *by: str) -> DataFrame:
    """Measure how rows spread over items, for each value of the columns `by`.

    items: item_index and the columns `by`. Gives those, rows, items (distinct) and entropy (Shannon's, in nats, of the
    items' shares of the rows; 0 without rows).
    """
    counts = items.groupBy(*by, "item_index").agg(F.count("*").alias("n"))
    rows, weighted = F.sum("n"), F.sum(F.col("n") * F.log("n"))
    return counts.groupBy(*by).agg(
        F.coalesce(rows, F.lit(0)).alias("rows"),
        F.count("*").alias("items"),
        F.coalesce(F.log(rows) - weighted / rows, F.lit(0.0)).alias("entropy"),
    )


def collapse(
    candidates: DataFrame, generators: Iterable[str], train_items: DataFrame, train: DataFrame
) -> dict[str, Fidelity]:
    """Measure each generator's candidates against the train window.

    Columns: `candidates` needs generator, item_index, user_id, parent_event_id, fidelity; `train_items` item_index, one
    row a real event; `train` user_index, items as arrays of item_index (array<int>), one row a user.
    Gives coverage (distinct generated over distinct real items), entropy_ratio, duplicates and copies (shares of the
    generated histories whose set of items is that of another generated, of a real history), mean_fidelity,
    rows, histories; all 0 for a generator without rows.
    """
    bags = (
        candidates.where(F.col("parent_event_id").isNull())
        .groupBy("generator", "user_id")
        .agg(F.sort_array(F.collect_set("item_index")).alias("bag"))
        .groupBy("generator", "bag")
        .agg(F.count("*").alias("n"))
    )
    real_bags = train.select(F.sort_array(F.array_distinct("items")).alias("bag"), F.lit(True).alias("real")).distinct()
    n = F.col("n")
    alike = (
        bags.join(real_bags, "bag", how="left")
        .groupBy("generator")
        .agg(
            F.sum(n).alias("histories"),
            (F.sum(F.when(n > 1, n).otherwise(0)) / F.sum(n)).alias("duplicates"),
            (F.sum(F.when(F.col("real"), n).otherwise(0)) / F.sum(n)).alias("copies"),
        )
    )
    real = F.broadcast(spread(train_items).select(F.col("items").alias("real_items"), F.col("entropy").alias("real")))
    measured = (
        spread(candidates, "generator")
        .join(candidates.groupBy("generator").agg(F.avg("fidelity").alias("mean_fidelity")), "generator", how="inner")
        .join(alike, "generator", how="left")
        .crossJoin(real)
        .withColumn("coverage", F.col("items") / F.greatest("real_items", F.lit(1)))
        .withColumn("entropy_ratio", F.col("entropy") / F.greatest("real", F.lit(1e-9)))
        .select("generator", *(F.coalesce(name, F.lit(0)).alias(name) for name in COUNTED))
    )
    rows = {row["generator"]: row.asDict() for row in measured.collect()}
    none: dict[str, Any] = dict.fromkeys(COUNTED, 0)
    return {name: Fidelity(**{key: rows.get(name, none)[key] for key in COUNTED}) for name in generators}


def ranking(trained: Train, generators: Sequence[str]) -> float | None:
    """Ranking of held-out validation users by the worst of the generators, over that of the counts.

    None where none of them was trained.
    """
    shares = []
    for generator in generators:
        if folds := [model for model in trained.folds_of(generator) if VALIDATION_NDCG in model.kept]:
            own = sum(model.kept[VALIDATION_NDCG] for model in folds)
            shares.append(own / max(sum(model.counts_ndcg or 0.0 for model in folds), 1e-9))
    return min(shares, default=None)
