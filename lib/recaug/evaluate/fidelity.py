"""Do generated rows look like real ones, and is none a copy? Collapse and copies, as Spark aggregations."""

from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


class Spread(NamedTuple):
    """How rows spread over items: rows, distinct items, and Shannon's entropy in nats of the items' shares."""

    rows: int
    items: int
    entropy: float


def spread(items: DataFrame) -> Spread:
    """Measure how rows (item_index) spread over items; the entropy of no rows is 0."""
    counts = items.groupBy("item_index").agg(F.count("*").alias("n"))
    rows, found, weighted = counts.agg(F.sum("n"), F.count("*"), F.sum(F.col("n") * F.log("n"))).first()  # type: ignore[misc]
    return Spread(rows or 0, found, float(np.log(rows) - weighted / rows) if rows else 0.0)


def collapse(candidates: DataFrame, train_items: DataFrame, train: DataFrame) -> dict[str, float]:
    """Measure one generator's candidates against the train window.

    Columns: `candidates` needs item_index, user_id, parent_event_id, fidelity; `train_items` item_index, one row a
    real event; `train` user_index, items as arrays of item_index (array<int>), one row a user.
    Gives coverage (distinct generated over distinct real items), entropy_ratio, duplicates and copies (shares of the
    generated histories whose set of items is that of another generated, of a real history), mean_fidelity,
    rows, histories.
    """
    generated = spread(candidates)
    if not generated.rows:
        return dict.fromkeys(("coverage", "entropy_ratio", "duplicates", "copies", "mean_fidelity"), 0.0) | {
            "rows": 0,
            "histories": 0,
        }
    real = spread(train_items)
    bags = (
        candidates.where(F.col("parent_event_id").isNull())
        .groupBy("user_id")
        .agg(F.sort_array(F.collect_set("item_index")).alias("bag"))
        .groupBy("bag")
        .agg(F.count("*").alias("n"))
    )
    real_bags = train.select(F.sort_array(F.array_distinct("items")).alias("bag"), F.lit(True).alias("real")).distinct()
    n = F.col("n")
    histories, alike, copied = (
        bags.join(real_bags, "bag", how="left")
        .agg(F.sum(n), F.sum(F.when(n > 1, n)), F.sum(F.when(F.col("real"), n)))
        .first()  # type: ignore[misc]
    )
    return {
        "coverage": generated.items / max(real.items, 1),
        "entropy_ratio": generated.entropy / max(real.entropy, 1e-9),
        "duplicates": (alike or 0) / max(histories or 0, 1),
        "copies": (copied or 0) / max(histories or 0, 1),
        "mean_fidelity": float(candidates.agg(F.avg("fidelity")).first()[0]),  # type: ignore[index]
        "rows": generated.rows,
        "histories": histories or 0,
    }
