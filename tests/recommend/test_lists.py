import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pyspark.sql import SparkSession

from recaug import cli
from recaug.config.base import Index
from recaug.lake.store import Store
from recaug.recommend.deep import load
from recaug.recommend.lists import top_lists
from recaug.recommend.retrieval import RETRIEVALS, Candidates, EveryItem
from recaug.training.checkpoint import finish_model
from recaug.training.models.sasrec import SASRec

WIDTH, ITEMS = 8, 20


@pytest.fixture(params=["exact", "ann"])
def index(request: pytest.FixtureRequest) -> Index:
    """How items are found."""
    if request.param == "ann":
        pytest.importorskip("faiss")
    found: Index = request.param
    return found


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
    spark: SparkSession, folder: str, diversity: float, index: Index
) -> None:
    histories = {"whole": [1, 2, 3, 4, 5, 6, 7, 8], "short": [9, 3], "one": [4], "new": []}
    rows = [
        (name, number, bytearray(np.array(items + [0] * (WIDTH - len(items)), "<i4").tobytes()), sorted(items))
        for number, (name, items) in enumerate(histories.items())
    ]
    df = spark.createDataFrame(rows, "user_id string, user_index int, items binary, seen array<int>")
    listed = top_lists(df, RETRIEVALS[index](folder, 0), 5, True, diversity).toPandas()
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


def test_a_user_who_has_all_but_two_items_gets_two(spark: SparkSession, folder: str, index: Index) -> None:
    seen = list(range(1, ITEMS - 1))
    row = ("u", 0, bytearray(np.array(seen[:WIDTH], "<i4").tobytes()), seen)
    df = spark.createDataFrame([row], "user_id string, user_index int, items binary, seen array<int>")
    for diversity in (0.0, 0.5):
        listed = top_lists(df, RETRIEVALS[index](folder, 0), 5, True, diversity).toPandas()
        assert set(listed["item_index"]) == {ITEMS - 1, ITEMS}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of 6,000 items in eighty groups, popular and rare ones."""
    torch.manual_seed(0)
    n = 6000
    arguments = {"n_items": n, "dim": 16, "blocks": 1, "heads": 1, "dropout": 0.0, "max_length": WIDTH}
    model, folder = SASRec(**arguments), Store(tmp_path_factory.mktemp("large") / "sasrec")
    with torch.no_grad():
        groups = torch.randn(80, 16)
        model.items.weight[1:] = groups[torch.randint(0, 80, (n,))] + 0.4 * torch.randn(n, 16)
        model.item_bias[1:] = -torch.arange(1, n + 1).float().log()
    finish_model(folder, model, {"arguments": arguments})
    return folder.root


def people(model: SASRec, users: int) -> pd.DataFrame:
    """Users of up to eight events who have had up to three hundred of their best items."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(users):
        items = rng.integers(1, 6001, user % WIDTH)
        padded = np.zeros(WIDTH, "<i4")
        padded[: len(items)] = items
        best = model.next_logits(torch.from_numpy(padded.astype(np.int64))[None])[0].topk(300).indices.numpy()
        seen = np.union1d(items, best[: [0, 5, 300][user % 3]]).astype(np.int32)
        rows.append((f"u{user}", user, padded.tobytes(), seen))
    return pd.DataFrame(rows, columns=["user_id", "user_index", "items", "seen"])


def test_the_index_finds_what_scoring_every_item_finds(large: str) -> None:
    pytest.importorskip("faiss")
    model = load(large)
    frame = people(model, 60)
    by_index, by_all = Candidates.of(large, 0), EveryItem(large)
    index, value = by_index.best(frame, 10, True)
    truth, scores = [], []
    for items, seen in zip(frame["items"], frame["seen"], strict=True):  # brute force, one user after the other
        logits = model.next_logits(torch.from_numpy(np.frombuffer(items, "<i4").astype(np.int64))[None])[0].numpy()
        logits[seen] = -np.inf
        truth.append(np.argsort(-logits)[:10])
        scores.append(logits[truth[-1]])
    hits = [len({*own} & {*true}) / 10 for own, true in zip(index, truth, strict=True)]
    assert np.mean(hits) > 0.9
    assert by_index.recall(frame, 10, True) == pytest.approx(np.mean(hits))
    assert by_all.recall(frame, 10, True) is None
    same = index == np.stack(truth)
    assert np.allclose(value[same], np.stack(scores)[same], atol=1e-4)
    assert not any(np.isin(own, had).any() for own, had in zip(index, frame["seen"], strict=True))
    nobody = np.flatnonzero([not np.frombuffer(items, "<i4").any() for items in frame["items"]])
    assert np.array_equal(index[nobody], by_all.best(frame.iloc[nobody], 10, True)[0])


def test_the_lists_of_an_index_do_not_depend_on_who_else_is_asked(large: str) -> None:
    pytest.importorskip("faiss")
    frame = people(load(large), 40)
    whole = Candidates.of(large, 0).best(frame, 10, True)[0]
    by_another = Candidates.of(large, 0)
    parts = [by_another.best(frame.iloc[start : start + 7], 10, True)[0] for start in range(0, 40, 7)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_an_index_without_its_package_is_refused_before_the_night_begins(
    thin_yaml: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as where it is not installed
    config = str(thin_yaml({"recommend": {"index": "ann"}}))
    assert cli.main(["--config", config, "--date", "2017-01-21"]) == 2
    said = capsys.readouterr().err
    assert said == "error: recommend.index: ann needs the package faiss-cpu; install recaug[ann], or set it to exact\n"
