"""The nearest vectors against brute force, the look-up of similar items, and what tells how good it is."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyspark.sql import Row, SparkSession
from scipy.sparse import csr_matrix

from recaug.config.base import Index
from recaug.evaluate.look_up import PAIRS, Order, Pairs, later_pairs, measure
from recaug.recommend.index import INDEXES, Approximate, Exact
from recaug.recommend.similar import ELSE, LookUp, similar_items, with_reasons

Floats = NDArray[np.float32]


def clustered(n: int, dim: int, seed: int = 0) -> Floats:
    """Unit vectors around a hundred middles."""
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((100, dim))
    vectors = middles[rng.integers(0, 100, n)] + 0.5 * rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def brute(vectors: Floats, row: int, k: int) -> list[int]:
    """The k nearest by numpy alone, ties to the lower place."""
    scores = np.round(vectors.astype(np.float64) @ vectors[row].astype(np.float64), 5)
    order = np.lexsort((np.arange(len(vectors)), -scores))
    return [int(place) for place in order if place != row and scores[place] > 0][:k]


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_exact_finds_what_brute_force_finds(kind: type) -> None:
    vectors = clustered(700, 16)
    vectors[300:320] = vectors[5]  # as alike as can be
    vectors[699] = 0  # nothing is known of it
    rows = np.array([0, 5, 300, 319, 698, 699])
    held = kind(vectors)
    found = Exact.of(held, 0).best(held[rows], rows, 8)
    assert [[place for place in own if place >= 0] for own in found.places.tolist()] == [
        brute(vectors, row, 8) for row in rows
    ]
    assert found.places[1].tolist() == [300, 301, 302, 303, 304, 305, 306, 307]
    assert found.places[5].tolist() == [-1] * 8
    assert np.allclose(found.scores[0], vectors[found.places[0]] @ vectors[0], atol=1.1e-5)


def test_fewer_vectors_than_asked_for_end_in_minus_one() -> None:
    vectors = np.eye(3, dtype=np.float32) * 0.5 + 0.5
    assert Exact.of(vectors, 0).best(vectors, np.arange(3), 5).places.tolist() == [
        [1, 2, -1, -1, -1],
        [0, 2, -1, -1, -1],
        [0, 1, -1, -1, -1],
    ]


def test_the_index_finds_nearly_all_of_it_and_the_same_each_time() -> None:
    pytest.importorskip("faiss")
    vectors = clustered(20_000, 24)
    rows = np.arange(0, 20_000, 100)
    exact = Exact.of(vectors, 0).best(vectors[rows], rows, 10)
    made = [Approximate.of(vectors, 3) for _ in range(2)]
    found = [index.best(vectors[rows], rows, 10) for index in made]
    assert np.array_equal(found[0].places, found[1].places)
    recall = np.mean([len({*own} & {*true}) / 10 for own, true in zip(found[0].places, exact.places, strict=True)])
    assert recall > 0.95
    same = found[0].places == exact.places
    assert np.allclose(found[0].scores[same], exact.scores[same], atol=2e-5)
    one_by_one = [made[0].best(vectors[[row]], np.array([row]), 10).places[0] for row in rows[:20]]
    assert np.array_equal(one_by_one, found[0].places[:20])


@pytest.mark.parametrize("index", ["exact", "ann"])
def test_each_item_gets_its_nearest_whatever_the_partitions(spark: SparkSession, index: Index) -> None:
    if index == "ann":
        pytest.importorskip("faiss")
    vectors = clustered(1500, 8)
    ids = np.array([f"i{place}" for place in range(1500)], dtype=object)
    look_up = LookUp(ids, vectors, INDEXES[index].of(vectors, 0))
    rows = similar_items(spark, look_up, 3).toPandas().sort_values(["item_id", "rank"])
    assert len(rows) == 4500
    of = {item: [*own] for item, own in rows.groupby("item_id")["similar_id"]}
    assert of["i0"] == [f"i{place}" for place in brute(vectors, 0, 3)]  # of the first block
    assert of["i1400"] == [f"i{place}" for place in brute(vectors, 1400, 3)]  # of the second
    nearest = brute(vectors, 7, 3)
    assert [one.item_id for one in look_up.similar("i7", 3)] == [f"i{place}" for place in nearest]
    cosines = [float(vectors[place] @ vectors[7]) for place in nearest]
    assert [one.score for one in look_up.similar("i7", 3)] == pytest.approx(cosines, abs=1.1e-5)
    with pytest.raises(KeyError):
        look_up.similar("nothing")


def test_reasons_say_what_both_have(spark: SparkSession) -> None:
    items = spark.createDataFrame(
        [
            ("a", {"brand": "Acme", "kind": "soup"}, {"tag": ["hot", "red"]}),
            ("b", {"brand": "Acme", "kind": "tea"}, {"tag": ["red"]}),
            ("c", {"brand": "Other"}, None),
        ],
        "item_id string, categorical map<string,string>, multi_valued map<string,array<string>>",
    )
    pairs = spark.createDataFrame([("a", "b"), ("b", "a"), ("a", "c"), ("c", "b")], "item_id string, similar_id string")
    together = spark.createDataFrame([("a", "b", 1200), ("c", "b", 3)], "item_id string, similar_id string, users int")
    said = with_reasons(pairs, items, together, ["brand", "kind", "tag"])
    assert {(row.item_id, row.similar_id): (row.users, row.reason) for row in said.collect()} == {
        ("a", "b"): (1200, "both brand Acme, tag red; had together by 1,200 users"),
        ("b", "a"): (0, "both brand Acme, tag red"),
        ("a", "c"): (0, ELSE),
        ("c", "b"): (3, "had together by 3 users"),
    }


def test_a_held_out_event_is_paired_with_the_ten_before_it(spark: SparkSession) -> None:
    events = [
        *(("u", f"t{number}", "train", number) for number in range(12)),
        ("u", "t11", "validation", 12),  # itself is no pair
        ("u", "new", "test", 13),
        ("v", "t0", "train", 0),
        ("v", "t1", "train", 1),  # nothing is held out
    ]
    rows = [
        Row(user_id=user, item_id=item, split=split, event_time=time, event_order=0, event_id=f"{user}{time}")
        for user, item, split, time in events
    ]
    pairs = later_pairs(spark.createDataFrame(rows), 10)
    assert pairs.columns == [column.split()[0] for column in PAIRS.split(", ")]
    found = {(row.item_id, row.later_id) for row in pairs.collect()}
    first = {(f"t{number}", "t11") for number in range(2, 11)}
    assert found == first | {(f"t{number}", "new") for number in range(3, 12)}


def test_the_rate_is_a_mean_over_users_and_their_slices() -> None:
    pairs = Pairs(np.array([1, 1, 1, 1, 2]), np.array([0, 0, 0, 3, 3]), np.array([1, 1, 2, 1, 4]))

    def always(*listed: int):  # type: ignore[no-untyped-def]
        return lambda rows, k: np.tile(np.array(listed), (len(rows), 1))

    found = measure(pairs, {"latents": always(1, 4), "other": always(2, -1)}, 2, Order(head=2, warm=3), 0)
    assert {name: hits.mean for name, hits in found["latents"].hits.items()} == {
        "overall": pytest.approx((3 / 4 + 1) / 2),
        "warm": pytest.approx(2 / 3),  # item 0, of user 1 alone
        "cold": pytest.approx(1.0),  # item 3: 1 of 1 and 1 of 1
        "tail": pytest.approx((0 + 1) / 2),  # later items 2 and 4
    }
    assert found["other"].hits["overall"].mean == pytest.approx((1 / 4 + 0) / 2)
    assert found["other"].latents_above["overall"].mean == pytest.approx((7 / 8) / (1 / 8) - 1)


def test_the_same_place_gives_the_same_pairs() -> None:
    frame = pd.DataFrame({"unit": [1], "item_id": [["a", "b", "a"]], "held_out": [[False, False, True]]})
    from recaug.evaluate.look_up import _pairs

    (rows,) = _pairs([frame])
    assert rows.to_numpy().tolist() == [[1, "b", "a"]]
