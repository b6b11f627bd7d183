"""What the catalogue says of the items."""

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer

from recaug.clickstream.terms import alike, item_terms, item_vectors, latent_matrix, with_completed
from recaug.recommend.content import ContentBased

ITEMS = [
    ("a", "Red cotton shirt", {"brand": "x"}, None, {}),
    ("b", "Red wool shirt", {"brand": "x"}, "warm, warm", {}),
    ("c", "Garden chair", {"brand": "y"}, "red", {}),
    ("d", "Garden table", {"brand": "y"}, None, {}),
    ("e", None, {}, None, {}),
    ("other", "Red shirt", {"brand": "x"}, None, {}),  # not in the vocabulary
]
MANY = "multi_valued map<string,array<string>>"
WORDS = ["brand=x", "brand=y", "garden", "red", "shirt"]  # of two items or more


@pytest.fixture(scope="module")
def terms(spark: SparkSession) -> csr_matrix:
    schema = "item_id string, title string, categorical map<string,string>, text string, " + MANY
    vocabulary = spark.createDataFrame(
        [(name, n) for n, name in enumerate("abcde", 1)], "item_id string, item_index int"
    )
    return item_terms(spark.createDataFrame(ITEMS, schema), vocabulary)


def test_terms_are_words_and_attributes_weighted_as_scikit_learn_does(terms: csr_matrix) -> None:
    counts = np.array([[1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [0, 1, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    theirs = TfidfTransformer(smooth_idf=False, sublinear_tf=True).fit(counts)
    theirs.idf_ -= 1  # it adds one to each
    assert terms.shape == (6, len(WORDS))
    np.testing.assert_allclose(terms.toarray()[1:], theirs.transform(counts).toarray(), rtol=1e-5)
    assert not terms[0].nnz


def test_a_word_that_an_item_says_twice_weighs_more(spark: SparkSession) -> None:
    schema = "item_id string, title string, categorical map<string,string>, text string, " + MANY
    items = [("a", "tea tea pot", {}, None, {}), ("b", "tea pot", {}, None, {}), ("c", "cup", {}, None, {})]
    vocabulary = spark.createDataFrame([("a", 1), ("b", 2), ("c", 3)], "item_id string, item_index int")
    found = item_terms(spark.createDataFrame(items, schema), vocabulary).toarray()  # columns: pot, tea
    assert found[1, 1] / found[1, 0] == pytest.approx(1 + np.log(2))


def test_what_is_like_the_last_items_comes_first(terms: csr_matrix) -> None:
    scorer = ContentBased(terms, np.array([0, 5, 4, 3, 2, 1], dtype=np.float32), decay=0.5)
    scores = scorer.scores(torch.tensor([[1, 0, 0], [1, 3, 0], [5, 0, 0], [0, 0, 0]]))
    assert scores.shape == (4, 6)
    assert scores[0].argsort(descending=True)[:2].tolist() == [1, 2]
    assert scores[1].argsort(descending=True)[:2].tolist() == [3, 4]  # the chair came last
    for nothing_known in scores[2:]:  # by popularity
        assert nothing_known.argsort(descending=True).tolist() == [1, 2, 3, 4, 5, 0]


def test_numbers_keep_what_is_alike_together(terms: csr_matrix) -> None:
    found = item_vectors(terms, 2)
    assert found.shape == (6, 2)
    assert not found[0].any()
    near = np.linalg.norm(found[1] - found[2])
    assert near < 0.1 * np.linalg.norm(found[1] - found[4])
    assert np.abs(found).max() < 5
    assert item_vectors(terms, 20).shape == (6, 20)  # more than there are


def test_items_alike_are_those_of_the_highest_cosine_squared_and_ties_go_to_the_lower_index(terms: csr_matrix) -> None:
    dense = terms.toarray()
    found = alike(terms, 3)
    assert found.items.shape == found.weights.shape == (6, 3)
    assert found.items[1, 0] == 2  # the shirts
    assert found.items[4].tolist() == [3, 0, 0]  # nothing else is like the table
    np.testing.assert_allclose(found.weights[3, 0], (dense[3] @ dense[4]) ** 2, rtol=1e-5)
    assert found.weights[3, 1] == pytest.approx((dense[3] @ dense[1]) ** 2, rel=1e-5)
    assert found.items[3].tolist() == [4, 1, 2]  # red alone; both shirts say it as much
    assert not found.items[[0, 5]].any()
    assert not found.weights[[0, 5]].any()
    few = alike(terms, 3, among=np.array([False, False, True, False, True, True]))  # shirt b, the table, what is bare
    assert few.items[1].tolist() == [2, 0, 0]
    assert few.items[3].tolist() == [4, 2, 0]
    assert few.weights[3, 0] == found.weights[3, 0]


def test_items_of_which_nothing_is_said_are_alike_to_none(spark: SparkSession) -> None:
    schema = "item_id string, title string, categorical map<string,string>, text string, " + MANY
    items = spark.createDataFrame([(item, None, {}, None, {}) for item in "abc"], schema)
    vocabulary = spark.createDataFrame([("a", 1), ("b", 2), ("c", 3)], "item_id string, item_index int")
    found = alike(item_terms(items, vocabulary), 2)
    assert len(found.items) == 4
    assert not found.items.any()
    assert not found.weights.any()


def test_several_values_and_what_was_completed_are_terms(spark: SparkSession) -> None:
    schema = "item_id string, title string, categorical map<string,string>, text string, " + MANY
    rows = [("a", None, {"brand": "x"}, None, {"tags": ["new", "sale"]}), ("b", None, {}, None, {"tags": ["sale"]})]
    items = spark.createDataFrame([*rows, ("c", None, {}, None, {})], schema)
    filled = spark.createDataFrame(
        [("b", "brand", "x"), ("c", "tags", "sale"), ("c", "tags", "new")],
        "item_id string, attribute string, value string",
    )
    vocabulary = spark.createDataFrame([("a", 1), ("b", 2), ("c", 3)], "item_id string, item_index int")
    given = item_terms(items, vocabulary, min_items=1)  # columns: brand=x, tags=new, tags=sale
    assert (given.toarray() > 0).astype(int).tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 1], [0, 0, 0]]
    more = item_terms(with_completed(items, filled), vocabulary, min_items=1)
    assert more.indices.tolist() == [0, 1, 2, 0, 2, 1, 2]  # tags=sale, which all have, weighs nothing


def test_latents_are_rows_of_length_one_by_index(spark: SparkSession) -> None:
    latents = spark.createDataFrame(
        [("a", [3.0, 4.0]), ("b", [0.0, 2.0]), ("z", [1.0, 1.0])], "item_id string, latent array<float>"
    )
    vocabulary = spark.createDataFrame([("b", 1), ("a", 2), ("new", 3)], "item_id string, item_index int")
    expected = [[0, 0], [0, 1], [0.6, 0.8], [0, 0]]
    np.testing.assert_allclose(latent_matrix(latents, vocabulary).toarray(), expected, rtol=1e-6)
