"""The gate over twenty plantings: generated rows that are worth nothing are held, rows that are worth something pass.

One shop where few real histories are known. The recommender, its loss, the measures of collapse and the gate are those
of a night; real users of the same shop, disguised as generated, are what a perfect generator would write.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyspark.sql import SparkSession
from tests.evaluate.units import lift_of
from tests.training.conftest import small_config

from recaug.evaluate.draws import Draws
from recaug.evaluate.fidelity import collapse
from recaug.evaluate.gate import decide
from recaug.evaluate.statistics import Bounds
from recaug.training.models.sasrec import SASRec
from recaug.training.next_item import SASRecTask
from recaug.training.validation import ndcg_at_k

PLANTINGS, MODEL_SEEDS = 20, 2
N_ITEMS, LENGTH, REAL_USERS, PLANTED_USERS, TEST_USERS = 48, 8, 40, 200, 300
STEPS, BATCH_ROWS = 30, 32
RATE = 0.03  # of learning
COMMON = 4  # items that the planted lovers of the popular buy

Histories = NDArray[np.int64]
SHOP = np.random.default_rng(7)
FOLLOWERS = np.stack([SHOP.permutation(N_ITEMS) + 1 for _ in range(3)], axis=1)  # of each item


def shop_users(random: np.random.Generator, users: int, length: int = LENGTH) -> Histories:
    """Users who buy one of an item's three followers after it four times of five. (users, length)."""
    bought = np.empty((users, length), dtype=np.int64)
    bought[:, 0] = random.integers(1, N_ITEMS + 1, users)
    for place in range(1, length):
        follower = FOLLOWERS[bought[:, place - 1] - 1, random.integers(3, size=users)]
        bought[:, place] = np.where(random.random(users) < 0.8, follower, random.integers(1, N_ITEMS + 1, users))
    return bought


REAL = shop_users(SHOP, REAL_USERS)


def popular(random: np.random.Generator, users: int) -> Histories:
    """Nothing but the most frequent items."""
    most = np.bincount(REAL.ravel(), minlength=N_ITEMS + 1).argsort()[-COMMON:]
    return random.choice(most, (users, LENGTH))


PLANTS: dict[str, Callable[[np.random.Generator, int], Histories]] = {
    "disguised": shop_users,
    "random": lambda random, users: random.integers(1, N_ITEMS + 1, (users, LENGTH)),
    "popular": popular,
    "copies": lambda random, users: REAL[random.integers(len(REAL), size=users)],
}


def user_ndcg(histories: Histories, held_out: Histories, seed: int) -> NDArray[np.float64]:
    """NDCG@10 of each test user's last item, by a recommender trained on the histories; the steps are always as many.

    The start and the dropout depend on the seed alone.
    """
    torch.manual_seed(seed)
    model = SASRec(N_ITEMS, dim=16, blocks=1, heads=1, dropout=0.1, max_length=LENGTH)
    task = SASRecTask(model, RATE)
    optimiser = torch.optim.AdamW(model.parameters(), RATE)
    rows, order = torch.from_numpy(histories), np.random.default_rng(seed)
    for _ in range(STEPS):
        (update,) = task.updates({"items": rows[order.integers(len(rows), size=BATCH_ROWS)]}, 0.0, 0)
        optimiser.zero_grad()
        update.loss.backward()
        optimiser.step()
    model.eval()
    with torch.inference_mode():
        logits = model.next_logits(torch.from_numpy(held_out[:, :-1]))
    return ndcg_at_k(logits, torch.from_numpy(held_out[:, -1:]), torch.ones(len(held_out), dtype=torch.int64)).numpy()


@pytest.mark.slow
def test_twenty_bad_generators_of_each_kind_are_held_and_twenty_good_ones_published(spark: SparkSession) -> None:
    gate = small_config().evaluate.gate
    held_out = shop_users(np.random.default_rng(99), TEST_USERS)
    base = [user_ndcg(REAL, held_out, seed) for seed in range(PLANTINGS + MODEL_SEEDS)]
    planted = {
        f"{kind} {planting}": plant(np.random.default_rng([planting, 1]), PLANTED_USERS)
        for kind, plant in PLANTS.items()
        for planting in range(PLANTINGS)
    }
    candidates = spark.createDataFrame(
        [
            (name, f"generated-{user}", item, None, 1.0)
            for name, histories in planted.items()
            for user, items in enumerate(histories.tolist())
            for item in items
        ],
        "generator string, user_id string, item_index int, parent_event_id string, fidelity double",
    )
    real_users = spark.createDataFrame(list(enumerate(REAL.tolist())), "user_index int, items array<int>")
    real_events = spark.createDataFrame([(int(item),) for item in REAL.ravel()], "item_index int")
    fidelity = collapse(candidates, planted, real_events, real_users)
    decisions: dict[str, list[str]] = {kind: [] for kind in PLANTS}
    for name, histories in planted.items():
        kind, planting = name.split()
        seeds = range(int(planting), int(planting) + MODEL_SEEDS)
        arm = np.stack([user_ndcg(np.concatenate([REAL, histories]), held_out, seed) for seed in seeds])
        draws, bounds = Draws(gate.bootstraps, seeds[0]), Bounds(gate.confidence)
        lift = lift_of(np.stack([base[seed] for seed in seeds]), arm, draws, bounds)
        verdict = decide(name, {"overall": lift}, fidelity[name], gate)
        decisions[kind].append(verdict.decision)
        if kind == "copies":
            assert "copied histories" in " ".join(verdict.reasons)
    assert decisions == {kind: ["publish" if kind == "disguised" else "hold"] * PLANTINGS for kind in PLANTS}
