"""What networks draw: continuations and users, of the right fold, anew by the seed."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import torch
from tests.generators.shop import DATE, ITEMS, SCHEMA, L, histories, sample, windows
from tests.training.conftest import entry, small_config

from recaug.generators.base import DrawBoth, Request
from recaug.generators.gan import DrawRejecting
from recaug.generators.histories import gather
from recaug.generators.sampling import DAY, generate, to_events
from recaug.lake.content import content_hash
from recaug.lake.store import Store
from recaug.training.checkpoint import finish_model
from recaug.training.models.behaviour_gan import BehaviourGAN
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.scores import Scores

DRAW = {"continuations": 2, "histories": 0.5, "weight": 0.3, "history_weight": 0.2}


def neural(kind, **changes):
    """The demo's VAE or GAN as it is sampled here."""
    kind = kind.removesuffix(" by candidates")
    return entry(small_config(), kind, draw={"vae": DrawBoth, "gan": DrawRejecting}[kind](**DRAW | changes))


def model(folder: Store, architecture: str, favourites: range) -> str:
    """A generator that hardly ever draws anything but `favourites`."""
    torch.manual_seed(0)
    arguments = {"n_items": ITEMS, "hidden": 8, "z_dim": 4, "dropout": 0.0}
    popularity = torch.full((ITEMS + 1,), -20.0)
    popularity[list(favourites)] = 0.0
    if architecture == "gan":
        arguments["spectral_norm"] = False
    if architecture == "vae by candidates":
        arguments["full_softmax_items"] = 10
    module = {"gan": BehaviourGAN}.get(architecture, BehaviourVAE)(**arguments, log_popularity=popularity)
    finish_model(folder, module, {"arguments": arguments, "seconds": 0, "curves": []})
    return folder.root


@pytest.fixture(params=["vae", "gan", "vae by candidates"])
def kind(request):
    return request.param


@pytest.fixture
def models(kind, tmp_path):
    return {0: model(Store(tmp_path / "a"), kind, range(1, 21)), 1: model(Store(tmp_path / "b"), kind, range(21, 41))}


def test_of_its_time_a_generated_row_says_the_day_alone():
    """T10: by its second a row would tell whose event it follows. A history's events keep their order."""
    noon, late = 20 * DAY + DAY // 2, 22 * DAY + 1
    drawn = [("u1", "e1", noon), ("g1", None, noon), ("g1", None, noon), ("g1", None, noon + 5), ("g1", None, late)]
    rows = pd.DataFrame(drawn, columns=["user_id", "parent_event_id", "event_second"])
    made = to_events(rows.assign(fold=0, serial=range(5)), Request("vae", 1, DATE, L, False, 16))
    assert made["event_id"].is_unique
    assert made["event_second"][0] == 20 * DAY
    before = rows.assign(event_id=made["event_id"])[1:].sort_values(["event_second", "event_id"])
    own = made[1:].sort_values("event_second")
    assert own["event_id"].tolist() == before["event_id"].tolist()
    assert own["event_second"].tolist() == [20 * DAY, 20 * DAY + 1, 20 * DAY + 2, late]  # none later than it was drawn


def test_windows_are_joined_to_the_history_that_they_were_cut_from():
    real = histories(5)
    rows = pd.DataFrame([row for user, items in real.items() for row in reversed(windows(user, items))])
    joined = gather(rows)
    for user, items in real.items():
        own = slice(joined.starts[user], joined.starts[user + 1])
        assert joined.items[own].tolist() == items
        assert joined.event_ids[own].tolist() == [f"u{user:03}e{k}" for k in range(len(items))]


def test_a_context_is_the_last_events_up_to_its_end():
    joined = gather(pd.DataFrame(windows(0, list(range(1, 10)))))
    contexts = joined.contexts(np.array([1, 8]), np.array([0, 0]), 4)
    assert contexts.tolist() == [[1, 2, 0, 0], [6, 7, 8, 9]]
    longer = joined.contexts(np.array([1, 7]), np.array([0, 0]), 4, after=2)
    assert longer.tolist() == [[1, 2, 3, 4, 0, 0], [5, 6, 7, 8, 9, 0]]


