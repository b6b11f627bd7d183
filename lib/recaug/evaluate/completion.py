"""How well the catalogue's hidden values are predicted: by attribute, by way, and how sure the VAE may be."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch import Tensor

from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.results import Predicted, Reliability, Score
from recaug.training.attributes import Known, score
from recaug.training.models.item_fields import Seen, split

BINS = 10  # of the probabilities, equally wide
Z = 1.96  # of a 95 % interval of a mean
IMPUTED_ITEMS, IMPUTED_COLUMNS = 5000, 100  # above, scikit-learn's imputer would take hours


def summary(measured: DataFrame) -> dict[str, Predicted]:
    """Add up what augment.attributes.measure gives, by attribute."""
    rows = measured.where(~F.isnan("value") & F.col("value").isNotNull()).groupBy("attribute", "way")
    spread = F.coalesce(F.stddev("value"), F.lit(0.0)) / F.sqrt(F.count("*"))
    means = rows.agg(
        F.avg("value").alias("mean"),
        spread.alias("error"),
        F.count("*").alias("n"),
        F.avg(F.when(~F.isnan("covered"), F.col("covered"))).alias("covered"),
    )
    collected = means.orderBy("attribute", "way").collect()
    coverage = {row["attribute"]: row["covered"] for row in collected if row["covered"] is not None}  # of numbers
    ways: dict[str, dict[str, Score]] = {}
    for row in collected:
        score_of_way = _score(row["mean"], row["error"], row["n"], row["attribute"] not in coverage)
        ways.setdefault(row["attribute"], {})[row["way"]] = score_of_way
    bins = _bins(measured)
    return {
        attribute: Predicted(
            ways=of_attribute,
            calibration_error=_calibration_error(bins.get(attribute, [])),
            reliability=bins.get(attribute, []),
            coverage=coverage.get(attribute),
        )
        for attribute, of_attribute in ways.items()
    }


def _bins(measured: DataFrame) -> dict[str, list[Reliability]]:
    """The proposals of each attribute in BINS by their probability."""
    proposals = measured.where(F.col("probabilities").isNotNull()).select(
        "attribute", F.explode(F.arrays_zip("probabilities", "right")).alias("proposal")
    )
    place = F.least(F.floor(F.col("proposal")["probabilities"] * BINS), F.lit(BINS - 1))
    bins = proposals.groupBy("attribute", place.alias("bin")).agg(
        F.avg(F.col("proposal")["probabilities"]).alias("probability"),
        F.avg(F.col("proposal")["right"].cast("double")).alias("right"),
        F.count("*").alias("n"),
    )
    by_attribute: dict[str, list[Reliability]] = {}
    for row in bins.orderBy("attribute", "bin").collect():
        of_bin = Reliability(probability=row["probability"], right=row["right"], n=row["n"])
        by_attribute.setdefault(row["attribute"], []).append(of_bin)
    return by_attribute


def _calibration_error(bins: Sequence[Reliability]) -> float | None:
    """See Predicted; None without proposals."""
    total = sum(of_bin.n for of_bin in bins)
    return sum(of_bin.n * abs(of_bin.probability - of_bin.right) for of_bin in bins) / total if total else None


def imputed(rows: Known, layout: Sequence[Field]) -> dict[str, Score]:
    """How well scikit-learn's IterativeImputer predicts the test's values, by attribute.

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
            results[field.name] = _score(value.mean(), error, len(value), field.coded)
    return results


def _columns(field: Field, part: Tensor) -> Tensor:
    """A field as columns of numbers, NaN where it is missing."""
    if not field.coded:
        return part
    ones = torch.zeros(len(part), field.size + 2).scatter_(1, part, 1.0)[:, 1 : field.size + 1]
    return ones.masked_fill((part == 0).all(dim=1, keepdim=True), torch.nan)


def _score(mean: float, error: float, n: int, share: bool) -> Score:
    """Of a mean that is 0 or more and, as a share, 1 or less."""
    high = min(float(mean + Z * error), 1.0) if share else float(mean + Z * error)
    return Score(mean=float(mean), low=max(float(mean - Z * error), 0.0), high=high, n=n)
