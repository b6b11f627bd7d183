import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession
from tests.training.conftest import MAX_LENGTH, USERS

from recaug.lake.tables import Lake
from recaug.training.inputs import log_popularity, neighbours, validation_sample


def test_popularity_is_the_smoothed_share_of_the_events(spark: SparkSession) -> None:
    vocabulary = spark.createDataFrame([(2, 1), (1, 3)], "item_index int, events int")
    assert np.exp(log_popularity(vocabulary)) == pytest.approx(np.array([0.1, 3.1, 1.1]) / 4.3, rel=1e-5)


def test_neighbours_are_summed_over_folds_and_the_strongest_stay(spark: SparkSession) -> None:
    counts = spark.createDataFrame(
        [(0, 1, 2, 1.0), (1, 1, 2, 2.0), (0, 1, 3, 2.5), (0, 1, 4, 0.5), (1, 3, 1, 1.0)],
        "fold int, item_index int, other_index int, weight double",
    )
    found = neighbours(counts, 4, 2)
    assert found.items.tolist() == [[0, 0], [2, 3], [0, 0], [1, 0], [0, 0]]
    assert found.weights.tolist() == [[0, 0], [3.0, 2.5], [0, 0], [1.0, 0], [0, 0]]


def test_items_without_neighbours_make_an_empty_table(spark: SparkSession) -> None:
    counts = spark.createDataFrame([], "fold int, item_index int, other_index int, weight double")
    assert neighbours(counts, 3, 5).weights.tolist() == [[0], [0], [0], [0]]


def test_the_validation_sample_is_padded_and_counts_every_target(toy: Lake) -> None:
    sample = validation_sample(toy.read("sequences").where("split = 'validation'"), MAX_LENGTH, users=20)
    assert sample.histories.shape == (20, MAX_LENGTH)
    users, items = sample.seen
    assert sample.targets.shape == (20, 2)
    assert sample.n_targets.tolist() == [2] * 20
    assert users.tolist() == sorted(users.tolist())
    for user, history in enumerate(sample.histories):
        assert torch.equal(history[history > 0].sort().values, items[users == user].sort().values)
    assert len(validation_sample(toy.read("sequences").where("split = 'validation'"), MAX_LENGTH).targets) == USERS
    # fold_without_validation: a fold of few users may have none to watch
    nobody = validation_sample(toy.read("sequences").where("false"), MAX_LENGTH)
    assert (nobody.histories.shape, len(nobody.targets), len(nobody.n_targets)) == ((0, MAX_LENGTH), 0, 0)
