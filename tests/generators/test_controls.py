"""Rows that know nothing, which other rows have to beat."""

import torch
from tests.generators.shop import ITEMS, histories, sample

from recaug.generators.base import DrawContinuations
from recaug.generators.controls import DrawByPopularity, DrawOne, Popular, Repeated
from recaug.generators.counts import Counts
from recaug.lake.store import Store
from recaug.training.checkpoint import finish_model
from recaug.training.models.popularity import PopularityGenerator


def test_real_rows_come_again_each_after_the_event_before_it(train):
    found = sample(train, dict.fromkeys((0, 1), "repeated"), Repeated(draw=DrawOne(weight=0.4))).toPandas()
    drawn = found.set_index("parent_event_id")["item_index"].to_dict()
    expected = {
        f"u{user:03}e{place}": after
        for user, items in histories().items()
        for place, after in enumerate(items[1:])
        if after not in items[: place + 1]  # in discovery nothing comes again, not in the real rows either
    }
    assert drawn == expected
    assert set(found["weight"]) == {0.4}
    assert set(found["fidelity"]) == {1.0}


def test_rows_by_popularity_are_as_popular_whatever_came_before(train, tmp_path):
    chances = torch.zeros(ITEMS + 1)
    chances[[1, 2]] = torch.tensor([0.75, 0.25])
    module = PopularityGenerator(ITEMS, torch.log(chances))
    finish_model(Store(tmp_path / "popular"), module, {"arguments": {"n_items": ITEMS}})
    popular = Popular(draw=DrawByPopularity(continuations=1))
    found = sample(train, dict.fromkeys((0, 1), str(tmp_path / "popular")), popular).toPandas()
    had = {f"u{user:03}": set(items) for user, items in histories().items()}
    free = [item for user, item in zip(found["user_id"], found["item_index"], strict=True) if not had[user] & {1, 2}]
    assert set(found["item_index"]) == {1, 2}
    assert len(free) > 50
    assert 0.65 < free.count(1) / len(free) < 0.85


def test_only_controls_are_controls():
    assert Repeated().control
    assert Popular().control
    assert not Counts(draw=DrawContinuations()).control
