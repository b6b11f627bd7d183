import numpy as np
import torch

from recaug.training.models.counts import CountsGenerator
from recaug.training.models.covisitation import CoVisitation, Informed, ItemLikeness, near_entries
from recaug.training.models.scores import Scores


def table(pairs: dict[tuple[int, int], float], n_items: int, **settings: float) -> CoVisitation:
    """A full table of neighbours from a dictionary of weights."""
    weights = torch.zeros(n_items + 1, n_items + 1)
    for (item, other), weight in pairs.items():
        weights[item, other] = weight
    ids = torch.arange(n_items + 1).expand(n_items + 1, -1).clone()
    return CoVisitation(ids, weights, window=2, backward=0.5, decay=0.5)


def test_older_events_weigh_less() -> None:
    near = table({(1, 3): 2.0, (2, 4): 1.0, (2, 3): 1.0}, 4)
    scores = near.score(torch.tensor([[1, 2, 0]]))
    assert scores.tolist() == [[0, 0, 0, 2.0 * 0.5 + 1.0, 1.0]]


def test_scores_sum_to_one_or_to_nothing() -> None:
    near = table({(1, 3): 2.0, (2, 4): 1.0}, 4)
    assert near(torch.tensor([[1, 2], [3, 0], [0, 0]])).sum(dim=1).tolist() == [1.0, 0.0, 0.0]


def test_a_row_alone_in_the_counts_scores_nothing_without_its_own_pairs() -> None:
    # one user 1, 2, 3 with window 2 and backward .5: what Spark counts of it
    pairs = {(1, 2): 1.0, (2, 3): 1.0, (1, 3): 0.5, (2, 1): 0.5, (3, 2): 0.5, (3, 1): 0.25}
    near, history = table(pairs, 3), torch.tensor([[1, 2, 3]])
    for context in ([[1, 0, 0]], [[1, 2, 0]], [[1, 2, 3]]):
        assert near.score(torch.tensor(context)).sum() > 0
        assert near(torch.tensor(context), history).tolist() == [[0, 0, 0, 0]]


def test_no_pair_of_a_row_is_left_where_the_user_had_an_item_twice() -> None:
    """The counts add up all events of an item: those behind the context, and those beside it."""
    # one user 1, 2, 1, 1, 3 with window 2 and backward .5; another had 2 after 1 and, with 4, 1 after 4
    own = {(1, 2): 1.0 + 0.5 + 0.25, (2, 1): 0.5 + 1.0 + 0.5, (1, 3): 1.0 + 0.5, (3, 1): 0.5 + 0.25}
    history = torch.tensor([[1, 2, 1, 1, 3]])
    alone, beside = table(own, 4), table(own | {(1, 2): own[1, 2] + 1, (4, 1): 1.0, (2, 4): 1.0}, 4)
    for length in range(1, 6):
        context = torch.where(torch.arange(5) < length, history, 0)
        assert alone(context, history).tolist() == [[0.0] * 5]
        left = beside.score(context) - beside.own_score(context, history)
        theirs = table({(1, 2): 1.0, (4, 1): 1.0, (2, 4): 1.0}, 4).score(context)
        torch.testing.assert_close(left, theirs)


def test_pairs_of_others_stay() -> None:
    pairs = {(1, 2): 1.0 + 3.0, (2, 1): 0.5}
    context, history = torch.tensor([[1, 0]]), torch.tensor([[1, 2]])
    assert table(pairs, 2).score(context).tolist() == [[0, 0, 4.0]]
    near = table(pairs, 2)
    assert (near.score(context) - near.own_score(context, history)).tolist() == [[0, 0, 3.0]]


def test_what_rounding_leaves_of_a_rows_own_pairs_is_no_count() -> None:
    history = torch.tensor([[1, 3, 4, 2]])  # 1 and 2 three events apart: a third, to six decimals
    near = CoVisitation(
        torch.tensor([[0], [2], [0], [0], [0]]),
        torch.tensor([[0.0], [0.333334], [0.0], [0.0], [0.0]]),
        window=3,
        backward=0.5,
        decay=0.5,
    )
    context = torch.tensor([[1, 0, 0, 0]])
    assert 0 < float((near.score(context) - near.own_score(context, history))[0, 2]) < 1e-5
    assert near(context, history).tolist() == [[0, 0, 0, 0, 0]]


