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
from recaug.training.attributes import Known, score
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
    evidence: dict[str, dict[str, Any]] = {}
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
        entry = evidence.setdefault(row["attribute"], {"ways": {}})
        entry["ways"][row["way"]] = _interval(row["mean"], row["error"], row["n"], row["attribute"] not in numbers)
        if row["covered"] is not None:
            entry["coverage"] = row["covered"]
    proposals = measured.where(F.col("probabilities").isNotNull()).select(
        "attribute", F.explode(F.arrays_zip("probabilities", "right")).alias("proposal")
    )
    place = F.least(F.floor(F.col("proposal")["probabilities"] * BINS), F.lit(BINS - 1))
    bins = proposals.groupBy("attribute", place.alias("bin")).agg(
        F.avg(F.col("proposal")["probabilities"]).alias("probability"),
        F.avg(F.col("proposal")["right"].cast("double")).alias("right"),
        F.count("*").alias("n"),
    )
    for row in bins.orderBy("attribute", "bin").collect():
        part = {name: row[name] for name in ("probability", "right", "n")}
        evidence[row["attribute"]].setdefault("reliability", []).append(part)
    for entry in evidence.values():
        if "reliability" in entry:
            total = sum(part["n"] for part in entry["reliability"])
            off = sum(part["n"] * abs(part["probability"] - part["right"]) for part in entry["reliability"])
            entry["calibration_error"] = off / total
    return evidence


def imputed(rows: Known, layout: Sequence[Field]) -> dict[str, dict[str, float]]:
    """What scikit-learn's IterativeImputer tells of the test's values: attribute -> mean, low, high, n.

    Each value of an attribute is a column, text is left out. The values of the attribute that is asked for are imputed
    one after the other without their siblings: these are missing together and add up to one, so that each would be told
    by nothing but the others' means. Nothing where the catalogue is large.
    """
    from sklearn.exceptions import ConvergenceWarning  # here, for they take a second to import
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    used = [field for field in layout if field.kind != "text"]
    n_columns = sum(field.size if field.coded else field.width for field in used)
    if len(rows.items) > IMPUTED_ITEMS or n_columns > IMPUTED_COLUMNS:
        return {}
    seen, whole = split(layout, rows.without(layout, (VALIDATION, TEST))), split(layout, Seen(*rows[:3]))
    columns = {field.name: _columns(field, part) for field, part in zip(layout, seen, strict=True) if field in used}
    results = {}
    for field in used:
        place = list(layout).index(field)
        asked = rows.parts[:, place] == TEST
        if not field.completed or not bool(asked.any()):
            continue
        others = [part for name, part in columns.items() if name != field.name]
        imputed_columns = []
        for column in columns[field.name].unbind(dim=1):
            matrix = torch.cat([*others, column[:, None]], dim=1).double().numpy()
            with warnings.catch_warnings():  # ten rounds, its default, are what it is compared with
                warnings.simplefilter("ignore", ConvergenceWarning)
                filled = IterativeImputer(random_state=0, keep_empty_features=True).fit_transform(matrix)
            imputed_columns.append(torch.from_numpy(filled[:, -1]))
        padded = torch.stack([torch.full_like(imputed_columns[0], -torch.inf)] * field.coded + imputed_columns, dim=1)
        value = score(field, padded, whole[place])[asked].double().numpy()
        value = value[~np.isnan(value)]
        if len(value):
            error = value.std(ddof=min(1, len(value) - 1)) / len(value) ** 0.5
            results[field.name] = _interval(value.mean(), error, len(value), field.coded)
    return results


def _columns(field: Field, part: Tensor) -> Tensor:
    """A field as columns of numbers, NaN where it is missing."""
    if not field.coded:
        return part
    ones = torch.zeros(len(part), field.size + 2).scatter_(1, part, 1.0)[:, 1 : field.size + 1]
    return ones.masked_fill((part == 0).all(dim=1, keepdim=True), torch.nan)


def _interval(mean: float, error: float, n: int, share: bool) -> dict[str, float]:
    """Of a mean that is 0 or more and, as a share, 1 or less."""
    high = min(float(mean + Z * error), 1.0) if share else float(mean + Z * error)
    return {"mean": float(mean), "low": max(float(mean - Z * error), 0.0), "high": high, "n": n}
