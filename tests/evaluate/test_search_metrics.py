"""Graded metrics of search, of lists whose worth is known."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recaug.evaluate.search_metrics import MRR, NDCG, RECALL, RECALL_KNOWN, RECALL_NEW, Judged, measured

# Items worth to query 0: item 1 has 2, item 3 has 1; to query 1 item 2 has 0, judged; to query 2 item 0 has 0.5.
GAINS = csr_matrix(np.array([[0, 2, 0, 1, 0], [0, 0, 0, 0, 0], [0.5, 0, 0, 0, 0]]))
NEW = np.array([False, True, True, False, False])
JUDGED = Judged("test", ["a", "b", "c"], GAINS, NEW, {"head": np.array([True, False, False])})


def test_a_list_is_worth_what_its_places_are():
    table = measured("one", np.array([[3, 0, 1], [2, 1, 0], [4, -1, -1]]), JUDGED).set_index("unit")
    assert table.loc[0, NDCG] == pytest.approx((1 + 2 / 2) / (2 + 1 / np.log2(3)))
    assert table.loc[0, [RECALL, MRR, RECALL_NEW]].tolist() == [1, 1, 1]
    assert table.loc[2, [NDCG, RECALL, MRR]].tolist() == [0, 0, 0]
    assert np.isnan(table.loc[2, RECALL_NEW])
    assert table["head"].tolist() == [True, False]


def test_a_query_to_which_nothing_is_worth_anything_does_not_count():
    assert measured("one", np.array([[1], [1], [0]]), JUDGED)["unit"].tolist() == [0, 2]


def test_the_first_hit_counts_for_mrr_and_what_is_no_item_for_nothing():
    table = measured("one", np.array([[-1, 0, 3], [0, 0, 0], [-1, -1, -1]]), JUDGED).set_index("unit")
    assert table.loc[0, MRR] == pytest.approx(1 / 3)
    assert table.loc[0, RECALL] == 0.5
    assert table.loc[2, NDCG] == 0
    assert table.loc[0, [RECALL_NEW, RECALL_KNOWN]].tolist() == [0, 1]  # item 3 has a train query, item 1 has none
