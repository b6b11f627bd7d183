"""What the catalogue says of items as numbers: terms, latents, singular vectors, and which items are alike."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

BLOCK = 256  # items that are compared with all others at once


class Neighbours(NamedTuple):
    """Each item's nearest others, nearest first. items: (n_items + 1, M) int32, 0 for none; weights: float32."""

    items: np.ndarray
    weights: np.ndarray


def item_terms(items: DataFrame, vocabulary: DataFrame, min_items: int = 2) -> csr_matrix:
    """Describe each item by its terms, weighted by tf-idf (Salton and Buckley 1988), rows of length 1.

    A term is a word of title or text, or an attribute with one of its values; only those of at least `min_items` items
    count. Columns: `items` needs item_id, title, text, categorical, multi_valued; `vocabulary` item_id, item_index.
    Returns (n_items + 1, terms) float32, the terms in order of their names; an item without any is a row of zeros.
    """
    known = items.join(F.broadcast(vocabulary.select("item_id", "item_index")), "item_id", how="inner")
    words = F.split(F.lower(F.concat_ws(" ", "title", "text")), r"[^\p{L}\p{N}]+")
    single = F.transform(F.map_entries("categorical"), lambda pair: F.concat_ws("=", pair["key"], pair["value"]))
    many = F.transform(
        F.map_entries("multi_valued"),
        lambda pair: F.transform(pair["value"], lambda value: F.concat_ws("=", pair["key"], value)),
    )
    attributes = F.coalesce(F.concat(single, F.flatten(many)), F.array())
    terms = known.select("item_index", F.explode(F.concat(words, attributes)).alias("term"))
    counted = terms.where("term != ''").groupBy("item_index", "term").agg(F.count("*").alias("n"))
    common = counted.withColumn("n_items", F.count("*").over(Window.partitionBy("term")))
    rows = common.where(F.col("n_items") >= min_items).orderBy("item_index", "term").toPandas()
    size = vocabulary.count()
    names, column = np.unique(rows["term"].to_numpy(dtype=str), return_inverse=True)
    weights = (1 + np.log(rows["n"])) * np.log(size / rows["n_items"]).clip(lower=0)
    matrix = csr_matrix((weights.astype(np.float32), (rows["item_index"], column)), shape=(size + 1, len(names)))
    return unit_rows(matrix)


def with_completed(items: DataFrame, completed: DataFrame) -> DataFrame:
    """Fill the gaps of categorical and multi-valued attributes. Columns: as the tables items, completed_attributes."""
    filled = completed.groupBy("item_id", "attribute").agg(F.sort_array(F.collect_list("value")).alias("values"))
    of_items = filled.groupBy("item_id").agg(
        F.map_from_entries(F.sort_array(F.collect_list(F.struct("attribute", "values")))).alias("filled")
    )
    more = F.coalesce("filled", F.create_map().cast("map<string,array<string>>"))
    return (
        items.join(of_items, "item_id", how="left")
        .withColumn("multi_valued", F.map_concat(F.coalesce("multi_valued", F.create_map()), more))
        .drop("filled")
    )


def latent_matrix(latents: DataFrame, vocabulary: DataFrame) -> csr_matrix:
    """Where the attribute VAE puts each item, as rows of length 1: (n_items + 1, z_dim), 0 for items that it lacks.

    Columns: `latents` item_id, latent; `vocabulary` item_id, item_index.
    """
    size = vocabulary.count()
    rows = latents.select("item_id", "latent").join(
        F.broadcast(vocabulary.select("item_id", "item_index")), "item_id", how="inner"
    )
    frame = rows.select("item_index", "latent").toPandas()
    places = np.zeros((size + 1, len(frame["latent"].iloc[0]) if len(frame) else 1), dtype=np.float32)
    if len(frame):
        places[frame["item_index"]] = np.stack(list(frame["latent"]))
    return unit_rows(csr_matrix(places))


def item_vectors(terms: csr_matrix, dim: int) -> NDArray[np.float32]:
    """Reduce terms to `dim` numbers an item by a truncated singular-value decomposition (Deerwester et al. 1990).

    Returns (n_items + 1, dim), each column of variance 1 over the items; zeros where there are fewer dimensions.
    """
    vectors = np.zeros((terms.shape[0], dim), dtype=np.float32)
    if (k := min(dim, min(terms.shape) - 1)) > 0 and terms.nnz:
        left, _, right = svds(terms.astype(np.float64), k=k, v0=np.ones(min(terms.shape)))
        signs = np.sign(right[np.arange(k), np.abs(right).argmax(axis=1)])  # a singular vector's sign is arbitrary
        vectors[:, :k] = (left * signs)[:, ::-1] * np.sqrt(terms.shape[0])
    vectors[0] = 0
    return vectors


def alike(terms: csr_matrix, limit: int, among: NDArray[np.bool_] | None = None) -> Neighbours:
    """Find the `limit` items most alike each item, weighted by the square of the cosine; ties to the lower index.

    terms: (n_items + 1, terms), rows of length 1 or 0. An item without terms has no neighbours. among: (n_items + 1,),
    the items that may be neighbours; None for all.
    """
    n = terms.shape[0]
    width = max(min(limit, n - 2), 1)
    near = Neighbours(np.zeros((n, width), np.int32), np.zeros((n, width), np.float32))
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        cosine = (terms[rows] @ terms.T).toarray().astype(np.float64)
        cosine[np.arange(len(rows)), rows] = 0
        if among is not None:
            cosine[:, ~among] = 0
        ordered = cosine - 1e-9 * np.arange(n)
        best = np.argpartition(-ordered, width - 1, axis=1)[:, :width]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(ordered, best, 1), axis=1), 1)
        weights = np.take_along_axis(cosine, best, 1) ** 2
        near.items[rows], near.weights[rows] = np.where(weights > 0, best, 0), weights
    return near


def unit_rows(rows: csr_matrix) -> csr_matrix:
    """Scale each row to length 1, float32; a row of zeros stays."""
    return csr_matrix(rows.multiply(1 / np.maximum(row_lengths(rows), 1e-9)[:, None]), dtype=np.float32)


def unit_length(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Do as unit_rows does, of a dense matrix."""
    scaled: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return scaled.astype(np.float32)


def row_lengths(rows: csr_matrix) -> NDArray[np.float64]:
    """Euclidean length of each row."""
    return np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float64)).ravel()