def test_every_event_gets_its_continuations_and_none_repeats_what_the_user_had(train, models, kind):
    found = sample(train, models, neural(kind)).where("parent_event_id IS NOT NULL").toPandas()
    real = histories()
    assert len(found) == 2 * sum(len(items) for items in real.values())
    for parent, group in found.groupby("parent_event_id"):
        user, event = int(parent[1:4]), int(parent[5:])
        assert set(group["user_id"]) == {f"u{user:03}"}
        assert group["item_index"].nunique() == 2
        assert not set(group["item_index"]) & set(real[user][: event + 1])
    assert set(found["weight"]) == {0.15}
    assert (found["source_users"].map(list) == found["user_id"].map(lambda user: [user])).all()


def test_a_user_is_sampled_from_the_model_that_left_the_fold_out(train, models, kind):
    found = sample(train, models, neural(kind), discovery=False).where("parent_event_id IS NOT NULL").toPandas()
    fold = found["user_id"].str[1:].astype(int) % 2
    assert (found.loc[fold == 0, "item_index"] <= 20).mean() > 0.95
    assert (found.loc[fold == 1, "item_index"] > 20).mean() > 0.95


def test_a_generated_user_is_new_has_distinct_items_and_names_its_sources(train, models, kind):
    found = sample(train, models, neural(kind)).where("parent_event_id IS NULL").toPandas()
    real = histories()
    assert found["user_id"].str.startswith("generated-").all()
    lengths = {min(len(items), L) for items in real.values() if len(items) >= 3}
    for _, group in found.groupby("user_id"):
        assert group["item_index"].is_unique
        assert len(group) in lengths
        assert group["event_time"].is_unique
        (sources,) = {tuple(users) for users in group["source_users"]}
        assert all(len(real[int(user[1:])]) >= 3 for user in sources)
    assert 5 <= found["user_id"].nunique() <= 20  # half of some 25 users of three events or more


def test_of_a_new_user_the_model_is_told_nothing_but_length_and_times(spark, train, models, kind):
    """What users had is exchanged, 1 for 40, 2 for 39 and so on: varied users change with it, new ones do not."""
    mirrored = [row for user, items in histories().items() for row in windows(user, [ITEMS + 1 - i for i in items])]
    other = spark.createDataFrame(pd.DataFrame(mirrored), SCHEMA)
    order = ["user_id", "event_time", "item_index"]

    def drawn(rows, new_users):
        generator = neural(kind, continuations=0, histories=2.0, new_users=new_users)
        return sample(rows, models, generator).orderBy(order).toPandas()

    new = drawn(train, 1.0)
    assert new[order].equals(drawn(other, 1.0)[order])
    assert not drawn(train, 0.0)[order].equals(drawn(other, 0.0)[order])
    assert set(new["source_users"].str.len()) == {1}
    assert set(drawn(train, 0.5)["source_users"].str.len()) == {1, 2}
    assert new["user_id"].nunique() == 2 * sum(len(items) >= 3 for items in histories().values())


def test_the_rows_depend_on_the_seed_and_not_on_partitions_or_the_order_of_rows(train, models, kind):
    first = content_hash(sample(train, models, neural(kind)))
    again = content_hash(sample(train.repartition(7).orderBy("length"), models, neural(kind)))
    assert first == again
    assert content_hash(sample(train, models, neural(kind), seed=2)) != first
    # of another night of the same rows the same is drawn, under names of its own
    names = (
        sample(train, models, neural(kind))
        .select("event_id")
        .intersect(sample(train, models, neural(kind), date=dt.date(2017, 2, 5)).select("event_id"))
    )
    assert names.count() == 0


