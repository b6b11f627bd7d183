"""Queries for items: counts whose answers are known by hand, controls, ids, and what may be personal."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from recaug.config import Queries
from recaug.generators.query_classic import Classic, co_clicked
from recaug.generators.query_counts import Pairs, folds_of_items, translate
from recaug.generators.query_inputs import query_inputs, rare_queries, vocabulary_of
from recaug.generators.query_samplers import Counted, RandomWords, Siblings, TitleItself
from recaug.generators.query_sampling import draw_queries
from recaug.training.models.query_vae import QueryVAE, counted_logits, query_likelihood

# Items: 0 "sofa bed", 1 "sofa"; query terms: 0 couch, 1 sofa. Two queries: couch -> 0 (fold 0), sofa -> 1 (fold 1).
ITEMS = csr_matrix(np.array([[1.0, 1.0], [1.0, 0.0]]))
PAIRS = Pairs(
    query=np.array([0, 1]),
    item=np.array([0, 1]),
    fold=np.array([0, 1]),
    weight=np.array([1.0, 1.0]),
    terms=csr_matrix(np.array([[1.0, 0.0], [0.0, 1.0]])),
)
SAME = np.array([1, -1])  # sofa is a query term, bed is none


@pytest.fixture
def translation():
    return translate(PAIRS, ITEMS, SAME, folds=2, prior=1.0)


def test_a_pair_is_shared_among_the_terms_of_its_item(translation):
    # sofa: half a pair with couch, one with sofa, and one that it goes with itself; bed: half a pair with couch and a
    # prior that says nothing.
    expected = [[0.5 / 2.5, 2 / 2.5], [0.5 / 1.5, 0.0]]
    np.testing.assert_allclose(translation.chances(frozenset()).toarray(), expected)
    whole = translation.expected(np.array([0]), [frozenset()]).toarray()
    np.testing.assert_allclose(whole, [np.mean(expected, axis=0)])


def test_a_query_does_not_teach_the_counts_of_its_own_item(translation):
    left_out = folds_of_items(PAIRS, 2)
    assert left_out == [{0}, {1}]
    own = translation.expected(np.array([1, 0]), [left_out[1], left_out[0]]).toarray()
    # Item 0 without couch's fold: sofa goes with sofa alone. Item 1 without sofa's: half a pair of couch, and itself.
    np.testing.assert_allclose(own, [[0.5 / 1.5, 1 / 1.5], [0.0, 0.5]])


def log_of(*texts: str, users: int = 9) -> pd.DataFrame:
    """Queries with ids in their order."""
    ids = [f"{number:08x}" for number in range(len(texts))]
    return pd.DataFrame({"query_id": ids, "text": texts, "users": users, "count": users})


def test_terms_and_queries_of_few_users_are_rare():
    queries = log_of("red sofa", "red bed", "jane doe", "red jane").assign(users=[5, 2, 1, 1])
    assert rare_queries(queries, True, 3).tolist() == [False, True, True, True]
    assert not rare_queries(queries, False, 3).any()  # graded judgements: nobody's searches
    made = vocabulary_of(queries, True, "none", Queries(min_queries=2, min_users=3))
    assert made.names == ["red"]  # jane has two queries, of two users together
    unknown = queries.assign(users=0, count=[5, 2, 1, 1])
    assert rare_queries(unknown, True, 3).tolist() == [False, True, True, True]


def test_a_query_is_written_as_queries_are():
    made = vocabulary_of(log_of("red sofas", "red sofa", "blue sofas"), False, "english", Queries(min_queries=1))
    assert made.text([made.number["sofa"], made.number["red"]]) == "red sofas"


def sampler(per_item: int = 4) -> Counted:
    """Counts of a shop of three items."""
    queries = log_of("red couch", "red couch", "blue lamp", "couch")
    pairs = pd.DataFrame({"query_index": [0, 1, 2, 3], "item_index": [0, 0, 1, 0], "weight": 1.0})
    words = [["red", "sofa"], ["blue", "lamp"], ["green", "sofa"]]
    inputs = query_inputs(queries, pairs, words, "none", False, Queries(min_queries=1, folds=2))
    return Counted(inputs.translation, inputs.vocabulary, [frozenset()] * 3, per_item, "v1")


def test_counts_generate_words_that_the_title_lacks_for_an_item_that_nobody_found():
    drawn = sampler(40).draw(np.array([2]), np.random.default_rng(1))
    words = {word for own in drawn for word in own.text.split()}
    assert "couch" in words
    assert "lamp" not in words
    assert all(len(set(own.text.split())) == len(own.text.split()) for own in drawn)


def test_controls_know_nothing_of_what_goes_together():
    title = TitleItself(["Red Sofa", ""]).draw(np.array([0, 1]), np.random.default_rng(0))
    assert [(own.item, own.text) for own in title] == [(0, "Red Sofa")]
    lengths = np.array([1, 2])
    words = RandomWords([["red", "sofa", "bed"]], lengths, 20).draw(np.array([0]), np.random.default_rng(0))
    assert {word for own in words for word in own.text.split()} == {"red", "sofa", "bed"}
    assert {len(own.text.split()) for own in words} == {1, 2}
    items = csr_matrix(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    asked = [[("q0", "couch")], [("q1", "settee"), ("q0", "couch")], [("q2", "lamp")]]
    near = Siblings(items, asked, 4).draw(np.array([0]), np.random.default_rng(0))
    assert [(own.text, own.items, own.queries) for own in near] == [("settee", (1,), ("q1",))]


def classic(*texts: str, **synonyms: list[str]) -> Classic:
    """Of one item that these queries led to."""
    return Classic([[(f"q{n}", text) for n, text in enumerate(texts)]], synonyms, "english", 200, "v1")


def test_classic_writes_real_queries_otherwise_in_every_way():
    query = "copper dishwasher hose 1/2 in"
    drawn = classic(query, hose=["pipe"]).draw(np.array([0]), np.random.default_rng(3))
    texts = {own.text for own in drawn}
    assert {(own.item, own.items, own.queries) for own in drawn} == {(0, (0,), ("q0",))}
    assert query not in texts
    assert {
        "dishwasher hose 1/2 in",  # dropped
        "dishwasher copper hose 1/2 in",  # swapped
        "copperdishwasher hose 1/2 in",  # joined
        "copper dish washer hose 1/2 in",  # parted
        "copper dishwasher hose half inch",
        "copper dishwasher hose 0.5 in",
        "copper dishwasher pipe 1/2 in",
    } <= texts
    assert any(set(text.split()) & {"coper", "coppper", "cpoper", "opper", "ccopper"} for text in texts)


def test_classic_has_nothing_of_an_item_without_a_query_and_of_what_cannot_change():
    sampler = Classic([[], [("q", "fan")], [("q", "tv")]], {}, "english", 5, "v1")
    assert {own.item for own in sampler.draw(np.array([0, 1, 2]), np.random.default_rng(0))} == set()


def test_synonyms_led_to_the_same_items_and_seldom_stand_together():
    texts = ["red sofa", "red couch", "blue sofa", "blue couch", "green lamp"]
    pairs = pd.DataFrame({"query_index": [0, 0, 1, 1, 2, 3, 4], "item_index": [0, 1, 0, 1, 1, 1, 2], "weight": 1.0})
    words = [["sofa", "a"], ["sofa", "b"], ["lamp"]]
    inputs = query_inputs(log_of(*texts), pairs, words, "english", False, Queries(min_queries=1, folds=2))
    found = co_clicked(inputs, texts, "english")
    assert "couch" in found["sofa"]
    assert "sofa" in found["couch"]
    assert "red" not in found["sofa"]  # they stand together
    assert "lamp" not in found


def test_rows_have_the_same_ids_whatever_the_partitions(spark):
    names = pd.DataFrame({"item_id": ["a", "b", "c"], "item_index": [0, 1, 2]})
    tables = [
        draw_queries(spark.createDataFrame(names).repartition(n), sampler(), "3|2020-01-01", 3)
        .orderBy("row_id")
        .toPandas()
        for n in (1, 2, 8)
    ]
    assert len(tables[0])
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other)
    assert tables[0]["row_id"].is_unique
    assert not tables[0].duplicated(["item_id", "text"]).any()
    np.testing.assert_allclose(tables[0].groupby("item_id")["weight"].sum(), 1.0)
    assert tables[0]["source_items"].map(list).tolist() == [[name] for name in tables[0]["item_id"]]


def test_the_vae_starts_as_the_counts_and_every_parameter_learns():
    torch.manual_seed(0)
    model = QueryVAE(item_terms=5, query_terms=4, dim=6, hidden=8, z_dim=3, dropout=0.0)
    items, queries = torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([[1, 4], [2, 0]])
    assert torch.equal(model.change(items, torch.randn(2, 3)), torch.zeros(2, 4))
    counted = counted_logits(torch.tensor([[1, 2], [2, 0]]), torch.tensor([[0.5, 0.25], [1.0, 0.0]]).log(), 4, -20.0)
    told = query_likelihood(counted, torch.tensor([[1, 2], [2, 0]]))
    expected = torch.tensor([2 / 3, 1 / 3]).log().sum()
    torch.testing.assert_close(told, torch.stack([expected, torch.tensor(0.0)]), atol=1e-4, rtol=0)
    torch.nn.init.normal_(model.out.weight)
    mu, log_variance = model.encode(items, queries)
    loss = model.change(items, mu + torch.exp(0.5 * log_variance)).square().sum()
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
