"""Variations of a history, as places in it."""

import pytest
import torch

from recaug.generators.classic import Ways
from recaug.generators.variations import WAYS, vary

N = 10


def some(way: str, share: float, n: int = N, times: int = 200) -> list[tuple[list[int], list[bool]]]:
    """Many variations in one way."""
    random = torch.Generator().manual_seed(0)
    made = [vary(n, {way: share}, random) for _ in range(times)]
    return [(one.places.tolist(), one.drawn.tolist()) for one in made]


def test_a_crop_is_so_many_events_on_end_and_starts_anywhere():
    made = some("crop", 0.6)
    assert all(places == list(range(places[0], places[0] + 6)) for places, _ in made)
    assert {places[0] for places, _ in made} == set(range(5))
    assert not any(any(drawn) for _, drawn in made)


def test_a_mask_leaves_so_many_out_and_keeps_the_order():
    made = some("mask", 0.3)
    assert all(len(places) == 7 and places == sorted(set(places)) for places, _ in made)
    assert set(range(N)) == {place for places, _ in made for place in set(range(N)) - set(places)}


def test_reordered_events_lie_on_end_and_none_is_lost():
    made = some("reorder", 0.5)
    assert all(sorted(places) == list(range(N)) for places, _ in made)
    moved = [[k for k, place in enumerate(places) if k != place] for places, _ in made]
    assert all(not few or few[-1] - few[0] < 5 for few in moved)
    assert len({tuple(places) for places, _ in made}) > 50


def test_substitutes_take_the_place_of_so_many():
    made = some("substitute", 0.3)
    assert all(places == list(range(N)) and sum(drawn) == 3 for places, drawn in made)
    assert {k for _, drawn in made for k, one in enumerate(drawn) if one} == set(range(N))


def test_what_is_inserted_follows_so_many():
    for places, drawn in some("insert", 0.3):
        assert len(places) == 13
        assert [place for place, one in zip(places, drawn, strict=True) if not one] == list(range(N))
        assert all(places[k] == places[k - 1] for k, one in enumerate(drawn) if one)


@pytest.mark.parametrize("way", WAYS)
def test_of_a_single_event_one_is_left(way: str):
    for places, _ in some(way, 0.9, n=1, times=5):
        assert places[0] == 0


def test_every_way_with_a_share_comes_as_often():
    random = torch.Generator().manual_seed(0)
    shares = Ways(crop=0.6, mask=0.3, substitute=0.0, insert=0.3).shares
    lengths = [len(vary(N, shares, random).places) for _ in range(900)]
    assert {lengths.count(6), lengths.count(7), lengths.count(13)} <= set(range(240, 361))
