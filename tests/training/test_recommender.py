import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.training.conftest import MAX_LENGTH, N_ITEMS, USERS, binary, histories, small_config

from recaug.evaluate.arms import training_rows
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.training.checkpoint import load_recommender, read_meta
from recaug.training.inputs import log_popularity, validation_sample
from recaug.training.recommender import SASRecJob, train_sasrec
from recaug.training.targets import next_item_targets
from recaug.training.validation import VALIDATION_NDCG, validation_ndcg


@pytest.fixture
def job(toy: Lake, train_files: list[str], negatives_files: list[str], tmp_path: Path) -> SASRecJob:
    return SASRecJob(
        name="none-seed0",
        models=Store(tmp_path / "models"),
        files=train_files,
        content_hash="a",
        real_rows=USERS,
        seed=0,
        n_items=N_ITEMS,
        log_popularity=log_popularity(toy.read("vocabulary")),
        negatives_files=negatives_files,
        augmented=False,
    )


def test_each_position_predicts_the_next_item_and_nothing_after_the_last() -> None:
    items = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]])
    inputs, targets, weights = next_item_targets({"items": items})
    assert inputs.tolist() == [[1, 2], [4, 5]]  # cut to the longest
    assert targets.squeeze(2).tolist() == [[2, 3], [5, 0]]
    assert weights.squeeze(2).tolist() == [[1, 1], [1, 0]]


