"""Do generated rows look like real ones, and is none a copy? Collapse and copies, as Spark aggregations."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def entropy(items: DataFrame) -> float:
    """Shannon entropy in nats of how often each item_index occurs; 0 without rows."""
    counts = items.groupBy("item_index").agg(F.count("*").alias("n"))
    share = F.col("n") / F.lit(items.count() or 1)
    return float(counts.agg(F.sum(-share * F.log(share))).first()[0] or 0.0)  # type: ignore[index]


def collapse(candidates: DataFrame, train_items: DataFrame, train: DataFrame) -> dict[str, float]:
    """Measure one generator's candidates against the train window.

    Columns: `candidates` needs item_index, user_id, parent_event_id, fidelity; `train_items` item_index, one row a
    real event; `train` user_index, items as arrays of item_index (array<int>), one row a user.
    Gives coverage (distinct generated over distinct real items), entropy_ratio, duplicates and copies (shares of the
    generated histories whose set of items is that of another generated, of a real history), mean_fidelity,
    rows, histories.
    """
    rows = candidates.count()
    if not rows:
        return dict.fromkeys(("coverage", "entropy_ratio", "duplicates", "copies", "mean_fidelity"), 0.0) | {
            "rows": 0,
            "histories": 0,
        }
    totals = candidates.agg(F.countDistinct("item_index"), F.avg("fidelity")).first()
    real_items = train_items.select("item_index").distinct().count()
    bags = (
        candidates.where(F.col("parent_event_id").isNull())
        .groupBy("user_id")
        .agg(F.sort_array(F.collect_set("item_index")).alias("bag"))
    )
    real_bags = train.select(F.sort_array(F.array_distinct("items")).alias("bag")).distinct()
    histories = bags.count()
    alike = bags.groupBy("bag").count().where("count > 1").agg(F.sum("count")).first()
    copied = bags.join(real_bags, "bag", how="left_semi").count()
    return {
        "coverage": totals[0] / max(real_items, 1),  # type: ignore[index]
        "entropy_ratio": entropy(candidates) / max(entropy(train_items), 1e-9),
        "duplicates": (alike[0] or 0) / max(histories, 1),  # type: ignore[index]
        "copies": copied / max(histories, 1),
        "mean_fidelity": float(totals[1]),  # type: ignore[index]
        "rows": rows,
        "histories": histories,
    }
