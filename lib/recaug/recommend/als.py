"""Collaborative filtering: Spark's implicit ALS, with any history folded in."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class FactorModel:
    """Items' factors; a user is the solution of one ALS step for the history (Hu, Koren and Volinsky 2008, eq. 4).

    factors: (n_items + 1, rank) float32, 0 at padding and for items that the factorisation has not seen.
    """

    factors: NDArray[np.float32]
    regularisation: float
    alpha: float

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """items: (batch, length) int64 left-aligned. Returns (batch, n_items + 1); an empty history scores all 0."""
        factors = torch.from_numpy(self.factors)
        own = factors[items]  # (batch, length, rank)
        lengths = (items > 0).sum(dim=1)
        rank = factors.shape[1]
        # Spark scales the regularisation by the number of the user's events (Zhou et al. 2008)
        ridge = (self.regularisation * lengths.clamp(min=1))[:, None, None] * torch.eye(rank)
        left = factors.T @ factors + self.alpha * own.transpose(1, 2) @ own + ridge
        right = (1 + self.alpha) * own.sum(dim=1)
        return torch.linalg.solve(left, right) @ factors.T


def fit_als(
    train: DataFrame, n_items: int, *, rank: int, iterations: int, regularisation: float, alpha: float, seed: int
) -> FactorModel:
    """Factorise the counts of (user, item).

    train: user_index and item_index, a row an event.
    """
    counts = train.groupBy("user_index", "item_index").agg(F.count("*").cast("float").alias("events"))
    model = ALS(
        rank=rank,
        maxIter=iterations,
        regParam=regularisation,
        alpha=alpha,
        implicitPrefs=True,
        userCol="user_index",
        itemCol="item_index",
        ratingCol="events",
        seed=seed,
    ).fit(counts)
    rows = model.itemFactors.toPandas()
    factors = np.zeros((n_items + 1, rank), dtype=np.float32)
    factors[rows["id"]] = np.stack(rows["features"].to_list())
    return FactorModel(factors, regularisation, alpha)
