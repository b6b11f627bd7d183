"""How well the catalogue's values are told that nobody showed: by attribute, by way, and how sure the VAE may be."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch import Tensor

from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.training.attributes import Known, found
from recaug.training.models.item_fields import Seen, split

BINS = 10  # of the probabilities, equally wide
Z = 1.96  # of a 95 % interval of a mean
IMPUTED_ITEMS, IMPUTED_COLUMNS = 5000, 100  # above, scikit-learn's imputer would take hours


def summary(measured: DataFrame) -> dict[str, dict[str, Any]]:
    """Add up what augment.attributes.measure gives.

    Returns attribute -> `ways` (way -> mean, low, high, n: accuracy, recall@5 or, of a number, the mean distance in
    normal deviates), of the VAE `calibration_error` (expected calibration error of its proposals, Guo et al. 2017: the
    mean over the proposals of the distance between a bin's mean probability and its share of right ones), `reliability`
    (its bins: probability, right, n) or, of a number, `coverage` (of its 90 % interval).
    """
    rows = measured.where(~F.isnan("value") & F.col("value").isNotNull()).groupBy("attribute", "way")
    told: dict[str, dict[str, Any]] = {}
    spread = F.coalesce(F.stddev("value"), F.lit(0.0)) / F.sqrt(F.count("*"))
    means = rows.agg(
        F.avg("value").alias("mean"),
        spread.alias("error"),
        F.count("*").alias("n"),
        F.avg(F.when(~F.isnan("covered"), F.col("covered"))).alias("covered"),
    )
    collected = means.orderBy("attribute", "way").collect()
    numbers = {row["attribute"] for row in collected if row["covered"] is not None}
    for row in collected:
        one = told.setdefault(row["attribute"], {"ways": {}})
        one["ways"][row["way"]] = _interval(row["mean"], row["error"], row["n"], row["attribute"] not in numbers)
        if row["covered"] is not None:
            one["coverage"] = row["covered"]
    proposals = measured.where(F.col("probabilities").isNotNull()).select(
        "attribute", F.explode(F.arrays_zip("probabilities", "right")).alias("one")
    )
    place = F.least(F.floor(F.col("one")["probabilities"] * BINS), F.lit(BINS - 1))
    bins = proposals.groupBy("attribute", place.alias("bin")).agg(
        F.avg(F.col("one")["probabilities"]).alias("probability"),
        F.avg(F.col("one")["right"].cast("double")).alias("right"),
        F.count("*").alias("n"),
    )
    for row in bins.orderBy("attribute", "bin").collect():
        part = {name: row[name] for name in ("probability", "right", "n")}
        told[row["attribute"]].setdefault("reliability", []).append(part)
    for one in told.values():
        if "reliability" in one:
            total = sum(part["n"] for part in one["reliability"])
            off = sum(part["n"] * abs(part["probability"] - part["right"]) for part in one["reliability"])
            one["calibration_error"] = off / total
    return told


def imputed(rows: Known, layout: Sequence[Field]) -> dict[str, dict[str, float]]:
    """What scikit-learn's IterativeImputer tells of the test's values: attribute -> mean, low, high, n.

    Each value of an attribute is a column, text is left out. The values of the attribute that is asked for are imputed
    one after the other without their siblings: these are missing together and add up to one, so that each would be told
    by nothing but the others' means. Nothing where the catalogue is large.
    """
    from sklearn.exceptions import ConvergenceWarning  # here, for they take a second to import
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    used = [one for one in layout if one.kind != "text"]
    if len(rows.items) > IMPUTED_ITEMS or sum(one.size if one.coded else one.width for one in used) > IMPUTED_COLUMNS:
        return {}
    seen, whole = split(layout, rows.without(layout, (VALIDATION, TEST))), split(layout, Seen(*rows[:3]))
    columns = {one.name: _columns(one, part) for one, part in zip(layout, seen, strict=True) if one in used}
    results = {}
    for one in used:
        place = list(layout).index(one)
        asked = rows.parts[:, place] == TEST
        if not one.completed or not bool(asked.any()):
            continue
        others = [part for name, part in columns.items() if name != one.name]
        told = []
        for column in columns[one.name].unbind(dim=1):
            matrix = torch.cat([*others, column[:, None]], dim=1).double().numpy()
            with warnings.catch_warnings():  # ten rounds, its default, are what it is compared with
                warnings.simplefilter("ignore", ConvergenceWarning)
                filled = IterativeImputer(random_state=0, keep_empty_features=True).fit_transform(matrix)
            told.append(torch.from_numpy(filled[:, -1]))
        padded = torch.stack([torch.full_like(told[0], -torch.inf)] * one.coded + told, dim=1)
        value = found(one, padded, whole[place])[asked].double().numpy()
        value = value[~np.isnan(value)]
        if len(value):
            error = value.std(ddof=min(1, len(value) - 1)) / len(value) ** 0.5
            results[one.name] = _interval(value.mean(), error, len(value), one.coded)
    return results


def _columns(one: Field, part: Tensor) -> Tensor:
    """A field as columns of numbers, NaN where it is missing."""
    if not one.coded:
        return part
    ones = torch.zeros(len(part), one.size + 2).scatter_(1, part, 1.0)[:, 1 : one.size + 1]
    return ones.masked_fill((part == 0).all(dim=1, keepdim=True), torch.nan)


def _interval(mean: float, error: float, n: int, share: bool) -> dict[str, float]:
    """Of a mean that is 0 or more and, as a share, 1 or less."""
    high = min(float(mean + Z * error), 1.0) if share else float(mean + Z * error)
    return {"mean": float(mean), "low": max(float(mean - Z * error), 0.0), "high": high, "n": n}
