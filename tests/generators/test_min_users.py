"""A floor of users: what a model may know of a pair depends on the users of other folds alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream import covisitation
from recaug.config import CoVisitation
from recaug.generators.counts import Counts
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.samplers import opened
from recaug.lake.store import Store


@dataclass(frozen=True)
class Tables:
    """Tables in memory."""

    tables: dict[str, DataFrame]

    def read(self, name: str) -> DataFrame:
        return self.tables[name]

    def content_hash(self, name: str, partition: Mapping[str, str] | None = None) -> str:
        return name

    def snapshot_files(self, name: str, partition: Mapping[str, str]) -> list[str]:
        return []


@pytest.fixture(scope="module")
def tables(spark: SparkSession) -> Tables:
    """After 1 two users of fold 0 had 2, two had 5, and one of fold 1 had 2; another one of fold 1 had 4 after 3."""
    histories = [(0, [1, 2]), (0, [1, 2]), (0, [1, 5]), (0, [1, 5]), (1, [1, 2]), (1, [3, 4])]
    counts = covisitation.counts(spark.createDataFrame(histories, "fold int, codes array<bigint>"), 2, 0.0)
    words = [(f"i{item}", item, 3, True) for item in range(1, 6)]
    schema = "item_id string, item_index int, events int, head boolean"
    return Tables({"covisitation": counts.persist(), "vocabulary": spark.createDataFrame(words, schema)})


def folders(tables: Tables, root: Path, min_users: int) -> dict[int, str]:
    inputs = GeneratorInputs(
        models=Store(root),
        tables=tables,
        counts=CoVisitation(window=2, backward=0.0),
        seed=0,
        folds=range(2),
        max_length=10,
        discovery=True,
        workers=1,
        min_users=min_users,
    )
    return Counts(attributes=0.0).folders(inputs, [])


def chances(folder: str, item: int, history: list[int]) -> list[float]:
    """Chances of what comes after an item, by the model that a fold's users are drawn from."""
    logits = opened(folder).next_logits(torch.tensor([[item]]), torch.tensor([history]))
    return logits[0].exp().tolist()


def after(folder: str, item: int, history: list[int]) -> set[int]:
    """What may come after an item."""
    return {other for other, chance in enumerate(chances(folder, item, history)) if chance > 0}


def test_each_folds_users_are_drawn_from_pairs_that_enough_users_of_the_others_had(
    tables: Tables, tmp_path: Path
) -> None:
    of_two = folders(tables, tmp_path, 2)
    assert after(of_two[1], 1, [1]) == {2, 5}
    assert after(of_two[0], 1, [1]) == set()  # but one user of fold 1 had the pair
    assert after(of_two[0], 3, [3]) == set()
    # Whether somebody had the pair decides nothing of what is drawn for them.
    assert chances(of_two[1], 1, [1, 2]) == chances(of_two[1], 1, [1]) == pytest.approx([0, 0, 0.5, 0, 0, 0.5])


def test_with_a_floor_of_one_all_pairs_count_but_ones_own(tables: Tables, tmp_path: Path) -> None:
    of_one = folders(tables, tmp_path, 1)
    assert len(set(of_one.values())) == 1
    assert after(of_one[0], 3, [3]) == {4}
    assert after(of_one[0], 3, [3, 4]) == set()
