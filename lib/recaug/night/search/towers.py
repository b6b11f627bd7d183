"""The towers of search: their pairs as a table, their training, and the ranker that they are."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.clickstream.splits import SPLITS
from recaug.evaluate.search_metrics import Judged
from recaug.lake.slices import Where
from recaug.lake.tables import Commit
from recaug.night.context import Context
from recaug.night.search.data import SearchData
from recaug.recommend.search.towers import Towers, hash_items, hash_queries, inverse_frequency, load_towers
from recaug.results import TrainedModel
from recaug.training.jobs import train
from recaug.training.two_tower import TowersJob, Validation

WATCHED_QUERIES = 1000  # of the validation split
MAX_FILES = 8


def train_towers(context: Context, data: SearchData) -> tuple[Towers, TrainedModel]:
    """Write search_pairs, train the towers on them (or find them finished), and encode the catalogue."""
    items, pairs = tower_items(context, data), train_pairs(data)
    job = towers_job(context, data, write_pairs(context, items, pairs, data.queries["text"]), items)
    (trained,) = train([job], context.spark, context.config.training, "search")
    return open_towers(context, trained.folder, items), trained


class Written(NamedTuple):
    """Pairs (query_index, item_index, weight) as they were written: the files, and the hash of their content."""

    pairs: pd.DataFrame
    files: Sequence[str]
    content_hash: str


def write_pairs(context: Context, items: NDArray[np.int32], pairs: pd.DataFrame, texts: pd.Series) -> Written:
    """Write search_pairs. texts: by query_index."""
    commit = _written(context, tower_rows(context, items, pairs, texts), "search_pairs", {})
    return Written(pairs, context.lake.snapshot_files("search_pairs"), commit.content_hash)


def write_arm_pairs(
    context: Context, items: NDArray[np.int32], arm: str, pairs: pd.DataFrame, texts: pd.Series
) -> Written:
    """Write an arm's pairs as its slice of search_arm_pairs. texts: by query_index, generated ones, too."""
    rows = tower_rows(context, items, pairs, texts).assign(arm=arm)
    commit = _written(context, rows, "search_arm_pairs", {"arm": arm})
    return Written(pairs, context.lake.snapshot_files("search_arm_pairs", {"arm": arm}), commit.content_hash)


def _written(context: Context, rows: pd.DataFrame, table: str, where: Where) -> Commit:
    files = min(MAX_FILES, 2 * context.config.training.workers)
    frame = context.spark.createDataFrame(rows)
    return context.lake.replace(frame, table, where, context.study_id, files=files, by=("query_index", "item_index"))


def tower_items(context: Context, data: SearchData) -> NDArray[np.int32]:
    """The catalogue as the towers read it, (n_items, width)."""
    settings = context.config.search_ranking.two_tower
    return hash_items(data.catalogue, settings.buckets, settings.item_terms)


def open_towers(context: Context, folder: str, items: NDArray[np.int32]) -> Towers:
    """Encode the catalogue by a finished model."""
    ranking = context.config.search_ranking
    return load_towers(folder, ranking.language, ranking.two_tower.query_terms, items)


def tower_rows(context: Context, items: NDArray[np.int32], pairs: pd.DataFrame, texts: pd.Series) -> pd.DataFrame:
    """Add fold and the hashed terms to pairs. texts: by query_index."""
    ranking = context.config.search_ranking
    settings = ranking.two_tower
    asked = np.unique(pairs["query_index"])
    hashed = hash_queries(texts.loc[asked].tolist(), ranking.language, settings.buckets, settings.query_terms)
    place = np.searchsorted(asked, pairs["query_index"])
    return pairs.assign(
        fold=0,
        query_terms=pd.Series([row.tobytes() for row in hashed[place]], index=pairs.index),
        item_terms=pd.Series([row.tobytes() for row in items[pairs["item_index"]]], index=pairs.index),
    )


def train_pairs(data: SearchData) -> pd.DataFrame:
    """The train queries and the items of a gain above 0; see gained."""
    return gained(data.of_split(SPLITS[0]))


def gained(judgements: pd.DataFrame) -> pd.DataFrame:
    """The pairs of a gain above 0: query_index, item_index, weight (0 to 1)."""
    rows = judgements[judgements["gain"] > 0]
    return pd.DataFrame(
        {
            "query_index": rows["query_index"].to_numpy(np.int32),
            "item_index": rows["item_index"].to_numpy(np.int32),
            "weight": (rows["gain"] / rows["gain"].max()).to_numpy(np.float64),
        }
    )


def towers_job(context: Context, data: SearchData, written: Written, items: NDArray[np.int32]) -> TowersJob:
    """Name the training of towers on pairs that are written."""
    settings, n_items, pairs = context.config.search_ranking.two_tower, len(items), written.pairs
    frequency = np.bincount(pairs["item_index"], minlength=n_items) / len(pairs)
    validation = watched(data.judged(SPLITS[1]), items, context)
    also = hashlib.sha256(items.tobytes() + b"".join(part.tobytes() for part in validation)).hexdigest()
    return TowersJob(
        config=settings,
        models=context.models,
        files=written.files,
        content_hash=f"{written.content_hash}-{also[:16]}",
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
