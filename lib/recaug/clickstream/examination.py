"""How probably a place of a list is looked at, by the clicks on items that were shown at several places."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

PAIRS = 200_000  # of query and item, whose clicks are counted in the driver: for some fifty numbers enough
ROUNDS = 500
CLOSE = 1e-6  # a change of all numbers below it ends the rounds


def examination(events: DataFrame, ranks: int, prior_clicks: float) -> list[float]:
    """Fit the position-based model (Chuklin et al. 2015): P(click) = P(rank is looked at) P(item is relevant).

    events: query_id, item_id, rank, action; rows without a rank do not count, and ranks beyond `ranks` count as it.
    Returns the probability for each rank from 1, relative to the first; [] where no row has a rank.
    What a pair of query and item is worth is left out of the account: of its clicks only where they fell counts, among
    the places at which it was shown (Agarwal et al. 2019), so that few showings a pair, of which expectation and
    maximisation over all pairs makes too much, do no harm. See chances.
    """
    counts = (
        events.where("rank IS NOT NULL")
        .groupBy("query_id", "item_id", F.least("rank", F.lit(ranks)).alias("rank"))
        .agg(F.count("*").alias("shown"), F.count_if(F.col("action") != "shown").alias("clicks"))
    )
    last = counts.agg(F.max("rank")).first()
    if last is None or last[0] is None:
        return []
    pairs = counts.groupBy("query_id", "item_id").agg(
        F.sum("clicks").alias("all_clicks"), F.collect_list(F.struct("rank", "shown", "clicks")).alias("places")
    )
    telling = pairs.where("all_clicks > 0 AND size(places) > 1")
    chosen = telling.orderBy(F.xxhash64("query_id", "item_id")).limit(PAIRS).select("query_id", "item_id", "places")
    frame = chosen.withColumn("place", F.explode("places")).select("query_id", "item_id", "place.*").toPandas()
    row = frame.groupby(["query_id", "item_id"], sort=False).ngroup().to_numpy()
    size = (int(row.max()) + 1 if len(row) else 0, int(last[0]))
    cells = (row, frame["rank"].to_numpy(dtype=np.int64) - 1)
    shown = csr_matrix((frame["shown"].to_numpy(dtype=np.float64), cells), shape=size)
    clicks = csr_matrix((frame["clicks"].to_numpy(dtype=np.float64), cells), shape=size)
    return [float(chance) for chance in chances(shown, clicks, prior_clicks)]


def chances(shown: csr_matrix, clicks: csr_matrix, prior_clicks: float) -> NDArray[np.float64]:
    """Find the chances t of the places under which the clicks of each pair fall where they fell.

    shown, clicks: (pairs, ranks) counts. Of the C clicks of a pair, rank k gets n_k t_k / sum n t: t is the fixed point
    of t_k = clicks_k / sum over pairs of C n_k / (n . t), found by minorisation and maximisation (Hunter 2004).
    prior_clicks: so many more clicks at each place, which fall as if t_k were 1 / k; a place at which nobody was shown
    a pair that is known elsewhere is 1 / k. Returns (ranks,), the first is 1 and none is above it.
    """
    prior = 1 / np.arange(1, shown.shape[1] + 1)
    of_pair, of_rank = np.asarray(clicks.sum(axis=1)).ravel(), np.asarray(clicks.sum(axis=0)).ravel()
    there = prior.copy()
    for _ in range(ROUNDS):
        expected = np.asarray(shown.T @ (of_pair / np.maximum(shown @ there, 1e-12))).ravel()
        after = (of_rank + prior_clicks) / (expected + prior_clicks / prior)
        after = after / after[0]
        done = np.abs(after - there).max() < CLOSE
        there = after
        if done:
            break
    return np.minimum(there, 1.0)
