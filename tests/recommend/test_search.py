"""Rankers of search: BM25 against another's, blocks against the whole, what a robot types, why an item is listed."""

import numpy as np
import pytest

from recaug.errors import ConfigError
from recaug.recommend.search.analysis import check_language, stemmed
from recaug.recommend.search.blend import Blend, candidates, ordered
from recaug.recommend.search.catalogue import Catalogue, read_catalogue
from recaug.recommend.search.engine import NO_TERM, Engine, search_lists
from recaug.recommend.search.lexical import KINDS, Numbered
from recaug.recommend.search.ranker import Blocks, RandomOrder, top, top_of_each

TITLES = [
    "Hampton Bay 52 in. ceiling fan with light",
    "Ceiling paint, white, 1 gal.",
    "Table fan, quiet, 12 volts",
    "Wireless door bell",
    "2 in. x 4 in. x 8 ft. stud",
    "黑色电灯泡",
    "",
]
WEIGHTS = {"title": 1.0, "text": 0.5, "attributes": 0.0}
ODD = [
    "",
    " ",
    "\x00\x07",
    "x" * 10_000,
    "'; DROP TABLE items; --",
    "\u202eevil\u202c",
    "🙂",
    "🙂 fan",
    "%s {} \\",
    "(((",
]


def catalogue(titles: list[str] = TITLES, texts: list[str] | None = None) -> Catalogue:
    fields = {name: [[] for _ in titles] for name in ("text", "attributes")}
    fields["title"] = stemmed(titles, "english")
    if texts is not None:
        fields["text"] = stemmed(texts, "english")
    return Catalogue([f"i{n}" for n in range(len(titles))], titles, fields, [[] for _ in titles])


def index(kind: str, of: Catalogue | None = None, k1: float = 0.6, b: float = 0.75):
    own = of or catalogue()
    return Numbered.of(own.fields, kind, "english", WEIGHTS).index(WEIGHTS, k1, b)


def engine(k: int = 3) -> Engine:
    own = catalogue()
    return Engine(Blend([index(kind, own) for kind in KINDS], [1.0, 0.5, 1.0]), own, "english", Blocks(2, 3))


def test_bm25_scores_as_another_library_does():
    bm25s = pytest.importorskip("bm25s")
    words = [own or ["empty"] for own in catalogue().fields["title"]]
    ours = Numbered.of({"title": words}, "bm25", "english", WEIGHTS).index(WEIGHTS, 0.9, 0.4)
    theirs = bm25s.BM25(k1=0.9, b=0.4, method="lucene")
    theirs.index(words, show_progress=False)
    for query in ("ceiling fan", "fan fan light", "white stud"):
        (terms,) = stemmed([query], "english")
        read = ours.read([query])
        best = sum(float(ours.ceiling[ours.vocabulary[term]]) for term in terms)
        np.testing.assert_allclose(ours.scores(read, 0, 7)[0] * best, theirs.get_scores(terms), rtol=1e-5)


def test_a_field_counts_as_much_as_its_weight():
    own = catalogue(["fan", "lamp", "box"], ["lamp", "fan", "chair"])
    lists = top(index("bm25", own), ["fan"], 3)
    assert lists.items[0].tolist() == [0, 1, -1]
    assert lists.scores[0, 1] == pytest.approx(lists.scores[0, 0] / 2)