@pytest.mark.parametrize("kind", ["vae"], indirect=True)
def test_few_bytes_are_sampled_by_every_slot(spark, train, models, kind):
    """An adaptive plan puts what is small into one task, though it takes a model minutes."""
    adaptive = spark.conf.get("spark.sql.adaptive.enabled")
    spark.conf.set("spark.sql.adaptive.enabled", "true")
    try:
        slots = spark.sparkContext.defaultParallelism
        for buckets, tasks in ((2, 2), (64, 4 * slots)):
            rows = generate(train, neural(kind), models, Request("vae", 1, DATE, L, False, 16), buckets)
            rows.count()  # the plan is settled
            assert rows.rdd.getNumPartitions() == tasks
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", adaptive)


@pytest.mark.parametrize("kind", ["vae"])
def test_other_seeds_and_other_buckets_draw_other_items(spark, models, kind):
    """Users who had the same, a bucket each: whoever shares random numbers with another draws what the other does."""
    alike = [row | {"fold": 0} for user in range(40) for row in windows(user, [1, 2, 3])]
    rows, generator = spark.createDataFrame(pd.DataFrame(alike), SCHEMA), neural(kind, histories=0.0)
    drawn = []
    for seed in (1, 2):
        request = Request(generator.name, seed, DATE, L, False, batch_rows=16)
        found = generate(rows, generator, models, request, buckets=10_000).toPandas()
        by_user = found.sort_values(["parent_event_id", "item_index"]).groupby("user_id")["item_index"].agg(tuple)
        assert by_user.nunique() > 35
        drawn.append(by_user)
    assert (drawn[0] != drawn[1]).mean() > 0.9


@pytest.mark.parametrize("kind", ["gan"])
def test_what_the_discriminator_rejects_is_left_out(train, models, kind):
    gan = neural("gan", oversampling=3, histories=0.0)
    found = sample(train, models, gan).toPandas()
    events = sum(len(items) for items in histories().values())
    assert 0.5 * events < len(found) < 2 * events
    counts = found.groupby("parent_event_id")["item_index"].agg(["size", "nunique"])
    assert (counts["size"] == counts["nunique"]).all()
    assert set(counts["size"]) == {1, 2}
    assert set(found["weight"]) == {0.15}
    assert content_hash(sample(train.repartition(5), models, gan)) == content_hash(sample(train, models, gan))


def test_event_ids_are_unique_and_fidelity_is_a_share(train, models, kind):
    found = sample(train, models, neural(kind)).toPandas()
    assert found["event_id"].is_unique
    assert found["fidelity"].between(0, 1).all()
    assert found["generator_version"].nunique() == 1


def test_ordered_draws_have_the_chances_of_drawing_one_after_the_other():
    chances, temperature, rows = np.array([0.0, 0.5, 0.25, 0.15, 0.1]), 2.0, 40_000
    logits = temperature * torch.log(torch.tensor(chances, dtype=torch.float32)).expand(rows, -1)
    found = Scores(logits).draw(3, temperature, torch.Generator().manual_seed(3)).numpy()
    for ordered in ((a, b, c) for a in range(1, 5) for b in range(1, 5) for c in range(1, 5) if len({a, b, c}) == 3):
        first, second, third = chances[list(ordered)]
        expected = first * second / (1 - first) * third / (1 - first - second)  # Plackett-Luce
        share = (found == ordered).all(axis=1).mean()
        assert share == pytest.approx(expected, abs=5 * np.sqrt(expected / rows))


def test_nothing_seen_is_drawn_and_a_row_without_items_left_gives_none():
    logits = torch.zeros(3, 6)
    logits[:, 0] = -torch.inf
    rows = [0, 0, 1, 1, 1, 2, 2, 2, 2, 2]
    items = [1, 2, 1, 2, 3, 1, 2, 3, 4, 5]
    seen = torch.tensor(rows), torch.tensor(items)
    found = Scores(logits).draw(4, 1.0, torch.Generator().manual_seed(0), seen).tolist()
    assert sorted(found[0]) == [0, 3, 4, 5]
    assert sorted(found[1]) == [0, 0, 4, 5]
    assert found[2] == [0, 0, 0, 0]
