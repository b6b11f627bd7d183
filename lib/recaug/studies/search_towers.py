"""The towers of a study of search: their pairs as a table, their training, and the ranker that they are."""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.clickstream.splits import SPLITS
from recaug.evaluate.search_metrics import Judged
from recaug.night.context import Context
from recaug.recommend.search.towers import Towers, hash_items, hash_queries, inverse_frequency, load_towers
from recaug.results import TrainedModel
from recaug.studies.search_data import SearchData
from recaug.training.jobs import train
from recaug.training.two_tower import TowersJob, Validation

WATCHED_QUERIES = 1000  # of the validation split
MAX_FILES = 8


def train_towers(context: Context, data: SearchData) -> tuple[Towers, TrainedModel]:
    """Write search_pairs, train the towers on them (or find them finished), and encode the catalogue."""
    ranking = context.config.search_ranking
    settings = ranking.two_tower
    items = hash_items(data.catalogue, settings.buckets, settings.item_terms)
    pairs = train_pairs(data)
    queries = data.queries["text"].loc[np.unique(pairs["query_index"])]
    hashed = hash_queries(queries.tolist(), ranking.language, settings.buckets, settings.query_terms)
    place = np.searchsorted(queries.index.to_numpy(), pairs["query_index"])
    rows = pairs.assign(
        fold=0,
        query_terms=pd.Series([row.tobytes() for row in hashed[place]]),
        item_terms=pd.Series([row.tobytes() for row in items[pairs["item_index"]]]),
    )
    commit = context.lake.replace(
        context.spark.createDataFrame(rows),
        "search_pairs",
        {},
        context.study_id,
        files=min(MAX_FILES, 2 * context.config.training.workers),
        by=("query_index", "item_index"),
    )
    job = _job(context, data, pairs, items, commit.content_hash)
    (trained,) = train([job], context.spark, context.config.training, "search")
    return load_towers(trained.folder, ranking.language, settings.query_terms, items), trained


def train_pairs(data: SearchData) -> pd.DataFrame:
    """The train queries and the items of a gain above 0: query_index, item_index, weight (0 to 1)."""
    train_rows = data.of_split(SPLITS[0])
    rows = train_rows[train_rows["gain"] > 0]
    return pd.DataFrame(
        {
            "query_index": rows["query_index"].to_numpy(np.int32),
            "item_index": rows["item_index"].to_numpy(np.int32),
            "weight": (rows["gain"] / rows["gain"].max()).to_numpy(np.float64),
        }
    )


def _job(
    context: Context, data: SearchData, pairs: pd.DataFrame, items: NDArray[np.int32], content_hash: str
) -> TowersJob:
    settings, n_items = context.config.search_ranking.two_tower, len(items)
    frequency = np.bincount(pairs["item_index"], minlength=n_items) / len(pairs)
    validation = watched(data.judged(SPLITS[1]), items, context)
    also = hashlib.sha256(items.tobytes() + b"".join(part.tobytes() for part in validation)).hexdigest()
    return TowersJob(
        config=settings,
        models=context.models,
        files=context.lake.snapshot_files("search_pairs"),
        content_hash=f"{content_hash}-{also[:16]}",
        pairs=len(pairs),
        relevant=np.sort(pairs["query_index"].to_numpy(np.int64) * n_items + pairs["item_index"].to_numpy(np.int64)),
        log_frequency=np.log(np.maximum(frequency, 0.5 / len(pairs))).astype(np.float32),
        idf=inverse_frequency(items, settings.buckets),
        validation=validation,
        seed=context.config.seed,
        workers=context.config.training.workers,
    )


def watched(judged: Judged, items: NDArray[np.int32], context: Context) -> Validation:
    """Some validation queries, and items: those that are judged for them first, others by chance up to a number."""
    ranking, rng = context.config.search_ranking, np.random.default_rng(context.config.seed)
    rows = np.sort(rng.permutation(len(judged.texts))[:WATCHED_QUERIES])
    gains = judged.gains[rows]
    own = np.unique(gains.indices)
    others = np.setdiff1d(rng.permutation(len(items)), own)
    pool = np.concatenate([own, rng.permutation(others)])[: ranking.two_tower.validation_items]
    settings, texts = ranking.two_tower, [judged.texts[row] for row in rows]
    hashed = hash_queries(texts, ranking.language, settings.buckets, settings.query_terms)
    return Validation(hashed, items[pool], gains[:, pool].toarray().astype(np.float32))