def test_no_pair_is_left_of_a_long_row_over_few_items() -> None:
    """A hundred large weights round by more than a single pair's do."""
    random = np.random.default_rng(0)
    for _ in range(20):
        history = random.integers(1, 6, 100)
        weights = np.zeros((6, 6))
        for gap in range(1, 51):
            one, two = history[:-gap], history[gap:]
            for rows, others in ((one, two), (two, one)):
                np.add.at(weights, (rows[one != two], others[one != two]), 1 / gap)
        ids = torch.arange(6).expand(6, -1).clone()
        near = CoVisitation(ids, torch.from_numpy(weights.round(6)), window=50, backward=1.0, decay=0.95)
        context = torch.from_numpy(np.where(np.arange(100) < 99, history, 0))[None]
        (found,) = near_entries(near, None, context, torch.from_numpy(history)[None])
        assert found.item.tolist() == []


def test_counts_continue_without_the_users_own_pairs_and_by_likeness() -> None:
    # 1 -> 2 by this user alone, 1 -> 3 by two others; 4 is like 1 in the catalogue
    near = table({(1, 2): 1.0, (1, 3): 2.0}, 4)
    likeness = ItemLikeness(torch.tensor([[0], [4], [0], [0], [0]]), torch.tensor([[0.0], [0.25], [0.0], [0.0], [0.0]]))
    items, history = torch.tensor([[1]]), torch.tensor([[1, 2]])
    by_counts = CountsGenerator(near, share=0.0)
    assert by_counts.next_logits(items, history).exp().tolist() == [[0, 0, 0, 1, 0]]
    mixed = CountsGenerator(near, likeness, share=0.25)
    chances = mixed.next_logits(items, history)
    torch.testing.assert_close(chances.exp(), torch.tensor([[0, 0, 0, 0.75, 0.25]]))
    found = mixed.fidelity(items, torch.tensor([[3, 4]]), Scores(chances))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1 / 3]]))


def test_what_is_learned_of_the_informed_term_gets_a_gradient() -> None:
    informed = Informed(table({(1, 2): 1.0}, 2), torch.zeros(3))
    informed(torch.tensor([[1, 0]]))[0, 2].backward()
    assert informed.weight.grad is not None
    assert informed.weight.grad.abs() > 0
    assert informed.log_floor.grad is not None
    assert informed.log_floor.grad.abs() > 0


def test_the_informed_term_knows_what_is_alike_and_learns_how_much_that_says() -> None:
    likeness = ItemLikeness(torch.tensor([[0], [3], [0], [0]]), torch.tensor([[0.0], [0.5], [0.0], [0.0]]))
    popularity = torch.full((4,), -1.0)
    informed = Informed(table({(1, 2): 1.0}, 3), popularity, likeness)
    logits = informed(torch.tensor([[1, 0]]))
    torch.testing.assert_close(logits[0].exp(), torch.tensor([0.0, 0.0, 1.0, 0.25]) + 0.1 / 4)
    logits[0, 3].backward()
    assert informed.log_share is not None
    assert informed.log_share.grad is not None
    assert informed.log_share.grad > 0


def test_the_informed_term_ranks_as_the_counts_do_and_then_by_popularity() -> None:
    popularity = torch.tensor([-20.0, -3.0, -2.0, -1.0, -2.5])
    informed = Informed(table({(1, 2): 1.0, (1, 4): 2.0}, 4), popularity)
    logits = informed(torch.tensor([[1, 0], [3, 0]]))
    assert logits.argsort(dim=1, descending=True).tolist() == [[4, 2, 3, 1, 0], [3, 2, 4, 1, 0]]
    torch.testing.assert_close(logits[0, 4], torch.log(2 / 3 + 0.1 * torch.softmax(popularity, 0)[4]))
