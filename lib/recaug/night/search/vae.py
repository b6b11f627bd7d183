"""The training of the VAE of queries: its rows as a table, cross-fitted, and what it is watched by."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recaug.clickstream.splits import SPLITS
from recaug.config import Queries
from recaug.generators.query_counts import Ints, folds_of_items
from recaug.generators.query_inputs import QueryInputs, incidence, padded
from recaug.night.context import Context
from recaug.night.search.data import SearchData
from recaug.recommend.search.analysis import stemmed
from recaug.results import TrainedModel
from recaug.training.jobs import train
from recaug.training.query_vae import QueryVAEJob, Validation

QUERY_TERMS = 12  # of a query that are read
WATCHED_PAIRS = 3000
MAX_FILES = 8
BLOCK = 4096  # pairs whose counts are looked up at once
LEAST = 1e-5  # a chance below is none


def train_query_vae(context: Context, data: SearchData, inputs: QueryInputs, settings: Queries) -> TrainedModel:
    """Write query_rows, and train the VAE on them, or find it finished."""
    rows = query_rows(inputs, settings)
    commit = context.lake.replace(
        context.spark.createDataFrame(rows),
        "query_rows",
        {},
        context.study_id,
        files=min(MAX_FILES, 2 * context.config.training.workers),
        by=("query_index", "item_index"),
    )
    validation = watched(data, inputs, settings, context)
    also = hashlib.sha256(b"".join(part.tobytes() for part in validation)).hexdigest()[:16]
    job = QueryVAEJob(
        config=settings.vae,
        models=context.models,
        files=context.lake.snapshot_files("query_rows"),
        content_hash=f"{commit.content_hash}-{also}",
        rows=len(rows),
        item_terms=len(inputs.names),
        query_terms=len(inputs.vocabulary.names),
        validation=validation,
        seed=context.config.seed,
        workers=context.config.training.workers,
    )
    (trained,) = train([job], context.spark, context.config.training, "queries")
    return trained


def query_rows(inputs: QueryInputs, settings: Queries) -> pd.DataFrame:
    """Train pairs with a term that is known; the counts of each are of the folds that no query of its item is in."""
    pairs = inputs.pairs
    known = np.flatnonzero(np.diff(pairs.terms.indptr) > 0)
    of_item = folds_of_items(pairs, inputs.item_terms.shape[0])
    items = pairs.item[known]
    counted, logs = counted_of(inputs, items, [of_item[item] for item in items.tolist()], settings.vae.counted)
    queries = padded(_rows(csr_matrix(pairs.terms[known])), QUERY_TERMS)
    terms = item_terms_of(inputs, settings)[items]
    return pd.DataFrame(
        {
            "query_index": pairs.query[known].astype(np.int32),
            "item_index": items.astype(np.int32),
            "fold": pairs.fold[known].astype(np.int32),
            "weight": pairs.weight[known],
            "query_terms": [row.tobytes() for row in queries],
            "item_terms": [row.tobytes() for row in terms],
            "counted_terms": [row.tobytes() for row in counted],
            "counted_logs": [row.tobytes() for row in logs],
        }
    )


def counted_of(
    inputs: QueryInputs, items: Ints, left_out: Sequence[frozenset[int]], width: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The likeliest terms of each item by the counts, counted from 1, and logarithms of their chances: (n, width)."""
    terms, logs = np.zeros((len(items), width), np.int32), np.zeros((len(items), width), np.float32)
    for start in range(0, len(items), BLOCK):
        told = inputs.translation.expected(items[start : start + BLOCK], left_out[start : start + BLOCK])
        for row in range(told.shape[0]):
            places = slice(told.indptr[row], told.indptr[row + 1])
            chances, own = told.data[places], told.indices[places]
            best = np.argsort(-chances, kind="stable")[:width]
            best = best[chances[best] >= LEAST]
            terms[start + row, : len(best)] = own[best] + 1
            logs[start + row, : len(best)] = np.log(chances[best])
    return terms, logs


def item_terms_of(inputs: QueryInputs, settings: Queries) -> NDArray[np.int32]:
    """Terms of every item as the VAE reads them."""
    return padded(_rows(inputs.item_terms), settings.vae.item_terms)


def watched(data: SearchData, inputs: QueryInputs, settings: Queries, context: Context) -> Validation:
    """Some pairs of validation queries and what they led to."""
    rows = data.of_split(SPLITS[1])
    rows = rows[rows["gain"] > 0]
    chosen = np.random.default_rng(context.config.seed).permutation(len(rows))[:WATCHED_PAIRS]
    pairs = rows.iloc[np.sort(chosen)]
    texts = data.queries["text"].to_numpy()[pairs["query_index"].to_numpy()].tolist()
    number = inputs.vocabulary.number
    stems = stemmed(texts, context.config.search_ranking.language)
    queries = incidence([[number[s] for s in own if s in number] for own in stems], inputs.vocabulary.names)
    kept = np.flatnonzero(np.diff(queries.indptr) > 0)
    items = pairs["item_index"].to_numpy(np.int64)[kept]
    folds = folds_of_items(inputs.pairs, inputs.item_terms.shape[0])
    counted, logs = counted_of(inputs, items, [folds[item] for item in items.tolist()], settings.vae.counted)
    terms = item_terms_of(inputs, settings)[items]
    return Validation(padded(_rows(csr_matrix(queries[kept])), QUERY_TERMS), terms, counted, logs)


def _rows(table: csr_matrix) -> list[Ints]:
    """The columns of each row."""
    return [table.indices[start:stop] for start, stop in zip(table.indptr[:-1], table.indptr[1:], strict=True)]
