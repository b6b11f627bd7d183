"""What the catalogue, completed or not, tells a night's recommenders and generators of the items."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from recaug.clickstream.terms import item_terms, item_vectors, latent_matrix, with_completed
from recaug.errors import ContractError
from recaug.lake.runs import RunRecord
from recaug.night.context import Context

WITH = {"completed": "with completed attributes", "latents": "with latents"}  # what a completion may have proved


def item_features_of(context: Context) -> NDArray[np.float32] | None:
    """What enters the recommender's item embedding: (n_items + 1, f), or None where sasrec.item_features is 0.

    What sasrec.item_features_from says, but `completed` and `latents` only where the completion's gate found that they
    help; else the catalogue as it is, or nothing. Raises ContractError where the completion has not run, or is of a
    later day than the night.
    """
    sasrec = context.config.sasrec
    if not sasrec.item_features:
        return None
    source = sasrec.item_features_from
    if source != "catalogue":
        of_completion(context, "completed_attributes" if source == "completed" else "item_latents")
        if not _helps(context, "sasrec", WITH[source]):
            if source == "latents":
                return None
            source = "catalogue"
    return item_embedding_features(context, source)


def item_embedding_features(
    context: Context, source: Literal["catalogue", "completed", "latents"]
) -> NDArray[np.float32]:
    """What `source` says of the items in sasrec.item_features numbers, then the normal numbers of item_features.

    Returns (n_items + 1, f), 0 where a number is missing. Raises ContractError where the completion has not run that
    `completed` and `latents` ask for.
    """
    lake = context.lake
    vocabulary = lake.read("vocabulary")
    if source == "latents":
        matrix = latent_matrix(lake.read("item_latents"), vocabulary)
    else:
        items = lake.read("items")
        if source == "completed":
            items = with_completed(items, lake.read("completed_attributes"))
        matrix = item_terms(items, vocabulary)
    terms = item_vectors(matrix, context.config.sasrec.item_features)
    rows = lake.read("item_features").toPandas()
    names = sorted(name for name in rows.columns if name.startswith("z_"))
    numbers = np.zeros((len(terms), len(names)), dtype=np.float32)
    numbers[rows["item_index"]] = rows[names].fillna(0.0)
    return np.concatenate([terms, numbers], axis=1)


def content_items(context: Context) -> DataFrame:
    """The catalogue that the content-based recommender goes by: completed, where the gate found that it helps."""
    items = context.lake.read("items")
    if _helps(context, "content", WITH["completed"]):
        return with_completed(items, context.lake.read("completed_attributes"))
    return items


def of_completion(context: Context, table: str) -> DataFrame:
    """Read what a completion wrote: `completed_attributes` or `item_latents`.

    Raises ContractError where there is none, and where it is of a later day than the night: it has learnt from events
    that the night may not know.
    """
    rows, done = context.lake.read(table), _completion(context)
    if done is not None and done.event_date > context.date:
        raise ContractError(
            f"{table} is of the completion of {done.event_date}, which knows more than the night of {context.date} "
            f"may; run jobs/complete_attributes.py --date {context.date} first"
        )
    return rows


def _helps(context: Context, recommender: str, arm: str) -> bool:
    """Whether the gate found that what the arm reads of a completion, of no later day, makes a recommender better."""
    done = _completion(context)
    if done is None or done.event_date > context.date:
        return False
    verdict = done.metrics.worth.get(recommender)
    return verdict is not None and verdict.arm == arm and verdict.decision == "publish"


def _completion(context: Context) -> RunRecord | None:
    """The record of the completion whose rows the tables hold; None where there is none, or it never ended."""
    if not context.lake.exists("item_latents"):
        return None
    row = context.lake.read("item_latents").select("run_id").first()
    done = (night for night in context.history("complete") if row is not None and night.run_id == row["run_id"])
    return next(done, None)