def test_an_item_with_all_there_is_of_the_query_scores_one():
    lists = top(index("bm25", catalogue(["fan", "fan", "lamp"])), ["lamp", "lamp unheard"], 1)
    assert lists.scores[0, 0] == pytest.approx(1.0)
    assert lists.scores[1, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("blocks", [Blocks(1, 1), Blocks(3, 2), Blocks(64, 1000)])
def test_lists_do_not_depend_on_blocks(blocks):
    rng = np.random.default_rng(3)
    words = [" ".join(rng.choice(["red", "fan", "lamp", "door", "oak", "pine"], 4)) for _ in range(50)]
    ranker = index("bm25", catalogue(words))
    queries = ["red fan", "oak door", "pine", "nothing"]
    whole = ranker.scores(ranker.read(queries), 0, 50)
    expected = [[i for i in np.argsort(-row, kind="stable")[:7] if row[i] > 0] for row in whole]
    lists = top(ranker, queries, 7, blocks)
    assert [[i for i in row if i >= 0] for row in lists.items.tolist()] == expected


@pytest.mark.parametrize(
    ("query", "item"), [("wirelss bel", 3), ("doorbell", 3), ("12v fan", 2), ("2x4", 4), ("灯泡", 5)]
)
def test_typos_joined_words_units_and_chinese_find_their_item(query, item):
    assert engine().search(query)[0].item_id == f"i{item}"


def test_trigrams_and_pairs_find_what_words_alone_do_not():
    own = catalogue(["Work shop vacuum", "Work coat, for the shop", "Ladder"])
    for kind, query, first in (("bm25", "workshop", -1), ("pairs", "workshop", 0), ("trigrams", "vacum", 0)):
        assert top(index(kind, own), [query], 1).items[0, 0] == first, kind
    alone, paired = (top(index(kind, own), ["work shop"], 2).scores[0] for kind in ("bm25", "pairs"))
    assert paired[1] / paired[0] < alone[1] / alone[0]


@pytest.mark.parametrize("query", ODD)
def test_whatever_a_robot_types_gives_a_list_or_none(query):
    for answer in engine().search(query):
        assert answer.item_id in catalogue().item_ids
        assert 0 < answer.score < 3


def test_an_answer_names_the_words_that_match():
    first, *_ = engine().search("white ceiling paint")
    assert (first.item_id, first.title, first.rank) == ("i1", TITLES[1], 1)
    assert first.reason == "title: white, ceil, paint"
    assert engine().search("doorbell")[0].reason == NO_TERM


def test_a_blend_of_candidates_is_the_blend_of_all():
    parts = [index(kind) for kind in KINDS]
    queries = ["ceiling fan", "door", "white"]
    looked = candidates(parts, queries, 7)
    scores = np.tensordot(np.array([1.0, 0.5, 2.0], np.float32), looked.scores, axes=1)
    whole = top(Blend(parts, [1.0, 0.5, 2.0]), queries, 3)
    for row, items in enumerate(whole.items):
        known = items[items >= 0]
        assert ordered(looked.items, scores, 3)[row, : len(known)].tolist() == known.tolist()


def test_blends_that_are_asked_together_list_what_each_lists_alone():
    first, second, third = (index(kind) for kind in KINDS)
    blends = {"a": Blend([first, second], [1.0, 0.5]), "b": Blend([first, third], [1.0, 2.0]), "c": second}
    queries = ["ceiling fan", "door", "white"]
    together = top_of_each(blends, queries, 3, Blocks(2, 3))
    for name, blend in blends.items():
        alone = top(blend, queries, 3)
        assert together[name].items.tolist() == alone.items.tolist()
        np.testing.assert_allclose(together[name].scores, alone.scores)


def test_random_order_is_the_same_each_time_and_another_for_each_query():
    first, again = (top(RandomOrder(500, 1), ["fan", "lamp"], 50, Blocks(2, 500)).items for _ in range(2))
    assert (first == again).all()
    assert len(set(first[0]) & set(first[1])) < 20


def test_an_unknown_language_is_refused_in_one_line():
    with pytest.raises(ConfigError, match="no stemmer of klingon; there are none, arabic"):
        check_language("klingon")
    assert stemmed(["Fans"], "none") == [["fans"]]


def test_lists_made_in_the_workers_are_those_of_python(spark):
    maps = "categorical map<string,string>, multi_valued map<string,array<string>>"
    rows = [(f"i{n}", title, None, {"brand": "Acme"}, {"use": ["indoor", "outdoor"]}) for n, title in enumerate(TITLES)]
    own = read_catalogue(spark.createDataFrame(rows, f"item_id string, title string, text string, {maps}"), "english")
    assert own.fields["attributes"][0] == ["acm", "indoor", "outdoor"]
    assert own.attributes[0] == ["brand=Acme", "use=indoor", "use=outdoor"]
    asked = Engine(index("bm25", own), own, "english", Blocks(2, 4))
    queries = spark.createDataFrame([("q1", "ceiling fan"), ("q2", "stud"), ("q3", "")], "query_id string, text string")
    lists = search_lists(spark, queries, asked, 1).orderBy("query_id").collect()
    assert [(row.query_id, row["rank"], row.item_id) for row in lists] == [("q1", 1, "i0"), ("q2", 1, "i4")]
    assert lists[0].reason == "title: ceil, fan"
