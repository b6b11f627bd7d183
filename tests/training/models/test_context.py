import torch

from recaug.training.models.context import Bag, distinct, last_items, sample_prefixes


def test_distinct_keeps_each_item_once() -> None:
    assert distinct(torch.tensor([[3, 1, 3, 0], [2, 2, 2, 2]])).sort(dim=1).values.tolist() == [
        [0, 0, 1, 3],
        [0, 0, 0, 2],
    ]


def test_the_last_item_is_the_one_before_the_padding() -> None:
    assert last_items(torch.tensor([[3, 1, 0], [5, 6, 7], [0, 0, 0]])).tolist() == [1, 7, 0]


def test_prefixes_keep_at_least_one_event_and_leave_at_least_one() -> None:
    rows = torch.tensor([[1, 2, 3, 4, 0], [5, 6, 0, 0, 0], [7, 0, 0, 0, 0]]).repeat(200, 1)
    lengths = (sample_prefixes(rows, torch.Generator().manual_seed(0)) > 0).sum(dim=1).view(200, 3)
    assert sorted(set(lengths[:, 0].tolist())) == [1, 2, 3]
    assert set(lengths[:, 1].tolist()) == {1}
    assert set(lengths[:, 2].tolist()) == {1}


def test_a_bag_equals_a_linear_layer_over_the_normalised_multi_hot() -> None:
    torch.manual_seed(0)
    bag = Bag(6, 3)
    multi_hot = torch.tensor([[0.0, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])
    expected = torch.nn.functional.normalize(multi_hot) @ bag.embedding.weight + bag.bias
    torch.testing.assert_close(bag(torch.tensor([[3, 1, 3], [0, 0, 0]])), expected)
