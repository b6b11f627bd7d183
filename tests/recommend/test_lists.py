import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession

from recaug.lake.store import Store
from recaug.recommend.lists import top_lists
from recaug.training.checkpoint import finish_model
from recaug.training.models.sasrec import SASRec

WIDTH, ITEMS = 8, 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    arguments = {"n_items": ITEMS, "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.0, "max_length": WIDTH}
    model, folder = SASRec(**arguments), Store(tmp_path_factory.mktemp("models") / "sasrec")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    finish_model(folder, model, {"arguments": arguments})
    return folder.root


@pytest.mark.parametrize("diversity", [0.0, 0.6])
def test_every_user_gets_a_list_whose_reasons_lie_in_the_history(
    spark: SparkSession, folder: str, diversity: float
) -> None:
    histories = {"whole": [1, 2, 3, 4, 5, 6, 7, 8], "short": [9, 3], "one": [4], "new": []}
    rows = [
        (name, number, bytearray(np.array(items + [0] * (WIDTH - len(items)), "<i4").tobytes()), sorted(items))
        for number, (name, items) in enumerate(histories.items())
    ]
    df = spark.createDataFrame(rows, "user_id string, user_index int, items binary, seen array<int>")
    listed = top_lists(df, folder, 5, True, diversity).toPandas()
    assert set(listed["user_id"]) == set(histories)
    for name, of_user in listed.groupby("user_id"):
        assert sorted(of_user["rank"]) == [1, 2, 3, 4, 5]
        assert of_user["item_index"].is_unique
        assert not set(of_user["item_index"]) & {0, *histories[name]}
        for because in of_user["because"]:
            assert {one["item_index"] for one in because} <= set(histories[name])
            assert sum(one["weight"] for one in because) <= 1.001
            assert [one["weight"] for one in because] == sorted((one["weight"] for one in because), reverse=True)
    assert all(len(because) == 0 for because in listed[listed["user_id"] == "new"]["because"])
    assert any(len(because) > 1 for because in listed[listed["user_id"] == "whole"]["because"])


def test_a_user_who_has_all_but_two_items_gets_two(spark: SparkSession, folder: str) -> None:
    seen = list(range(1, ITEMS - 1))
    row = ("u", 0, bytearray(np.array(seen[:WIDTH], "<i4").tobytes()), seen)
    df = spark.createDataFrame([row], "user_id string, user_index int, items binary, seen array<int>")
    for diversity in (0.0, 0.5):
        listed = top_lists(df, folder, 5, True, diversity).toPandas()
        assert set(listed["item_index"]) == {ITEMS - 1, ITEMS}