def test_continuations_are_more_targets_with_their_weight() -> None:
    batch = {
        "items": torch.tensor([[1, 2, 0, 0], [4, 0, 0, 0]]),
        "continuations": torch.tensor([[7, 0, 8, 9, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0]]),
        "continuation_weights": torch.tensor(
            [[0.5, 0.0, 0.5, 0.125, 0.0, 0.0, 0.0, 0.0], [0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
        ),
        "row_weight": torch.tensor([1.0, 2.0]),
    }
    inputs, targets, weights = next_item_targets(batch)
    assert inputs.tolist() == [[1, 2], [4, 0]]
    assert targets.tolist() == [[[2, 7, 0], [0, 8, 9]], [[0, 6, 0], [0, 0, 0]]]
    assert weights.tolist() == [[[1.0, 0.5, 0.0], [0.0, 0.5, 0.125]], [[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]]


def test_rows_without_continuations_cost_nothing() -> None:
    items = torch.tensor([[1, 2, 3, 0]])
    plain = next_item_targets({"items": items})
    empty = next_item_targets(
        {
            "items": items,
            "continuations": torch.zeros(1, 8, dtype=torch.int64),
            "continuation_weights": torch.zeros(1, 8),
            "row_weight": torch.ones(1),
        }
    )
    for one, other in zip(plain, empty, strict=True):
        assert torch.equal(one, other)


def test_the_best_epoch_on_validation_users_is_kept(toy: Lake, job: SASRecJob, spark: SparkSession) -> None:
    sample = validation_sample(toy.read("sequences").where("split = 'validation'"), MAX_LENGTH)
    watched = dataclasses.replace(job, validation=sample, mask_seen=True)
    optimiser = {"epochs": 12, "learning_rate": 0.05, "patience": 2}
    (trained,) = train_sasrec([watched], spark, small_config({"sasrec": {"optimiser": optimiser}}), "test")
    ranked = [curve[VALIDATION_NDCG] for curve in trained.curves]
    assert trained.epoch == np.argmax(ranked)
    assert len(ranked) == trained.epoch + 3
    kept = load_recommender(trained.folder).next_logits
    assert validation_ndcg(kept, sample, True, torch.device("cpu")) == pytest.approx(max(ranked))
    others = sample._replace(targets=sample.targets.roll(1, dims=0))
    (again,) = train_sasrec(
        [dataclasses.replace(watched, validation=others)],
        spark,
        small_config({"sasrec": {"optimiser": optimiser}}),
        "test",
    )
    assert again.folder != trained.folder


@pytest.mark.parametrize("full_softmax_items", [1000, 0])
def test_it_learns_from_the_lake_and_is_found_again(
    toy: Lake, job: SASRecJob, spark: SparkSession, full_softmax_items: int
) -> None:
    config = small_config({"sasrec": {"full_softmax_items": full_softmax_items}})
    jobs = [job, dataclasses.replace(job, name="none-seed1", seed=1)]
    first, second = train_sasrec(jobs, spark, config, "test")
    assert not first.reused
    assert first.folder != second.folder
    assert first.curves[-1]["loss"] < first.curves[0]["loss"]
    sample = validation_sample(toy.read("sequences").where("split = 'validation'"), MAX_LENGTH)
    learned = validation_ndcg(load_recommender(first.folder).next_logits, sample, True, torch.device("cpu"))
    assert learned > 1.5 * 2 / N_ITEMS * 5  # what chance gives is about two hits among forty items
    again = train_sasrec(jobs, spark, config, "test")
    assert [model.reused for model in again] == [True, True]
    assert [model.folder for model in again] == [first.folder, second.folder]


def test_what_is_known_of_the_items_goes_with_the_weights(job: SASRecJob, spark: SparkSession) -> None:
    features = np.zeros((N_ITEMS + 1, 2), dtype=np.float32)
    features[1:, 0] = np.arange(1, N_ITEMS + 1) % 2  # the parity that the users keep to
    jobs = [job, dataclasses.replace(job, name="known", item_features=features)]
    plain, known = train_sasrec(
        jobs, spark, small_config({"sasrec": {"layers": "ligr", "positions": "relative"}}), "test"
    )
    assert known.curves[0]["loss"] < plain.curves[0]["loss"]
    model = load_recommender(known.folder)
    assert np.array_equal(model.features.numpy(), features)
    assert read_meta(known.folder)["arguments"].items() >= {"layers": "ligr", "relative": True}.items()
    assert torch.isfinite(model.next_logits(torch.tensor([[2, 4, 6]]))[:, 1:]).all()


def test_prefixes_are_learnt_from(toy: Lake, job: SASRecJob, spark: SparkSession, tmp_path: Path) -> None:
    config = small_config({"sasrec": {"layers": "bsarec", "prefix_events": 5}})
    (trained,) = train_sasrec([job], spark, config, "test")
    meta = read_meta(trained.folder)
    assert len(trained.curves) == config.sasrec.optimiser.epochs
    assert meta["arguments"].items() >= {"layers": "bsarec", "prefixes": True, "max_length": 6}.items()
    model = load_recommender(trained.folder)
    sample = validation_sample(toy.read("sequences").where("split = 'validation'"), MAX_LENGTH)
    assert validation_ndcg(model.next_logits, sample, True, torch.device("cpu")) > 1.5 * 2 / N_ITEMS * 5
    listed = torch.tensor([[1, 7, 9], [3, 4, 5]])
    histories = torch.tensor([[2, 4, 6, 8, 10, 12, 14], [1, 3, 0, 0, 0, 0, 0]])  # one of more than five events
    torch.testing.assert_close(model.next_scores(histories, listed), model.next_logits(histories).gather(1, listed))
    elsewhere = dataclasses.replace(job, models=Store(tmp_path / "elsewhere"))
    (again,) = train_sasrec([elsewhere], spark, config, "test")
    assert read_meta(again.folder)["weights"] == meta["weights"]


def test_the_same_seed_gives_the_same_weights_to_the_last_bit_here_and_in_a_task(
    job: SASRecJob, spark: SparkSession, tmp_path: Path
) -> None:
    jobs = [job, dataclasses.replace(job, name="none-seed1", seed=1)]
    config = small_config({"sasrec": {"full_softmax_items": 0}})
    here = train_sasrec(jobs, spark, config, "test")
    tasks = small_config({"sasrec": {"full_softmax_items": 0}, "training": {"launcher": "tasks"}})
    there = train_sasrec(
        [dataclasses.replace(one, models=Store(tmp_path / "elsewhere")) for one in jobs], spark, tasks, "test"
    )
    weights = [[read_meta(model.folder)["weights"] for model in trained] for trained in (here, there)]
    assert weights[0] == weights[1]
    assert len(set(weights[0])) == 2


def test_generated_rows_change_the_weights_and_not_the_number_of_steps(
    job: SASRecJob, spark: SparkSession, toy: Lake, tmp_path: Path
) -> None:
    def arm(name: str, continued: bool) -> SASRecJob:
        rows = [
            (
                user,
                binary(items),
                binary([N_ITEMS] * len(items) if continued else []),
                np.full(MAX_LENGTH, 0.5, "<f4").tobytes(),
                1.0,
                False,
            )
            for user, items in enumerate(histories())
        ]
        extra = [(*row[:-1], True) for row in rows] if continued else []  # generated histories: more rows
        frame = spark.createDataFrame(
            rows + extra,
            "user_index int, items binary, continuations binary, continuation_weights binary, row_weight double, "
            "is_generated boolean",
        )
        folder = tmp_path / name
        frame.repartition(4, "user_index").sortWithinPartitions("user_index").write.parquet(str(folder))
        files = sorted(f"file://{file}" for file in folder.glob("*.parquet"))
        return dataclasses.replace(job, name=name, files=files, content_hash=name, augmented=True)

    none, augmented = train_sasrec([arm("none", False), arm("vae", True)], spark, small_config(), "test")
    assert [curve["epoch"] for curve in none.curves] == [curve["epoch"] for curve in augmented.curves]
    contexts = torch.from_numpy(np.array([[2, 4, 6]]))
    likes = [
        torch.softmax(load_recommender(model.folder).next_logits(contexts), dim=1)[0, N_ITEMS]
        for model in (none, augmented)
    ]
    assert likes[1] > 2 * likes[0]  # the arm learned what only its continuations say


def test_generated_rows_of_weight_zero_leave_the_weights_to_the_last_bit(
    job: SASRecJob, spark: SparkSession, own_toy: Lake
) -> None:
    train, vocabulary = own_toy.read("sequences").where("split = 'train'"), own_toy.read("vocabulary")
    first = F.element_at("event_ids", 1)
    following = train.select(
        F.concat(F.lit("g"), first).alias("event_id"),
        "user_id",
        first.alias("parent_event_id"),
        F.lit(vocabulary.first()["item_id"]).alias("item_id"),
        F.lit("2017-01-01").cast("timestamp").alias("event_time"),
    )
    histories = following.withColumn("parent_event_id", F.lit(None).cast("string"))
    jobs = []
    for name, weight in (("none", None), ("nothing", 0.0), ("something", 1.0)):
        candidates = following.unionByName(histories).withColumn("weight", F.lit(weight or 0.0))
        given = candidates.where("false") if weight is None else candidates
        rows = training_rows(train, given, vocabulary, MAX_LENGTH, 2).withColumn("arm", F.lit(name))
        own_toy.replace(rows, "training_rows", {"arm": name}, "test", files=4, by=("user_index", "window"))
        files = own_toy.snapshot_files("training_rows", {"arm": name})
        arm = dataclasses.replace(job, name=name, files=files, content_hash=name, augmented=weight is not None)
        jobs.append(arm)
    trained = train_sasrec(jobs, spark, small_config(), "test")
    none, nothing, something = (read_meta(model.folder)["weights"] for model in trained)
    assert none == nothing
    assert something != none
